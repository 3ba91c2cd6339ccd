package db

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func lockFile(f *os.File, with sharing) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if with == nobody {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// unlockFile leaves it to the close, since no other process has this handle.
func unlockFile(*os.File) error { return nil }
