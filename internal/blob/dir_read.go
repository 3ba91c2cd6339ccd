package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// head describes what lies under the key, and puts the key itself on disk
// first: it is asked for when a reply was lost, and the process that should
// have done so may have been killed.
func (d *dir) head(ctx context.Context, key string) (Info, error) {
	info, err := d.stat(ctx, key)
	if err != nil {
		return Info{}, missing(err, ErrNotFound)
	}
	if err := d.sync(parentOf(key)); err != nil {
		return Info{}, missing(err, ErrNotFound)
	}
	return info, nil
}

// stat is head without that, for listings. An object whose manifest is damaged,
// or whose part files are not what it says, is shown without bytes, which no
// object of parts ever is: whoever knows its length sees the damage, and whoever
// lists is not held up by it.
func (d *dir) stat(ctx context.Context, key string) (Info, error) {
	file, err := d.root.Lstat(key)
	if err != nil {
		return Info{}, err
	}
	if !file.IsDir() {
		return Info{Key: key, Size: file.Size(), ETag: fileETag(file), Modified: file.ModTime()}, nil
	}
	m, err := d.openManifest(key)
	if err == nil {
		defer m.Close()
		err = d.checkParts(ctx, key, m)
	}
	if isUnreadable(err) {
		return Info{Key: key, Modified: file.ModTime()}, nil
	}
	if err != nil {
		return Info{}, err
	}
	return Info{Key: key, Size: m.size, ETag: m.id, Modified: m.info.ModTime()}, nil
}

// checkParts holds the length of each part file against the manifest: one that
// is not there, or not all there, is errManifest. That is one question to the
// file system for each part, some 30 ms for the most parts that there can be.
func (d *dir) checkParts(ctx context.Context, key string, m *openedManifest) error {
	folder, err := d.root.OpenRoot(key)
	if err != nil {
		return err
	}
	defer folder.Close()
	start := int64(0)
	for e, err := range m.entries() {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		file, err := folder.Lstat(partName(e.number, e.attempt))
		if errors.Is(err, fs.ErrNotExist) {
			return d.unlessGone(key, fmt.Errorf("%w of %s: part %d is not there", errManifest, key, e.number))
		}
		if err != nil {
			return err
		}
		if !file.Mode().IsRegular() || file.Size() != e.end-start {
			return fmt.Errorf("%w of %s: part %d is not of its length", errManifest, key, e.number)
		}
		start = e.end
	}
	return nil
}

// unlessGone is err while the object is there, and fs.ErrNotExist if it was
// deleted meanwhile: its folder is moved away before it is emptied.
func (d *dir) unlessGone(key string, err error) error {
	if _, gone := d.root.Lstat(key); gone != nil {
		return gone
	}
	return err
}

// fileETag is stable for a file that is never changed.
func fileETag(info fs.FileInfo) string {
	return fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
}

func (d *dir) open(_ context.Context, key string, off, _ int64) (io.ReadCloser, error) {
	f, err := d.root.Open(key)
	if err != nil {
		return nil, missing(err, ErrNotFound)
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() {
		_, err = f.Seek(off, io.SeekStart)
	}
	if err == nil && !info.IsDir() {
		return f, nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, dirError(err)
	}
	return d.openParts(key, off)
}

func (d *dir) openParts(key string, off int64) (io.ReadCloser, error) {
	m, err := d.openManifest(key)
	if err != nil {
		return nil, missing(endless(err), ErrNotFound)
	}
	i, start, err := m.find(off)
	if err != nil {
		return nil, errors.Join(endless(err), m.Close())
	}
	return &partsReader{d: d, key: key, m: m, next: i, start: start, off: off}, nil
}

// endless makes of a manifest that makes no sense an object that ends too soon,
// as one is whose part file is cut: asking again does not mend it.
func endless(err error) error {
	if isUnreadable(err) {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return err
}

// partsReader reads a multipart object from one part file after another, with
// one of them and the manifest open.
type partsReader struct {
	d     *dir
	key   string
	m     *openedManifest
	f     *os.File // nil between parts
	next  int      // the part that follows f
	start int64    // where that part begins in the object
	off   int64    // of the next byte in the object
}

func (r *partsReader) Read(p []byte) (int, error) {
	for {
		if r.f == nil {
			if r.next >= r.m.parts {
				return 0, io.EOF
			}
			if err := r.openNext(); err != nil {
				return 0, missing(endless(err), ErrNotFound)
			}
		}
		n, err := r.f.Read(p[:min(int64(len(p)), r.start-r.off)])
		r.off += int64(n)
		if err == io.EOF {
			err = fmt.Errorf("part file of %s is cut: %w", r.key, io.ErrUnexpectedEOF)
		}
		if r.off == r.start {
			err = errors.Join(err, r.f.Close())
			r.f = nil
		}
		if n > 0 || err != nil {
			return n, dirError(err)
		}
	}
}

// openNext opens the next part at the current offset; start moves on to the
// part after it.
func (r *partsReader) openNext() error {
	e, err := r.m.entry(r.next)
	if err != nil {
		return err
	}
	if e.end <= r.off {
		return fmt.Errorf("%w: parts are not ascending", errManifest)
	}
	f, err := r.d.root.Open(r.key + "/" + partName(e.number, e.attempt))
	if err != nil {
		return err
	}
	if _, err := f.Seek(r.off-r.start, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.start = f, e.end
	r.next++
	return nil
}

func (r *partsReader) Close() error {
	var err error
	if r.f != nil {
		err = r.f.Close()
		r.f = nil
	}
	return errors.Join(err, r.m.Close())
}
