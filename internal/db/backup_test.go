package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

// openFile opens a SQLite database of the current schema with a table of pairs:
// a backup that is not of one moment would hold half of one.
func openFile(t *testing.T, path string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func write(ctx context.Context, d *db.DB, query string, args ...any) error {
	return d.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

func number(t *testing.T, d *db.DB, query string) (n int64) {
	t.Helper()
	if err := d.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBackupIsOfOneMomentWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openFile(t, filepath.Join(dir, "app.db"))
	if err := write(t.Context(), d, `CREATE TABLE pairs (n BIGINT, half TEXT)`); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	begun := make(chan struct{})
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			err := d.InTx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
				for _, half := range []string{"left", "right"} {
					if _, err := tx.ExecContext(ctx, `INSERT INTO pairs (n, half) VALUES ($1, $2)`, n, half); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			if n == 10 {
				close(begun)
			}
		}
	})
	<-begun
	for i := range 5 {
		path := filepath.Join(dir, "backup")
		info, err := d.Backup(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := db.InspectBackup(t.Context(), path); err != nil || again != info || info.Version == 0 {
			t.Errorf("backup %d: %+v, looked through again %+v, %v", i, info, again, err)
		}
		copied := openFile(t, path)
		if n := number(t, copied, `SELECT COUNT(*) FROM pairs`); n%2 != 0 || n < 20 {
			t.Errorf("backup %d holds %d halves", i, n)
		}
		if err := copied.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	writing.Wait()
	files, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	info, err := os.Stat(filepath.Join(dir, "backup"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestStoppedBackupLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openFile(t, filepath.Join(dir, "app.db"))
	path := filepath.Join(dir, "backup")
	if err := os.WriteFile(path, []byte("the one before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Backup(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "the one before" {
		t.Errorf("what was there is %q, %v", text, err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if _, err := d.Backup(t.Context(), filepath.Join(dir, "no", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
}

func TestInspectRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openFile(t, filepath.Join(dir, "app.db"))
	good := filepath.Join(dir, "good")
	if _, err := d.Backup(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	broken := append([]byte{}, whole...)
	for i := len(broken) / 2; i < len(broken)/2+4096; i++ {
		broken[i] = 0xff
	}
	for name, content := range map[string][]byte{
		"text": []byte("hello"), "empty": nil, "cut": whole[:len(whole)/2], "broken": broken,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := db.InspectBackup(t.Context(), path); !errors.Is(err, db.ErrNoBackup) {
			t.Errorf("%s: %v, want ErrNoBackup", name, err)
		}
	}
	if err := write(t.Context(), d, `UPDATE schema_migrations SET dirty = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Backup(t.Context(), filepath.Join(dir, "dirty")); !errors.Is(err, db.ErrDirty) {
		t.Errorf("dirty: %v", err)
	}
	if _, err := db.InspectBackup(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// A restore over a database that was killed, with its log beside it, gives the
// backup and nothing of that log.
func TestRestoreReplacesDatabaseAndLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "app.db"), filepath.Join(dir, "backup")
	d := openFile(t, path)
	if err := write(t.Context(), d, `CREATE TABLE notes (text TEXT)`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := write(t.Context(), d, `INSERT INTO notes (text) VALUES ($1)`, fmt.Sprint("after ", i)); err != nil {
			t.Fatal(err)
		}
	}
	killed := t.TempDir()
	for _, name := range []string{"app.db", "app.db-wal"} { // as a kill leaves them
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(killed, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"over a killed one": filepath.Join(killed, "app.db"), "into an empty folder": filepath.Join(t.TempDir(), "new", "app.db")} {
		if _, err := db.StageBackup(t.Context(), backup, target); err != nil { // of a restore that was cut
			t.Fatal(err)
		}
		staged, err := db.StageBackup(t.Context(), backup, target)
		if err != nil {
			t.Fatal(err)
		}
		looked := openFile(t, staged) // as the command does, which leaves a lock
		if err := looked.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Restore(t.Context(), staged, target); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := db.DropStaged(staged); err != nil {
			t.Error(err)
		}
		restored := openFile(t, target)
		if n := number(t, restored, `SELECT COUNT(*) FROM notes`); n != 0 {
			t.Errorf("%s: %d rows came after the backup", name, n)
		}
		if err := restored.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(target), ".*")); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind %v, %v", name, left, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.StageBackup(ctx, backup, path); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// A restore takes its own copies away and nothing else, whatever the backup is
// called: not even a copy that it is given as the backup.
func TestRestoreKeepsItsBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	d := openFile(t, path)
	for _, name := range []string{"app.db.restore", ".app.db.restore-keep", ".app.db.restore-123"} {
		backup := filepath.Join(dir, name)
		if _, err := d.Backup(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		staged, err := db.StageBackup(t.Context(), backup, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.DropStaged(staged); err != nil {
			t.Error(err)
		}
		if _, err := db.InspectBackup(t.Context(), backup); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that has the database open, and minds none of our locks, keeps the
// log from being folded in: what it holds is not lost by a restore.
func TestRestoreBesideAForeignReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "app.db"), filepath.Join(dir, "backup")
	d := openFile(t, path)
	if err := write(t.Context(), d, `CREATE TABLE notes (text TEXT)`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	foreign, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = foreign.Close() })
	reading, err := foreign.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM notes`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), d, `INSERT INTO notes (text) VALUES ('late')`); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	staged, err := db.StageBackup(t.Context(), backup, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Restore(t.Context(), staged, path); !errors.Is(err, db.ErrLocked) {
		t.Errorf("beside a reader: %v", err)
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := number(t, openFile(t, path), `SELECT COUNT(*) FROM notes`); n != 1 {
		t.Errorf("%d rows of the old database are there", n)
	}
	if err := db.Restore(t.Context(), staged, path); err != nil {
		t.Errorf("without the reader: %v", err)
	}
}
