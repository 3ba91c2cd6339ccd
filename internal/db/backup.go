package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNoBackup means that a file is no whole copy of this program's database.
var ErrNoBackup = errors.New("not a whole backup of a Lenzeye database")

// BackupInfo describes a backup that was looked through.
type BackupInfo struct {
	Bytes   int64
	Version uint // of its schema
}

// Backup writes the SQLite database as it is at one moment into the file at
// path, for its owner alone, while others read and write. What was there is
// replaced, at once and only by a copy that is whole and on disk. It is
// ErrRefused for PostgreSQL, whose own tools do that.
func (d *DB) Backup(ctx context.Context, path string) (info BackupInfo, err error) {
	if d.engine != EngineSQLite {
		return info, fmt.Errorf("back up: %w: PostgreSQL is backed up by pg_dump", ErrRefused)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return info, fmt.Errorf("back up: %w", err)
	}
	temp := f.Name()
	defer func() { _ = os.Remove(temp) }() // after the rename there is none
	if err := f.Close(); err != nil {
		return info, fmt.Errorf("back up: %w", err)
	}
	if err := d.copyInto(ctx, temp); err != nil {
		return info, fmt.Errorf("back up: %w", err)
	}
	if info, err = InspectBackup(ctx, temp); err != nil {
		return info, fmt.Errorf("back up: %w", err)
	}
	if err := moveDurably(temp, path); err != nil {
		return info, fmt.Errorf("back up: %w", err)
	}
	return info, nil
}

// copyInto reads in one transaction on a connection of its own, so that nobody
// waits for it.
func (d *DB) copyInto(ctx context.Context, path string) (err error) {
	handle, err := d.sqliteHandle(commonPragmas, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, handle.Close()) }()
	_, err = handle.ExecContext(ctx, "VACUUM INTO $1", path)
	return err
}

// InspectBackup reads all of a backup and checks it: every page, every reference
// and the version of the schema. Errors: ErrNoBackup, ErrDirty.
func InspectBackup(ctx context.Context, path string) (info BackupInfo, err error) {
	stat, err := os.Stat(path)
	if err != nil {
		return info, fmt.Errorf("look through the backup: %w", err)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return info, fmt.Errorf("look through the backup: %w", err)
	}
	handle, err := sql.Open("sqlite", sqliteURI(path)+"?mode=ro&immutable=1")
	if err != nil {
		return info, fmt.Errorf("look through the backup: %w", err)
	}
	defer func() { err = errors.Join(err, handle.Close()) }()
	handle.SetMaxOpenConns(1)
	info.Bytes = stat.Size()
	var dirty bool
	err = handle.QueryRowContext(ctx, "SELECT version, dirty FROM schema_migrations").Scan(&info.Version, &dirty)
	if err == nil {
		err = wholeFile(ctx, handle)
	}
	switch {
	case ctx.Err() != nil:
		return info, ctx.Err()
	case err != nil:
		return info, fmt.Errorf("%w: %s: %w", ErrNoBackup, path, err)
	case dirty:
		return info, fmt.Errorf("%s: %w", path, ErrDirty)
	}
	return info, nil
}

func wholeFile(ctx context.Context, handle *sql.DB) error {
	var verdict string
	if err := handle.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return errors.New(verdict)
	}
	var table, parent string
	var rowid, index sql.NullInt64
	err := handle.QueryRowContext(ctx, "PRAGMA foreign_key_check").Scan(&table, &rowid, &parent, &index)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("row %d of %s points at a row of %s that is not there", rowid.Int64, table, parent)
}

// StageBackup copies a backup beside the SQLite database at path, under a name of
// its own, where Restore takes it from, and returns where. Copies that were left
// there before are taken away. The caller holds the lock of LockAlone.
func StageBackup(ctx context.Context, backup, path string) (staged string, err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("copy the backup: %w", err)
	}
	from, err := os.Open(backup)
	if err != nil {
		return "", fmt.Errorf("copy the backup: %w", err)
	}
	defer func() { _ = from.Close() }()
	if err := dropLeftovers(from, path); err != nil {
		return "", err
	}
	to, err := os.CreateTemp(folder, stagedName(path)+"*") // 0600
	if err != nil {
		return "", fmt.Errorf("copy the backup: %w", err)
	}
	staged = to.Name()
	_, err = io.Copy(to, untilDone{ctx, from})
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("copy the backup: %w", err), DropStaged(staged))
	}
	return staged, nil
}

// stagedName is how the names of staged copies begin.
func stagedName(path string) string { return "." + filepath.Base(path) + ".restore-" }

// dropLeftovers takes away the copies of restores that were cut, unless one of
// them is the backup itself.
func dropLeftovers(backup *os.File, path string) error {
	itself, err := backup.Stat()
	if err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	for _, e := range entries {
		name, isLeft := strings.CutPrefix(e.Name(), stagedName(path))
		if _, err := strconv.ParseUint(name, 10, 64); !isLeft || err != nil { // what belongs to a copy goes with it
			continue
		}
		left := filepath.Join(filepath.Dir(path), e.Name())
		if info, err := os.Stat(left); err != nil || os.SameFile(info, itself) {
			continue
		}
		if err := DropStaged(left); err != nil {
			return err
		}
	}
	return nil
}

// untilDone ends a copy with its context.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// DropStaged takes a staged copy away.
func DropStaged(staged string) error { return removeDatabase(staged) }

// Restore puts a staged copy in the place of the SQLite database at path. Killed
// at any moment it leaves the old database or the new one, whole. The caller
// holds the lock of LockAlone. It is ErrLocked where a program that minds no such
// lock has the database open.
func Restore(ctx context.Context, staged, path string) error {
	if err := foldLog(ctx, path); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	// A log beside the new file would be taken for its own.
	for _, side := range []string{"-wal", "-shm"} {
		for _, of := range []string{staged, path} {
			if err := os.Remove(of + side); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("restore: %w", err)
			}
		}
	}
	if err := moveDurably(staged, path); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// foldLog brings what the log of the old database holds into its file, so that
// until the last moment nothing of it is lost. One that cannot be read has
// nothing to lose.
func foldLog(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	d := &DB{engine: EngineSQLite, opts: Options{Path: path}.withDefaults()}
	handle, err := d.sqliteHandle(commonPragmas, 1)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }() // it has written what it had to
	var busy, log, folded int64
	err = handle.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &folded)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errConflict), err == nil && busy != 0:
		return fmt.Errorf("%w: another program has %s open", ErrLocked, path)
	}
	return nil
}

func removeDatabase(path string) error {
	for _, side := range []string{"", "-wal", "-shm", "-journal", openLock} {
		if err := os.Remove(path + side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take the copy away: %w", err)
		}
	}
	return nil
}

// moveDurably renames a file whose bytes reach the disk first, and the name after.
func moveDurably(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}
