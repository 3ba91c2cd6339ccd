package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	mpgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	msqlite "github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// migrateSQLite gives golang-migrate a handle of its own, which it closes.
func (d *DB) migrateSQLite() (database.Driver, error) {
	c, err := sqlite.NewConnector(sqliteURI(d.opts.Path) + migratorPragmas)
	if err != nil {
		return nil, err
	}
	handle := sql.OpenDB(c)
	driver, err := msqlite.WithInstance(handle, &msqlite.Config{})
	if err != nil {
		return nil, errors.Join(driverKind(err), handle.Close())
	}
	return driver, nil
}

// migratePostgres does the same. The server ends each wait for a lock, that of
// the migrations included, after MigrateTimeout, or when ctx ends before the
// caller has called heard.
func (d *DB) migratePostgres(ctx context.Context) (driver database.Driver, heard func() bool, err error) {
	config := d.pool.Config().ConnConfig
	config.DialFunc = d.dial
	config.RuntimeParams["lock_timeout"] = strconv.FormatInt(d.opts.MigrateTimeout.Milliseconds(), 10)
	made := &connections{}
	handle := sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionAfterConnect(made.add)))
	if err := handle.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(classify(err), handle.Close())
	}
	heard = context.AfterFunc(ctx, made.cancel)
	driver, err = mpgx.WithInstance(handle, &mpgx.Config{}) // which waits for the lock too
	if err != nil {
		heard()
		// The library keeps a connection that it never returns.
		return nil, nil, errors.Join(driverKind(err), made.close(), handle.Close())
	}
	return driver, heard, nil
}

// lockedDriver is a driver whose lock its Migrator holds all the while. The
// library would give it back after each step.
type lockedDriver struct{ database.Driver }

// Lock does nothing.
func (lockedDriver) Lock() error { return nil }

// Unlock does nothing.
func (lockedDriver) Unlock() error { return nil }

// connections remembers what a handle opened.
type connections struct {
	mu   sync.Mutex
	open []*pgx.Conn
}

func (c *connections) add(_ context.Context, conn *pgx.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, conn)
	return nil
}

// cancel has the server end what it does on them.
func (c *connections) cancel() {
	ctx, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		_ = conn.PgConn().CancelRequest(ctx) // the wait has an end of its own
	}
}

func (c *connections) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		if err := conn.Close(ctx); err != nil {
			return fmt.Errorf("close connection: %w", err)
		}
	}
	return nil
}
