package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	serveLock   = "serve.lock"
	migrateLock = "migrate.lock"
	lockPoll    = 50 * time.Millisecond
	serveWait   = 2 * time.Second
	openLock    = ".lock" // behind the path of a SQLite database
)

// sharing is with whom a lock is held.
type sharing int

const (
	nobody sharing = iota
	others
)

// Lock is a lock between processes, on a file. The system releases it when the
// process ends, however it ends.
type Lock struct {
	file *os.File
	goes bool // the file goes with the lock
}

// LockServe takes the lock of the one process that serves, works or changes the
// schema on a data directory with SQLite. It waits for a moment, in which a command
// that found nobody serving looks at the schema: ErrLocked when another process
// still holds it.
func LockServe(ctx context.Context, dataDir string) (*Lock, error) {
	for began := time.Now(); ; {
		lock, err := tryLock(filepath.Join(dataDir, serveLock), nobody)
		if !errors.Is(err, ErrLocked) {
			return lock, err
		}
		if time.Since(began) >= serveWait || wait(ctx, lockPoll) != nil {
			return nil, fmt.Errorf("%w: one process at a time can use SQLite this way; stop the other one, or use PostgreSQL (DATABASE_URL) to run several", err)
		}
	}
}

// TryLockServe is LockServe for a command that also works beside a running
// serve: a lock held elsewhere is no error, but ok is false.
func TryLockServe(dataDir string) (lock *Lock, ok bool, err error) {
	lock, err = tryLock(filepath.Join(dataDir, serveLock), nobody)
	if errors.Is(err, ErrLocked) {
		return nil, false, nil
	}
	return lock, err == nil, err
}

// LockMigrate waits for the lock under which the schema changes, until ctx ends:
// then it is ErrLocked. Migrate and Migrator take it themselves.
func LockMigrate(ctx context.Context, dataDir string) (*Lock, error) {
	for {
		lock, err := tryLock(filepath.Join(dataDir, migrateLock), nobody)
		if !errors.Is(err, ErrLocked) {
			return lock, err
		}
		if wait(ctx, lockPoll) != nil {
			return nil, fmt.Errorf("another process migrates: %w", err)
		}
	}
}

// LockAlone takes the lock of a process that puts another SQLite database in the
// place of the one at path. Everybody who has that one open holds it with the
// others. It does not wait: ErrLocked when somebody has it open.
func LockAlone(path string) (*Lock, error) {
	lock, err := tryLock(path+openLock, nobody)
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: another command has the database open; try again when it has ended", err)
	}
	return lock, err
}

// lockOpen is held by everybody who has a SQLite database open.
func lockOpen(path string) (*Lock, error) {
	lock, err := tryLock(path+openLock, others)
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: app restore puts another database in its place; try again when it has ended", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return lock, nil
}

// LockPath takes a lock of a command's own, on a file that goes when the lock is
// given back and that a crash leaves behind, free. It does not wait: ErrLocked
// when another process holds it.
func LockPath(path string) (*Lock, error) {
	for {
		lock, err := tryLock(path, nobody)
		if err != nil {
			return nil, err
		}
		held, err := lock.file.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock: %w", err), lock.Unlock())
		}
		if now, err := os.Stat(path); err == nil && os.SameFile(held, now) {
			lock.goes = true
			return lock, nil
		}
		if err := lock.Unlock(); err != nil { // who held it before has taken the file away
			return nil, err
		}
	}
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error {
	if l.goes {
		_ = os.Remove(l.file.Name()) // a system that removes no open file leaves it behind, which does no harm
	}
	if err := errors.Join(unlockFile(l.file), l.file.Close()); err != nil {
		return fmt.Errorf("unlock %s: %w", l.file.Name(), err)
	}
	return nil
}

func tryLock(path string, with sharing) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lockFile(f, with); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return &Lock{file: f}, nil
}
