package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

// Schema tells where a database stands.
type Schema struct {
	Version uint // last migration that was applied; 0 is none
	Latest  uint // last migration that this binary knows
	Dirty   bool // Version failed half-way
}

// Schema reads the version of the schema and changes nothing.
func (d *DB) Schema(ctx context.Context) (Schema, error) {
	all, err := d.Migrations()
	if err != nil {
		return Schema{}, err
	}
	var s Schema
	if len(all) > 0 {
		s.Latest = all[len(all)-1].Version
	}
	exists := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'"
	if d.engine == EnginePostgres {
		exists = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'schema_migrations'"
	}
	var tables int64
	if err := d.QueryRowContext(ctx, exists).Scan(&tables); err != nil || tables == 0 {
		return s, wrapUnlessNil("read schema version", d.afterClose(err))
	}
	var version int64
	err = d.QueryRowContext(ctx, "SELECT version, dirty FROM schema_migrations").Scan(&version, &s.Dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	s.Version = uint(max(version, 0))
	return s, wrapUnlessNil("read schema version", err)
}

func wrapUnlessNil(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Migrate brings the schema to the latest version. A database that is ahead of
// this binary stays as it is. It waits for another process that migrates, for
// MigrateTimeout at most (ErrLocked), and is ErrDirty after one that failed
// half-way. A migration that has begun is not interrupted.
func (d *DB) Migrate(ctx context.Context) (err error) {
	if s, err := d.Schema(ctx); err != nil || (s.Version >= s.Latest && !s.Dirty) {
		return err
	}
	m, err := d.Migrator(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	steps, err := m.PlanUp(ctx, 0)
	if err != nil {
		return err
	}
	return m.Run(ctx, steps)
}

// Migrator changes the schema over a handle of its own. It holds the lock of the
// migrations from Migrator to Close, so that what was planned is what runs. On
// SQLite the caller also holds the lock of LockServe.
type Migrator struct {
	db     *DB
	m      *migrate.Migrate
	driver database.Driver // locked
	lock   *Lock           // SQLite; PostgreSQL locks in the server
}

// Migrator opens one, after waiting for another process that migrates, for
// MigrateTimeout at most: then it is ErrLocked.
func (d *DB) Migrator(ctx context.Context) (*Migrator, error) {
	if d.closing.Load() {
		return nil, fmt.Errorf("migrate: %w: it is closed", ErrUnavailable)
	}
	m := &Migrator{db: d}
	driver, err := m.openLocked(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%v)", ctx.Err(), err) // the caller left while it waited
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	m.driver = driver
	source, err := iofs.New(d.source, ".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: read migrations: %w", err), driver.Unlock(), driver.Close(), m.unlock())
	}
	m.m, err = migrate.NewWithInstance("iofs", source, string(d.engine), lockedDriver{driver})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: %w", err), driver.Unlock(), driver.Close(), m.unlock())
	}
	m.m.Log = migrateLog{d.opts.Log}
	return m, nil
}

// openLocked opens a driver whose lock is held.
func (m *Migrator) openLocked(ctx context.Context) (database.Driver, error) {
	if m.db.engine == EngineSQLite {
		return m.openLockedSQLite(ctx)
	}
	driver, heard, err := m.db.migratePostgres(ctx)
	if err != nil {
		return nil, err
	}
	if err := driver.Lock(); err != nil { // it waits, and the server ends the wait
		heard()
		return nil, errors.Join(driverKind(err), driver.Close())
	}
	if !heard() { // what comes next may be cut
		return nil, errors.Join(ctx.Err(), driver.Unlock(), driver.Close())
	}
	return driver, nil
}

func (m *Migrator) openLockedSQLite(ctx context.Context) (database.Driver, error) {
	wait, cancel := context.WithTimeout(ctx, m.db.opts.MigrateTimeout)
	defer cancel()
	lock, err := LockMigrate(wait, filepath.Dir(m.db.opts.Path))
	if err != nil {
		return nil, err
	}
	m.lock = lock
	driver, err := m.db.migrateSQLite()
	if err != nil {
		return nil, errors.Join(err, m.unlock())
	}
	if err := driver.Lock(); err != nil {
		return nil, errors.Join(driverKind(err), driver.Close(), m.unlock())
	}
	return driver, nil
}

// Run runs the steps of a plan in their order, and logs each. When ctx ends it
// stops before the next one; a step that has begun is not interrupted.
func (m *Migrator) Run(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("migrate: stopped before %s: %w", s, err)
		}
		way := 1
		if s.Back {
			way = -1
		}
		if err := m.done(ctx, s.String(), m.m.Steps(way)); err != nil {
			return err
		}
	}
	return nil
}

// Force writes a version without running anything, after a person mended what a
// failed migration left. 0 means that none is applied. It is ErrNoMigration for
// a version that this binary does not know.
func (m *Migrator) Force(ctx context.Context, version uint) error {
	all, err := m.db.Migrations()
	if err != nil {
		return err
	}
	if _, err := find(all, version); err != nil {
		return fmt.Errorf("force %d: %w", version, err)
	}
	v := int(version)
	if v == 0 {
		v = database.NilVersion
	}
	return m.done(ctx, fmt.Sprintf("force %d", version), m.m.Force(v))
}

// Drop deletes every table, with all that is in them. The Migrator can only be
// closed after it.
func (m *Migrator) Drop(ctx context.Context) error {
	return m.done(ctx, "drop", m.m.Drop())
}

// Close gives back the lock and the handle.
func (m *Migrator) Close() error {
	locked := m.driver.Unlock() // first: the server may notice late that a connection ended
	source, driver := m.m.Close()
	return wrapUnlessNil("close migrator", errors.Join(locked, source, driver, m.unlock()))
}

func (m *Migrator) unlock() error {
	if m.lock == nil {
		return nil
	}
	return m.lock.Unlock()
}

// done gives an error of the library its kind, and checks what SQLite did not
// check while tables were rebuilt.
func (m *Migrator) done(ctx context.Context, what string, err error) error {
	if m.db.pool != nil {
		m.db.pool.Reset() // prepared statements of the old schema end with their connections
	}
	if err != nil {
		return fmt.Errorf("migrate %s: %w", what, driverKind(err))
	}
	if err := m.db.checkForeignKeys(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("migrate %s: %w", what, err)
	}
	return nil
}

// driverKind classifies what the library wrapped in an error of its own.
func driverKind(err error) error {
	var orig error
	if e, ok := errors.AsType[database.Error](err); ok {
		orig = e.OrigErr
	} else if e, ok := errors.AsType[*database.Error](err); ok {
		orig = e.OrigErr
	}
	if orig == nil {
		return classify(err)
	}
	if kind := kindOf(orig); kind != nil {
		return fmt.Errorf("%w: %w", kind, orig)
	}
	return orig
}

// checkForeignKeys finds the rows that point nowhere.
func (d *DB) checkForeignKeys(ctx context.Context) error {
	if d.engine != EngineSQLite {
		return nil
	}
	var table, parent string
	var rowid, index sql.NullInt64
	err := d.QueryRowContext(ctx, "PRAGMA foreign_key_check").Scan(&table, &rowid, &parent, &index)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check foreign keys: %w", err)
	}
	return fmt.Errorf("row %d of %s points at a row of %s that is not there", rowid.Int64, table, parent)
}

type migrateLog struct{ log *slog.Logger }

func (l migrateLog) Printf(format string, v ...any) {
	l.log.Info("migration", "step", strings.TrimSpace(fmt.Sprintf(format, v...)))
}

func (l migrateLog) Verbose() bool { return false }
