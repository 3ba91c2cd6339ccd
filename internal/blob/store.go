package blob

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"
)

// Limits of S3, kept by every store so that none accepts what another refuses.
const (
	// MaxParts is the most parts of one object; parts are numbered from 1.
	MaxParts = 10_000
	// MaxPartSize is the most bytes of one part and of one Put.
	MaxPartSize int64 = 5 << 30
	// MaxPage is the most entries that one call lists.
	MaxPage = 1000
)

// Info describes a stored object.
type Info struct {
	Key      string
	Size     int64     // bytes
	ETag     string    // opaque
	Modified time.Time // by the store's clock
}

// objects is the half of a driver that knows whole objects. Keys and ranges
// arrive checked. Errors are of the package's classes where the driver knows
// one; the Store classes the rest. All methods may be called at once.
type objects interface {
	// put stores the body, read to io.EOF, under a new key. Nil means that
	// the object is durable. After an error the key holds it whole or not at all.
	put(ctx context.Context, key string, b *body) (etag string, err error)
	// head describes the object, or is ErrNotFound.
	head(ctx context.Context, key string) (Info, error)
	// open reads n >= 1 bytes from off. An object that ends sooner gives a
	// reader that ends sooner, or none at all: io.ErrUnexpectedEOF.
	open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error)
	// remove takes the object away; a missing one is no error.
	remove(ctx context.Context, key string) error
	// list returns at most limit objects with keys above after, ascending,
	// of the key grammar only; none means that none follow.
	list(ctx context.Context, after string, limit int) ([]Info, error)
	// check is a cheap proof that the store answers.
	check(ctx context.Context) error
	// free is the space left in bytes, if the store knows.
	free(ctx context.Context) (n int64, known bool)
	// close lets go of what the driver holds open.
	close() error
}

// Store keeps sealed objects. It is safe for concurrent use. The zero value
// does not work; use OpenS3, OpenDir or OpenMem.
type Store struct {
	objects objects
	uploads uploads
	now     func() time.Time
	observe func(ctx context.Context, op string, d time.Duration, err error)
	fault   func(op Op, when When) error
}

// Close lets go of what the store holds open, which is not used after it.
func (s *Store) Close() error { return s.objects.close() }

// do runs one step: faults, classes, message and observation in one place.
func (s *Store) do(ctx context.Context, op Op, what string, step func() error) error {
	start := s.now()
	err := ctx.Err()
	if err != nil {
		err = context.Cause(ctx)
	} else {
		err = classify(ctx, s.around(op, step))
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", op, what, err)
	}
	if s.observe != nil {
		s.observe(ctx, string(op), s.now().Sub(start), err)
	}
	return err
}

func (s *Store) around(op Op, step func() error) error {
	if s.fault == nil {
		return step()
	}
	if err := s.fault(op, Before); err != nil {
		return err
	}
	if err := step(); err != nil {
		return err
	}
	return s.fault(op, After)
}

// send runs a step that reads a body. When the body failed, that is the error,
// whatever the store made of it.
func (s *Store) send(ctx context.Context, op Op, what string, b *body, step func() error) error {
	return s.do(ctx, op, what, func() error {
		err := step()
		if bodyErr := b.close(); bodyErr != nil {
			return bodyErr
		}
		return err
	})
}

// Put stores one object of exactly size bytes under a key that was never
// written, in one request. Nil means that the object is whole and durable; an
// error leaves it whole or absent, never in part. A failing body is returned
// as it failed, one of another length is ErrLength. The body is not read once
// Put has returned.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) (etag string, err error) {
	if err := checkSize(key, size); err != nil {
		return "", err
	}
	b := newBody(ctx, r, size)
	err = s.send(ctx, OpPut, key, b, func() (err error) {
		etag, err = s.objects.put(ctx, key, b)
		return err
	})
	if err != nil {
		return "", err
	}
	return etag, nil
}

// Head describes an object, or is ErrNotFound. Keys are never written twice,
// so that an exact size proves a Put or Complete whose reply was lost.
func (s *Store) Head(ctx context.Context, key string) (Info, error) {
	if _, err := ParseKey(key); err != nil {
		return Info{}, err
	}
	var info Info
	err := s.do(ctx, OpHead, key, func() (err error) {
		info, err = s.objects.head(ctx, key)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// Range opens n bytes of an object from off. The reader ends with io.EOF after
// exactly n bytes; an object that is shorter fails a read with
// io.ErrUnexpectedEOF. A missing object is ErrNotFound here. The context holds
// for the reads too. The caller closes the reader.
func (s *Store) Range(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if _, err := ParseKey(key); err != nil {
		return nil, err
	}
	if off < 0 || n < 0 || off > math.MaxInt64-n {
		return nil, fmt.Errorf("%w: range %d+%d", ErrInvalid, off, n)
	}
	r := &rangeReader{ctx: ctx, left: n, fault: s.fault, what: fmt.Sprintf("%s at %d+%d", key, off, n)}
	err := s.do(ctx, OpRange, r.what, func() error { return r.open(s.objects, key, off) })
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Delete takes an object away. A missing one is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if _, err := ParseKey(key); err != nil {
		return err
	}
	return s.do(ctx, OpDelete, key, func() error { return s.objects.remove(ctx, key) })
}

// List returns objects with keys above after ("" for the first), ascending. At
// most limit come, or MaxPage where limit is not within 1 to MaxPage; fewer do
// not mean the end, none do.
func (s *Store) List(ctx context.Context, after string, limit int) ([]Info, error) {
	if after != "" && !ValidKey(after) {
		return nil, fmt.Errorf("%w: list after %.80q", ErrInvalid, after)
	}
	var page []Info
	err := s.do(ctx, OpList, "after "+after, func() (err error) {
		page, err = s.objects.list(ctx, after, pageSize(limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Check is a cheap proof that the store answers and takes changes. A full
// store passes: what it holds can be read.
func (s *Store) Check(ctx context.Context) error {
	return s.do(ctx, OpCheck, "store", func() error { return s.objects.check(ctx) })
}

// FreeBytes is the space that uploads may still take. known is false where the
// store cannot tell, as in a bucket.
func (s *Store) FreeBytes(ctx context.Context) (n int64, known bool) {
	return s.objects.free(ctx)
}

func pageSize(limit int) int {
	if limit < 1 || limit > MaxPage {
		return MaxPage
	}
	return limit
}

func checkSize(key string, size int64) error {
	if _, err := ParseKey(key); err != nil {
		return err
	}
	if size < 0 || size > MaxPartSize {
		return fmt.Errorf("%w: %d bytes", ErrInvalid, size)
	}
	return nil
}
