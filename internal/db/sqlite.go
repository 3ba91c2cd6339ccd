package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

const readers = 4

// openSQLite opens the one writer first, which makes the file a WAL database,
// and then the readers, which cannot write.
func (d *DB) openSQLite(ctx context.Context) error {
	path, err := filepath.Abs(d.opts.Path)
	if err != nil || d.opts.Path == "" {
		return fmt.Errorf("%w: neither a URL nor a path is set", ErrRefused)
	}
	d.opts.Path = path
	if d.opened, err = lockOpen(path); err != nil {
		return err
	}
	if err := d.openHandles(ctx); err != nil {
		return errors.Join(err, d.opened.Unlock())
	}
	return nil
}

func (d *DB) openHandles(ctx context.Context) (err error) {
	path := d.opts.Path
	if err := preparePath(path); err != nil {
		return err
	}
	d.write, err = d.sqliteHandle(writerPragmas, 1)
	if err != nil {
		return err
	}
	mode, err := d.journalMode(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), d.write.Close())
	}
	if mode != "wal" {
		d.opts.Log.Warn("database without a write-ahead log: readers wait for writers", "journal_mode", mode)
	}
	d.read, err = d.sqliteHandle(readerPragmas, readers)
	if err != nil {
		return errors.Join(err, d.write.Close())
	}
	return nil
}

// journalMode makes the first connection. Where several processes make a file a
// WAL database at once, SQLite answers busy without waiting for busy_timeout.
func (d *DB) journalMode(ctx context.Context) (mode string, err error) {
	for {
		err = d.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
		if !errors.Is(err, errConflict) {
			return mode, err
		}
		if wait(ctx, firstPause+rand.N(firstPause)) != nil {
			return "", err
		}
	}
}

// preparePath makes the file and its folder for the owner alone; SQLite gives
// its -wal and -shm files the same mode.
func preparePath(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return f.Close()
}

// The pragmas of each handle. Temporary tables stay in memory, since there is no
// folder for temporary files, and page caches are small. fullfsync matters where
// fsync alone does not reach the disk (macOS).
const (
	commonPragmas   = "?_pragma=busy_timeout(5000)&_pragma=temp_store(2)"
	durablePragmas  = "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)&_txlock=immediate"
	writerPragmas   = commonPragmas + durablePragmas + "&_pragma=foreign_keys(1)&_pragma=cache_size(-2048)&_pragma=journal_size_limit(16777216)"
	readerPragmas   = commonPragmas + "&_pragma=query_only(1)&_pragma=cache_size(-512)"
	migratorPragmas = commonPragmas + durablePragmas // no foreign keys while tables are rebuilt: checkForeignKeys looks after
)

func (d *DB) sqliteHandle(pragmas string, conns int) (*sql.DB, error) {
	inner, err := sqlite.NewConnector(sqliteURI(d.opts.Path) + pragmas)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	handle := sql.OpenDB(connector{Connector: inner, limit: d.opts.AcquireTimeout})
	handle.SetMaxOpenConns(conns)
	handle.SetMaxIdleConns(conns)
	return handle, nil
}

// sqliteURI escapes what has a meaning in SQLite's file: names, such as ? and %.
func sqliteURI(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/… on Windows
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}
