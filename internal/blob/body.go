package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// body is what a driver reads of a caller's reader. It holds the reader to its
// declared size, remembers whether the reader or the store failed, and is dead
// once the call that brought it has returned, even when a driver's transport
// still holds it.
type body struct {
	ctx  context.Context
	size int64

	mu     sync.Mutex
	r      io.Reader
	left   int64
	ended  bool  // the reader was seen to end at its size
	closed bool  // the call is over
	failed error // why the body, not the store, ended the call
}

func newBody(ctx context.Context, r io.Reader, size int64) *body {
	return &body{ctx: ctx, r: r, size: size, left: size}
}

// Read gives out the last bytes only when the reader has ended right after
// them. A body that is too long therefore stays short on the wire, and the
// store drops it.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, errors.New("blob: body read after its call returned")
	case b.failed != nil:
		return 0, b.failed
	case b.ended:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case b.ctx.Err() != nil:
		return 0, b.stop(context.Cause(b.ctx))
	}
	return b.read(p)
}

func (b *body) read(p []byte) (int, error) {
	var n int
	var err error
	if b.left > 0 {
		n, err = b.r.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
	}
	if b.left == 0 && err == nil {
		err = b.atEnd()
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return 0, b.fail(err)
	case b.left > 0:
		return 0, b.fail(fmt.Errorf("%w: %d bytes of %d", ErrLength, b.size-b.left, b.size))
	}
	b.ended = true
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// atEnd is io.EOF when nothing follows in the reader.
func (b *body) atEnd() error {
	var one [1]byte
	for range 100 {
		if n, err := b.r.Read(one[:]); n > 0 {
			return fmt.Errorf("%w: more than %d bytes", ErrLength, b.size)
		} else if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// fail blames the reader, whose error keeps its identity.
func (b *body) fail(err error) error { return b.stop(fmt.Errorf("%w: %w", ErrBody, err)) }

// stop keeps the first reason.
func (b *body) stop(err error) error {
	if b.failed == nil {
		b.failed = err
	}
	return b.failed
}

// copyTo writes the whole body to w. It lets the reader write by itself where
// it can (io.WriterTo), which saves a copy; there the end is checked after the
// last byte, so w must be something that can still be thrown away. On an error
// of the body, b.failed is set; any other error is that of w.
func (b *body) copyTo(w io.Writer, buf []byte) error {
	wt, ok := b.r.(io.WriterTo)
	if !ok {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{b}, buf)
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &sink{b: b, w: w}
	_, err := wt.WriteTo(s)
	switch {
	case s.err != nil:
		return s.err
	case b.failed != nil:
		return b.failed
	case err != nil:
		return b.fail(err)
	case b.left > 0:
		return b.fail(fmt.Errorf("%w: %d bytes of %d", ErrLength, b.size-b.left, b.size))
	}
	b.ended = true
	return nil
}

// sink is the writer that a body's WriteTo sees.
type sink struct {
	b   *body
	w   io.Writer
	err error // of w
}

func (s *sink) Write(p []byte) (int, error) {
	if s.b.ctx.Err() != nil {
		return 0, s.b.stop(context.Cause(s.b.ctx))
	}
	if int64(len(p)) > s.b.left {
		return 0, s.b.fail(fmt.Errorf("%w: more than %d bytes", ErrLength, s.b.size))
	}
	n, err := s.w.Write(p)
	s.b.left -= int64(n)
	s.err = err
	return n, err
}

// whole reports whether the reader was read to its end, and that at its size.
func (b *body) whole() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// close ends the body's life and returns its failure. A nil with a driver that
// reported success means that every byte was read.
func (b *body) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.failed
}
