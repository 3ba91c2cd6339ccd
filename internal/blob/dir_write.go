package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
)

// Kinds of names in dirTemp, by their first letter.
const (
	kindFile   = 'w' // a file that is being written
	kindUpload = 'u' // the folder of an upload that is being made
	kindTrash  = 'd' // what is being deleted
)

// tempName is a name that nobody else has. Randomness from the operating
// system does not fail.
func (d *dir) tempName(kind byte) string {
	id, _ := newID(nil)
	return dirTemp + "/" + string(kind) + "-" + id
}

// put writes the body beside the objects, then gives it its name. The name is
// on disk after the bytes are, and the folder's own name is before.
func (d *dir) put(_ context.Context, key string, b *body) (string, error) {
	if err := d.unused(key); err != nil {
		return "", err
	}
	temp, err := d.writeTemp(b)
	if err != nil {
		return "", dirError(err)
	}
	if err := d.publish(temp, key); err != nil {
		_ = d.root.Remove(temp) // gone already when only the last step failed
		return "", dirError(err)
	}
	info, err := d.root.Lstat(key)
	if err != nil {
		return "", dirError(err)
	}
	return fileETag(info), nil
}

// unused is ErrExists for a key that holds an object. It guards against a
// mistake of the caller, not against a race: keys are random and fresh.
func (d *dir) unused(key string) error {
	_, err := d.root.Lstat(key)
	if err == nil {
		return ErrExists
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return dirError(err)
}

// publish moves a file or folder that is on disk to its key, and the name too.
func (d *dir) publish(from, key string) error {
	account := parentOf(key)
	if err := d.makeFolder(account); err != nil {
		return err
	}
	if err := d.root.Rename(from, key); err != nil {
		return err
	}
	return d.sync(account)
}

// writeTemp writes the body to a file of its own, and to disk.
func (d *dir) writeTemp(b *body) (name string, err error) {
	rest, err := d.reserve(b.size)
	if err != nil {
		return "", err
	}
	defer rest.release()
	return d.temp(func(f *os.File) error {
		buf := d.bufs.Get().(*[]byte)
		defer d.bufs.Put(buf)
		return b.copyTo(&diskWriter{f: f, rest: rest}, *buf)
	})
}

// temp makes a file, lets it be filled, and writes it to disk. After an error
// the file is gone.
func (d *dir) temp(fill func(f *os.File) error) (name string, err error) {
	name = d.tempName(kindFile)
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		if rmErr := d.root.Remove(name); rmErr != nil {
			d.log.Warn("cannot remove a failed blob file", "name", name, "error", rmErr)
		}
		return "", err
	}
	return name, nil
}

// reservation is the part of a body that is still to be written. Bodies that
// arrive together may not fill the disk together.
type reservation struct {
	pending *atomic.Int64
	left    int64
}

// reserve announces size bytes, or is ErrFull when they would leave less than
// MinFree. A disk that cannot tell its space is asked by writing to it.
func (d *dir) reserve(size int64) (*reservation, error) {
	r := &reservation{pending: &d.pending, left: size}
	d.pending.Add(size)
	if d.minFree <= 0 {
		return r, nil
	}
	free, err := d.disk(d.root)
	if left := free - d.pending.Load(); err == nil && left < d.minFree {
		r.release()
		return nil, fmt.Errorf("%w: %d more bytes would leave %d, of which %d must stay", ErrFull, size, left, d.minFree)
	}
	return r, nil
}

func (r *reservation) wrote(n int) {
	n64 := min(int64(n), r.left)
	r.left -= n64
	r.pending.Add(-n64)
}

func (r *reservation) release() {
	r.pending.Add(-r.left)
	r.left = 0
}

// diskWriter hides the file's own ReadFrom, which would bring a buffer along.
type diskWriter struct {
	f    *os.File
	rest *reservation
}

func (w *diskWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.rest.wrote(n)
	return n, err
}

// remove takes a file away at once. The folder of a multipart object leaves
// its key in one step, before its parts go, so that no reader meets half of it.
func (d *dir) remove(_ context.Context, key string) error {
	info, err := d.root.Lstat(key)
	if err != nil {
		return missing(err, nil)
	}
	if info.IsDir() {
		return d.discard(key)
	}
	if err := d.root.Remove(key); err != nil {
		return missing(err, nil)
	}
	return dirError(d.sync(parentOf(key)))
}

// discard takes a folder away. Once it has left its name nobody sees it again;
// freeing its space may fail, and is then the next sweep's.
func (d *dir) discard(name string) error {
	trash := d.tempName(kindTrash)
	if err := d.root.Rename(name, trash); err != nil {
		return missing(err, nil)
	}
	if err := d.sync(parentOf(name)); err != nil {
		return dirError(err)
	}
	if err := d.root.RemoveAll(trash); err != nil {
		d.log.Warn("cannot free a deleted blob yet", "name", trash, "error", err)
	}
	return nil
}
