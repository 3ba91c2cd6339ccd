package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// rangeReader holds a driver's reader to the length that was asked for.
type rangeReader struct {
	ctx   context.Context
	rc    io.ReadCloser // nil where nothing is to be read
	left  int64
	fault func(op Op, when When) error
	what  string
	err   error // sticky
}

func (r *rangeReader) open(o objects, key string, off int64) error {
	if r.left == 0 {
		_, err := o.head(r.ctx, key)
		return err
	}
	rc, err := o.open(r.ctx, key, off, r.left)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	r.rc = rc
	return err
}

func (r *rangeReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.read(p)
	r.left -= int64(n)
	switch {
	case r.left == 0 && (err == nil || err == io.EOF):
		r.err = io.EOF
	case err == io.EOF:
		r.err = fmt.Errorf("read %s: %w", r.what, io.ErrUnexpectedEOF)
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.err = fmt.Errorf("read %s: %w", r.what, err)
	case err != nil:
		r.err = fmt.Errorf("read %s: %w", r.what, classify(r.ctx, err))
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

func (r *rangeReader) read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if r.fault != nil {
		if err := r.fault(OpRead, Before); err != nil {
			return 0, err
		}
	}
	if r.rc == nil || r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.rc.Read(p[:min(int64(len(p)), r.left)])
	if r.fault != nil && (err == nil || err == io.EOF) {
		if err := r.fault(OpRead, After); err != nil {
			return 0, err
		}
	}
	return n, err
}

// Close ends the reading, before or at its end.
func (r *rangeReader) Close() error {
	if r.err == nil {
		r.err = fmt.Errorf("read %s: closed", r.what)
	}
	if r.rc == nil {
		return nil
	}
	rc := r.rc
	r.rc = nil
	return rc.Close()
}
