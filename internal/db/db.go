package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lenzeye/lenzeye/migrations"
)

// Engine names one of the two databases.
type Engine string

// The engines.
const (
	EngineSQLite   Engine = "sqlite"
	EnginePostgres Engine = "postgres"
)

// Options says which database to open and how long to wait for it.
type Options struct {
	// URL of a PostgreSQL database; empty means the SQLite file at Path.
	URL string
	// Path of the SQLite file. It and its folder are made when missing, for the
	// owner alone. migrate.lock lies beside it, and a lock of its own, which ends
	// with .lock: LockAlone.
	Path string

	// PingBeforeUse asks a PostgreSQL connection that was idle for over a second
	// whether it still lives, before it is used.
	PingBeforeUse bool
	// MaxConnLifetime after which a PostgreSQL connection is replaced; 0 means 180 s.
	MaxConnLifetime time.Duration
	// AcquireTimeout bounds the wait for a free connection; 0 means 30 s.
	AcquireTimeout time.Duration
	// ConnectTimeout bounds making a connection, and Open as a whole; 0 means 10 s.
	ConnectTimeout time.Duration
	// ReadTimeout ends a PostgreSQL connection on which the server moves no byte
	// for so long while it is waited for; 0 means 30 s. Migrations may take longer.
	ReadTimeout time.Duration
	// MigrateTimeout bounds the wait for another process that migrates; 0 means 60 s.
	MigrateTimeout time.Duration
	// MaxConns of PostgreSQL; 0 means 10.
	MaxConns int

	// Log gets retries and migrations; nil means nowhere.
	Log *slog.Logger
	// Observe is called after each "acquire" (wait for a connection of a
	// transaction), "tx" (a whole transaction with its repeats) and "read" (until
	// its first answer), with the context of its caller. nil means nobody asks.
	Observe func(ctx context.Context, op string, d time.Duration, err error)
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxConnLifetime, 180*time.Second)
	setDefault(&o.AcquireTimeout, 30*time.Second)
	setDefault(&o.ConnectTimeout, 10*time.Second)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.MigrateTimeout, 60*time.Second)
	setDefault(&o.MaxConns, 10)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(context.Context, string, time.Duration, error) {}
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Querier is what a statement needs: a transaction, or a DB for reading.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database, safe for concurrent use. As a Querier it reads.
type DB struct {
	engine  Engine
	opts    Options
	write   *sql.DB // on SQLite the one writer
	read    *sql.DB // on PostgreSQL the same as write
	pool    *pgxpool.Pool
	dial    pgconn.DialFunc // of the pool, without a limit on the waits
	source  fs.FS           // of the migrations
	opened  *Lock           // of SQLite: who holds it has the file open
	closing atomic.Bool
	life    sync.RWMutex // held by each transaction for reading, by Close for writing
}

// Open opens the database and asks it once. It fails with ErrRefused for a wrong
// login, an unknown database or a file that cannot be used, and with
// ErrUnreachable for a server that did not answer within ConnectTimeout.
// It does not migrate.
func Open(ctx context.Context, opts Options) (*DB, error) {
	d := &DB{opts: opts.withDefaults(), source: migrations.Files}
	open := d.openSQLite
	d.engine = EngineSQLite
	if opts.URL != "" {
		open = d.openPostgres
		d.engine = EnginePostgres
	}
	ctx, cancel := context.WithTimeout(ctx, d.opts.ConnectTimeout)
	defer cancel()
	if err := open(ctx); err != nil {
		return nil, fmt.Errorf("open %s database: %w", d.engine, err)
	}
	return d, nil
}

// Engine tells which database this is, for messages and for tests.
func (d *DB) Engine() Engine { return d.engine }

// Close ends all connections, after the transactions under way. What comes
// later fails with ErrUnavailable.
func (d *DB) Close() (err error) {
	if d.closing.Swap(true) {
		return nil
	}
	d.life.Lock()
	defer d.life.Unlock()
	if d.opened != nil {
		defer func() { err = errors.Join(err, d.opened.Unlock()) }()
	}
	var readErr error
	if d.read != d.write {
		readErr = d.read.Close() // first, so that the writer is last and folds the WAL in
	}
	if err := d.write.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	if d.pool != nil {
		d.pool.Close()
	}
	if readErr != nil {
		return fmt.Errorf("close database: %w", readErr)
	}
	return nil
}

// Ping tells whether the database answers a query.
func (d *DB) Ping(ctx context.Context) error {
	var one int64
	if err := d.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping database: %w", d.afterClose(err))
	}
	return nil
}

// ExecContext refuses with ErrReadOnly: a write belongs into InTx.
func (d *DB) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, ErrReadOnly
}

// QueryContext reads. The rows hold a connection until they are closed. It waits
// AcquireTimeout at most for one.
func (d *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	began := time.Now()
	w := waitToRead(ctx, d.opts.AcquireTimeout)
	rows, err := d.read.QueryContext(w, query, args...)
	if err != nil {
		w.end()
	}
	err = d.afterClose(err)
	d.opts.Observe(ctx, "read", time.Since(began), err)
	return rows, err
}

// QueryRowContext reads one row; Scan gives its error.
func (d *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	began := time.Now()
	w := waitToRead(ctx, d.opts.AcquireTimeout)
	row := d.read.QueryRowContext(w, query, args...)
	if row.Err() != nil {
		w.end()
	}
	d.opts.Observe(ctx, "read", time.Since(began), row.Err())
	return row
}

// afterClose gives the error of a closed handle, which database/sql does not
// export, its kind.
func (d *DB) afterClose(err error) error {
	if err == nil || !d.closing.Load() || classified(err) {
		return err
	}
	return fmt.Errorf("%w: it is closed: %w", ErrUnavailable, err)
}
