package client

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"sync"
	"syscall"
)

// fetchWork is a file on its way into the folder.
type fetchWork struct {
	Wanted
	id    string
	part  string // its name until it is whole
	count int    // pieces

	mu    sync.Mutex
	begun bool
	whole bool // it was there, complete
	f     *os.File
	state arrived
	err   error // why the file cannot be had; the first counts
	left  int
}

// begin looks what is there, once for all pieces.
func (w *fetchWork) begin(ctx context.Context, dir *os.Root) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun || w.err != nil {
		return w.err
	}
	w.begun = true
	w.whole, w.err = w.isThere(ctx, dir)
	switch {
	case w.err == nil && w.whole:
		w.err = w.tidy(dir)
	case w.err == nil:
		w.err = w.openPart(dir)
	}
	return w.err
}

// isThere tells whether the file is in the folder already, whole.
func (w *fetchWork) isThere(ctx context.Context, dir *os.Root) (bool, error) {
	if !w.hasCRC {
		return false, fmt.Errorf("%w: the server gives no checksum", ErrDamaged)
	}
	info, err := dir.Lstat(w.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, &LocalError{err}
	case !info.Mode().IsRegular() || info.Size() != w.Size:
		return false, ErrExists
	}
	f, err := openRegular(dir, w.Name, os.O_RDONLY)
	if err != nil {
		return false, &LocalError{err}
	}
	defer f.Close()
	err = w.check(ctx, f)
	if errors.Is(err, ErrDamaged) {
		return false, ErrExists
	}
	return err == nil, err
}

func (w *fetchWork) has(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return holds(w.state.Pieces, n)
}

// openRegular opens a file of the folder. It refuses what is none, like links,
// pipes and devices, and never waits for one, should it come just now.
func openRegular(dir *os.Root, name string, flags int) (*os.File, error) {
	info, err := dir.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return openNow(dir, name, flags)
}

// openNow is openRegular after its first look.
func openNow(dir *os.Root, name string, flags int) (*os.File, error) {
	f, err := dir.OpenFile(name, flags|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // nothing was read or written
		return nil, errors.Join(err, fmt.Errorf("%s is no regular file", name))
	}
	return f, nil
}

// fetched counts the bytes that have arrived.
func (w *fetchWork) fetched() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, run := range w.state.Pieces {
		n += min(w.Size, int64(run[1]+1)*pieceSize) - int64(run[0])*pieceSize
	}
	return n
}

func (w *fetchWork) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *fetchWork) done() (last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left--
	return w.left == 0
}

// end checks the whole file and gives it its name, or returns why it cannot be
// had. A damaged one leaves nothing to go on with.
func (w *fetchWork) end(ctx context.Context, dir *os.Root, flush func(*os.File) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return w.err // whole, or never begun
	}
	f := w.f
	w.f = nil
	err := w.err
	if err == nil {
		err = w.check(ctx, f)
	}
	if err == nil { // a name stands for a whole file, also after the power was lost
		if flushed := flush(f); flushed != nil {
			err = &LocalError{flushed}
		}
	}
	if closed := f.Close(); err == nil && closed != nil {
		err = &LocalError{closed}
	}
	part := w.part
	if errors.Is(err, ErrDamaged) {
		return errors.Join(err, remove(dir, part), remove(dir, part+".json"))
	}
	if err != nil {
		return err
	}
	err = w.rename(dir, part, flush)
	if err != nil && !errors.Is(err, ErrExists) {
		err = &LocalError{err}
	}
	return err
}

// rename looks once more whether the name is free: fetching can have taken hours.
func (w *fetchWork) rename(dir *os.Root, part string, flush func(*os.File) error) error {
	if _, err := dir.Lstat(w.Name); err == nil {
		return ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if date := w.date(); !date.IsZero() {
		if err := dir.Chtimes(part, date, date); err != nil {
			return err
		}
	}
	if err := dir.Rename(part, w.Name); err != nil {
		return err
	}
	if err := flushFolder(dir, path.Dir(w.Name), flush); err != nil {
		return err
	}
	return remove(dir, part+".json")
}

// flushFolder makes a new name last, where the system can flush folders.
func flushFolder(dir *os.Root, name string, flush func(*os.File) error) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(flush(f), f.Close())
}

// check reads a file from its beginning and compares it with its checksum.
func (w *fetchWork) check(ctx context.Context, f *os.File) error {
	sum := crc32.NewIEEE()
	n, err := io.Copy(sum, readerUntil{ctx, io.NewSectionReader(f, 0, w.Size+1)})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &LocalError{err}
	}
	if n != w.Size || sum.Sum32() != uint32(w.crc) {
		return ErrDamaged
	}
	return nil
}

// readerUntil ends reading when ctx ends, since a large file takes minutes to read.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// close lets the file go when the whole fetching has ended; the notes say what
// counts of it.
func (w *fetchWork) close() {
	if w.f != nil {
		_ = w.f.Close() // what is not noted is fetched again
		w.f = nil
	}
}

func remove(dir *os.Root, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// IsDiskFull tells whether err is a disk, or a quota of one, that takes no more.
func IsDiskFull(err error) bool { return isDiskFull(runtime.GOOS, err) }

func isDiskFull(system string, err error) bool {
	var code syscall.Errno
	if system == "windows" && errors.As(err, &code) {
		return code == windowsDiskFull || code == windowsHandleDiskFull
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// The same numbers mean other things on other systems.
const (
	windowsHandleDiskFull = syscall.Errno(39)  // ERROR_HANDLE_DISK_FULL
	windowsDiskFull       = syscall.Errno(112) // ERROR_DISK_FULL
)
