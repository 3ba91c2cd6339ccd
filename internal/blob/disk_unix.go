//go:build unix

package blob

import (
	"errors"
	"os"
	"syscall"
)

// diskFree is the space that an ordinary user may still take, in bytes.
func diskFree(root *os.Root) (int64, error) {
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// syncFolder writes a folder's names to disk. File systems that cannot sync a
// folder say so, and keep names their own way.
func syncFolder(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isDenied(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS)
}

// notFolder makes a path through a plain file one that does not exist.
func notFolder(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return os.ErrNotExist
	}
	return err
}
