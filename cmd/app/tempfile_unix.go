//go:build unix

package main

import (
	"os"
	"syscall"
	"time"
)

// tempFile is a temporary file that goes with the process, however that ends: it
// has no name any more.
type tempFile struct{ *os.File }

func newTempFile() (*tempFile, error) {
	f, err := os.CreateTemp("", "lenzeye-send-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return &tempFile{f}, nil
}

// again opens the file once more, for reading at offsets.
func (t *tempFile) again(string) (*os.File, error) {
	fd, err := syscall.Dup(int(t.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), t.Name()), nil
}

func (t *tempFile) setDate(to time.Time) error {
	at := syscall.NsecToTimeval(to.UnixNano())
	return os.NewSyscallError("futimes", syscall.Futimes(int(t.Fd()), []syscall.Timeval{at, at}))
}

func (t *tempFile) remove() { _ = t.Close() } // what it held has been sent, or is lost anyway
