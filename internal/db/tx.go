package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	maxTries   = 5
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond

	commitLimit = 30 * time.Second
)

// InTx runs fn in one transaction: BEGIN IMMEDIATE on SQLite, READ COMMITTED on
// PostgreSQL. It commits when fn returns nil and rolls back otherwise, also when
// fn panics. Where the transaction lost against another one, or its connection
// before the commit, it runs again, five times at most: fn must be repeatable,
// wrap errors with %w, and neither commit, roll back nor keep tx. It returns after
// the first statement that failed, since PostgreSQL refuses all that follow, and
// it does not call InTx.
//
// A cancelled ctx ends the transaction until its commit has begun; the commit
// itself runs on, for 30 s at most, so that a caller that goes away does not leave
// its outcome open.
func (d *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	d.life.RLock()
	defer d.life.RUnlock()
	began := time.Now()
	err := d.repeat(ctx, fn)
	d.opts.Observe(ctx, "tx", time.Since(began), err)
	return err
}

func (d *DB) repeat(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := d.attempt(ctx, fn)
		if err == nil || !repeatable(err) || ctx.Err() != nil {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("gave up after %d tries: %w", try, err)
		}
		d.opts.Log.Debug("transaction repeated", "try", try, "error", err)
		if err := wait(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

func repeatable(err error) bool {
	return (errors.Is(err, errConflict) || errors.Is(err, errLost)) && !errors.Is(err, ErrOutcomeUnknown)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *DB) attempt(ctx context.Context, fn func(context.Context, *sql.Tx) error) (err error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back; its error would be that of the connection's own end

	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	release := context.AfterFunc(ctx, cancel)

	tx, err := conn.BeginTx(own, d.txOptions())
	if err != nil {
		return fmt.Errorf("begin: %w", orCause(ctx, err))
	}
	defer tx.Rollback() // without effect after the commit
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if !release() {
		return ctx.Err()
	}
	timer := time.AfterFunc(commitLimit, cancel)
	defer timer.Stop()
	if err := tx.Commit(); err != nil {
		if own.Err() != nil && !classified(err) {
			err = fmt.Errorf("%w: no answer within %v", ErrUnavailable, commitLimit)
		}
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// acquire takes a connection for writing, within AcquireTimeout.
func (d *DB) acquire(ctx context.Context) (*sql.Conn, error) {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, d.opts.AcquireTimeout)
	defer cancel()
	conn, err := d.write.Conn(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil && !classified(err) {
		err = fmt.Errorf("%w: no connection became free within %v", ErrUnavailable, d.opts.AcquireTimeout)
	}
	err = d.afterClose(err)
	d.opts.Observe(ctx, "acquire", time.Since(began), err)
	if err != nil {
		return nil, fmt.Errorf("acquire connection: %w", err)
	}
	return conn, nil
}

func (d *DB) txOptions() *sql.TxOptions {
	if d.engine == EnginePostgres {
		return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	return nil // SQLite knows one level, serializable
}

// orCause prefers the caller's own cancellation to what the driver made of it.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
