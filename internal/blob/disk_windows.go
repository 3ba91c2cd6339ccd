package blob

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

const (
	errHandleDiskFull = syscall.Errno(39)
	errDiskFull       = syscall.Errno(112)
)

// diskFree is the space that this user may still take, in bytes.
func diskFree(root *os.Root) (int64, error) {
	path, err := syscall.UTF16PtrFromString(root.Name())
	if err != nil {
		return 0, err
	}
	var free uint64
	call := syscall.NewLazyDLL("kernel32.dll").NewProc("GetDiskFreeSpaceExW")
	if ok, _, err := call.Call(uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&free)), 0, 0); ok == 0 {
		return 0, os.NewSyscallError("GetDiskFreeSpaceEx", err)
	}
	return int64(free), nil
}

// syncFolder does nothing: Windows does not sync folders.
func syncFolder(*os.File) error { return nil }

func isFull(err error) bool {
	return errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull)
}

func isDenied(err error) bool { return errors.Is(err, fs.ErrPermission) }

// notFolder makes a path through a plain file one that does not exist.
func notFolder(err error) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ERROR_PATH_NOT_FOUND) {
		return os.ErrNotExist
	}
	return err
}
