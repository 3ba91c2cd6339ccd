package db_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

func TestServeLockHoldsAcrossProcesses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	lock, err := db.LockServe(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if line := begin(t, "serve", dir).line(t); !strings.Contains(line, "locked by another process") || !strings.Contains(line, "PostgreSQL") {
		t.Errorf("a second serve says %q", line)
	}
	if _, err := db.LockServe(t.Context(), dir); !errors.Is(err, db.ErrLocked) {
		t.Errorf("a second lock in this process: %v", err)
	}
	if _, ok, err := db.TryLockServe(dir); ok || err != nil {
		t.Errorf("try: %v, %v", ok, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	other := begin(t, "serve", dir)
	if line := other.line(t); line != "ok" {
		t.Fatalf("after the unlock: %q", line)
	}
	if _, ok, err := db.TryLockServe(dir); ok || err != nil {
		t.Errorf("try beside the other process: %v, %v", ok, err)
	}
	if err := other.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.cmd.Wait() // killed, as it should be
	lock, ok, err := db.TryLockServe(dir)
	if !ok || err != nil {
		t.Fatalf("after the other was killed: %v, %v", ok, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

// TestServeLockWaitsForWhatPasses: a command that found nobody serving holds the lock
// for a moment, and a server that starts just then is not refused.
func TestServeLockWaitsForWhatPasses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passing, ok, err := db.TryLockServe(dir)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	given := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() { given <- passing.Unlock() })
	lock, err := db.LockServe(t.Context(), dir)
	if err := errors.Join(err, <-given); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.LockServe(t.Context(), file); err == nil || errors.Is(err, db.ErrLocked) {
		t.Errorf("serve: %v", err)
	}
	if _, ok, err := db.TryLockServe(file); ok || err == nil {
		t.Errorf("try: %v, %v", ok, err)
	}
	if _, err := db.LockMigrate(t.Context(), file); err == nil || errors.Is(err, db.ErrLocked) {
		t.Errorf("migrate: %v", err)
	}
}

func TestMigrateLockWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := db.LockMigrate(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := db.LockMigrate(ctx, dir); !errors.Is(err, db.ErrLocked) {
		t.Errorf("while it is held: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := db.LockMigrate(t.Context(), dir)
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("after the unlock: %v", err)
	}
}

// TestLockPathGoes has many take the same lock in turns: never two hold it, and no
// file is left.
func TestLockPathGoes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "one.lock")
	var holders, taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				lock, err := db.LockPath(path)
				if errors.Is(err, db.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if holders.Add(1) != 1 {
					t.Error("two hold it at once")
				}
				taken.Add(1)
				holders.Add(-1)
				if err := lock.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() == 0 {
		t.Error("nobody ever got it")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
	if _, err := db.LockPath(filepath.Join(t.TempDir(), "lock_test.go", "\x00")); err == nil || errors.Is(err, db.ErrLocked) {
		t.Errorf("a path that cannot be: %v", err)
	}
}

// TestLockAlone: who puts another database in the place of one, and who has that
// one open, keep each other out.
func TestLockAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	first, second := openFile(t, path), openFile(t, path)
	for _, d := range []*db.DB{first, second} {
		if _, err := db.LockAlone(path); !errors.Is(err, db.ErrLocked) {
			t.Errorf("while it is open: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	alone, err := db.LockAlone(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(t.Context(), db.Options{Path: path}); !errors.Is(err, db.ErrLocked) {
		t.Errorf("open beside it: %v", err)
	}
	if err := alone.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := openFile(t, path).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
