package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// DirOptions configure a directory store. Only Root is required.
type DirOptions struct {
	// Root is the store's folder, made with mode 0700 when it is missing. All
	// of it must lie on one file system.
	Root string
	// MinFree is the space in bytes that must stay free: a body that would
	// leave less is ErrFull.
	MinFree int64
	// MinPart is the smallest part, in bytes, that Complete takes anywhere but
	// at the end; 0 takes all.
	MinPart int64
	// Now is the clock that the age of leftovers is taken by; time.Now by
	// default. The times of objects and uploads are those of the file system.
	Now func() time.Time
	// Observe is called after each step with its context, name, duration and error.
	Observe func(ctx context.Context, op string, d time.Duration, err error)
	// Log hears of leftovers and of space that could not be freed; nil is silent.
	Log *slog.Logger
}

// Folders of the store. See the package documentation.
const (
	dirObjects = keyVersion
	dirUploads = "uploads"
	dirTemp    = "tmp"
)

const (
	// copyBuffer is what a body without a WriterTo costs in memory.
	copyBuffer = 128 << 10
	// staleAfter is the age at which an unnamed file is nobody's: whoever
	// writes it moves its time on, and no body may stand still that long.
	staleAfter = 24 * time.Hour
	// sweepEvery bounds how often a listing of uploads looks for leftovers.
	sweepEvery = time.Hour
)

// dir is the driver of OpenDir. It keeps no state that matters in memory:
// several processes may use one folder.
type dir struct {
	root    *os.Root
	minFree int64
	minPart int64
	now     func() time.Time
	log     *slog.Logger

	disk func(root *os.Root) (int64, error) // free bytes

	bufs    sync.Pool    // of *[]byte
	pending atomic.Int64 // bytes announced by bodies and not yet written
	stamp   atomic.Int64 // of the last attempt
	swept   atomic.Int64 // unix nanoseconds of the last sweep

	making  sync.Mutex      // held while a new folder is made durable
	durable map[string]bool // folders found there whose names are on disk; under making
}

// OpenDir opens the store in a folder, making it when it is missing, and takes
// away what an earlier process left half-written a day ago or more.
func OpenDir(o DirOptions) (*Store, error) {
	if o.Root == "" {
		return nil, fmt.Errorf("open blob directory: %w: no root", ErrInvalid)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d, err := openDir(o)
	if err != nil {
		return nil, fmt.Errorf("open blob directory %s: %w", o.Root, classify(context.Background(), dirError(err)))
	}
	return &Store{objects: d, uploads: d, now: o.Now, observe: o.Observe}, nil
}

func openDir(o DirOptions) (*dir, error) {
	if err := makeDurable(filepath.Clean(o.Root)); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, err
	}
	d := &dir{root: root, minFree: o.MinFree, minPart: o.MinPart, now: o.Now, log: o.Log, disk: diskFree, durable: map[string]bool{}}
	d.bufs.New = func() any { b := make([]byte, copyBuffer); return &b }
	for _, name := range []string{dirObjects, dirUploads, dirTemp} {
		if err := d.makeFolder(name); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	if err := d.sweep(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// makeDurable makes a folder and those above it, each written to disk in its parent.
func makeDurable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDurable(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}

// makeFolder makes a folder of the store durable in its parent. Whoever finds
// it there has waited for the one that makes it: a name is not relied on
// before it is on disk.
func (d *dir) makeFolder(name string) error {
	d.making.Lock()
	defer d.making.Unlock()
	err := d.root.Mkdir(name, 0o700)
	found := errors.Is(err, fs.ErrExist)
	if err != nil && !found {
		return err
	}
	if found && d.durable[name] {
		return nil
	}
	if err := d.sync(parentOf(name)); err != nil {
		return err
	}
	if found { // another process may have died between making and syncing it
		if len(d.durable) >= maxDurable {
			clear(d.durable)
		}
		d.durable[name] = true
	}
	return nil
}

// maxDurable bounds what is remembered of folders: those of accounts.
const maxDurable = 4096

// sync writes the names in a folder to disk.
func (d *dir) sync(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}

// sweep takes away leftovers: what was to be deleted at once, what was being
// written when nobody can be writing it any more. Bodies sent now are not
// touched, whichever process they belong to.
func (d *dir) sweep() error {
	d.swept.Store(d.now().UnixNano())
	f, err := d.root.Open(dirTemp)
	if err != nil {
		return err
	}
	defer f.Close()
	removed := 0
	for {
		entries, err := f.ReadDir(256)
		for _, e := range entries {
			if d.leftover(e) && d.root.RemoveAll(dirTemp+"/"+e.Name()) == nil {
				removed++
			}
		}
		if err != nil || len(entries) == 0 {
			if removed > 0 {
				d.log.Info("removed blob leftovers", "count", removed)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func (d *dir) leftover(e fs.DirEntry) bool {
	if e.Name()[0] == kindTrash {
		return true
	}
	info, err := e.Info()
	return err == nil && d.now().Sub(info.ModTime()) > staleAfter
}

// sweepSometimes is for a process that lives long.
func (d *dir) sweepSometimes() {
	last := d.swept.Load()
	if d.now().UnixNano()-last < int64(sweepEvery) || !d.swept.CompareAndSwap(last, d.now().UnixNano()) {
		return
	}
	if err := d.sweep(); err != nil {
		d.log.Warn("cannot remove blob leftovers", "error", err)
	}
}

func (d *dir) check(context.Context) error {
	name := d.tempName(kindFile)
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), d.root.Remove(name))
	}
	if err = dirError(err); errors.Is(err, ErrFull) {
		return nil
	}
	return err
}

// free leaves out what bodies in flight have announced.
func (d *dir) free(context.Context) (int64, bool) {
	n, err := d.disk(d.root)
	if err != nil {
		return 0, false
	}
	return max(0, n-d.minFree-d.pending.Load()), true
}

func (d *dir) close() error { return d.root.Close() }

// dirError gives the classes that an operating system's error has by itself.
// A missing file has none: what it means depends on whose file it was.
func dirError(err error) error {
	switch {
	case err == nil || classed(err):
		return err
	case isFull(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case isDenied(err):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

// missing turns a file that is not there into the class it stands for.
func missing(err, class error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return class
	}
	return dirError(err)
}

// parentOf is the folder of a slash-separated name.
func parentOf(name string) string {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return "."
}
