package client

import (
	"context"
	"encoding/json"
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

	"github.com/lenzeye/lenzeye/internal/api"
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

// arrived is what name.part.json holds: which file this is, and which of its
// pieces are in name.part.
type arrived struct {
	ID     string     `json:"id"`
	Size   int64      `json:"size"`
	CRC32  *api.CRC32 `json:"crc32"`
	Piece  int64      `json:"piece_size"`
	Pieces [][2]int   `json:"pieces"` // runs [first, last], sorted
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

// tidy removes what an earlier run noted of a file that is whole: it may have ended
// between giving it its name and this.
func (w *fetchWork) tidy(dir *os.Root) error {
	before, err := readArrived(dir, w.part+".json")
	if err != nil || !w.continues(before) {
		return nil // somebody else's
	}
	if err := remove(dir, w.part+".json"); err != nil {
		return &LocalError{err}
	}
	return nil
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

// openPart opens name.part, with what it holds if it is of this file.
func (w *fetchWork) openPart(dir *os.Root) error {
	name := w.part
	w.state = arrived{ID: w.id, Size: w.Size, CRC32: &w.crc, Piece: pieceSize}
	if err := dir.MkdirAll(path.Dir(name), 0o777); err != nil {
		return &LocalError{err}
	}
	before, err := readArrived(dir, name+".json")
	if err != nil {
		return &LocalError{err}
	}
	f, err := openRegular(dir, name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return &LocalError{err}
	}
	size := int64(0)
	if w.continues(before) {
		w.state.Pieces = before.Pieces
		size, err = f.Seek(0, io.SeekEnd)
	} else {
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return &LocalError{err}
	}
	if n := len(w.state.Pieces); n > 0 && size < min(w.Size, int64(w.state.Pieces[n-1][1]+1)*pieceSize) {
		w.state.Pieces = nil // somebody shortened it
	}
	w.f = f
	return nil
}

// continues tells whether what an earlier run noted is of this very file, and
// makes sense.
func (w *fetchWork) continues(before arrived) bool {
	if before.ID != w.id || before.Size != w.Size || before.Piece != pieceSize || before.CRC32 == nil || *before.CRC32 != w.crc {
		return false
	}
	next := 0
	for _, run := range before.Pieces {
		if run[0] < next || run[1] < run[0] || run[1] >= w.count {
			return false
		}
		next = run[1] + 1
	}
	return true
}

// readArrived reads the note of an earlier run, empty where there is none that
// makes sense: a file without it begins anew.
func readArrived(dir *os.Root, name string) (a arrived, err error) {
	f, err := openRegular(dir, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxNote)).Decode(&a); err != nil {
		return arrived{}, nil
	}
	return a, nil
}

// maxNote is more than the note of a file of 5 TiB can have, all of whose other
// pieces arrived.
const maxNote = 16 << 20

func (w *fetchWork) has(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return holds(w.state.Pieces, n)
}

// note writes down that a piece has arrived. A file of one piece is not worth a
// note: it is done next.
func (w *fetchWork) note(dir *os.Root, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Pieces = addPiece(w.state.Pieces, n)
	if w.count == 1 {
		return nil
	}
	text, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	name := w.part + ".json"
	f, err := openRegular(dir, name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return dir.Rename(name+".new", name)
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

// addPiece adds n to sorted, disjoint and merged runs.
func addPiece(runs [][2]int, n int) [][2]int {
	out := make([][2]int, 0, len(runs)+1)
	added := [2]int{n, n}
	for _, run := range runs {
		switch {
		case run[1] < added[0]-1:
			out = append(out, run)
		case run[0] > added[1]+1:
			out = append(out, added)
			added = run
		default:
			added = [2]int{min(run[0], added[0]), max(run[1], added[1])}
		}
	}
	return append(out, added)
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
