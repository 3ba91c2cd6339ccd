package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// pace is the least that must move: need bytes within every window. It is one
// rule for both limits: what stands still moves nothing in its window, and what
// is slower than MinRate moves too little. A deadline is set once in need
// bytes, not once a read.
//
// Deadlines are instants of the machine's clock, which is why this file asks
// time.Now and not the server's clock.
type pace struct {
	window time.Duration
	need   int64
}

func (l Limits) pace() pace {
	return pace{l.IdleTimeout, max(1, int64(float64(l.MinRate)*l.IdleTimeout.Seconds()))}
}

// meter moves a deadline with progress.
type meter struct {
	pace pace
	set  func(time.Time) error
	due  int64 // bytes that must still move in this window
}

// start begins a window now if the last one has moved enough.
func (m *meter) start() error {
	if m.due > 0 {
		return nil
	}
	m.due = m.pace.need
	if err := m.set(time.Now().Add(m.pace.window)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("move deadline: %w", err)
	}
	return nil
}

func (m *meter) moved(n int) { m.due -= int64(n) }

// pacedBody reads a request's body at its pace. Its deadline is gone when the
// body has ended: net/http goes on reading then, to learn of a client that
// leaves, and would take a passed deadline for one.
type pacedBody struct {
	body  io.Reader
	meter meter
	read  int64
	ended bool
	err   error // what ended it, if not its end
}

func (s *Server) pacedBody(w *response, r *http.Request) *pacedBody {
	return &pacedBody{body: r.Body, meter: meter{pace: s.limits.pace(), set: w.rc.SetReadDeadline}}
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.ended {
		return 0, io.EOF
	}
	if err := b.meter.start(); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	b.meter.moved(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended = true
		_ = b.meter.set(time.Time{}) // it worked before
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = fmt.Errorf("%w: %w", errStalled, err)
		err = b.err
	default:
		b.err = err
	}
	return n, err
}

// drop reads what is left of the body, so that a client that reads its answer
// only after sending everything, as browsers do, gets it. It gives up after one
// window: then the connection ends unanswered, as it would have anyway.
func (b *pacedBody) drop() {
	end := time.Now().Add(b.meter.pace.window)
	buf := make([]byte, 16<<10)
	for time.Now().Before(end) {
		if _, err := b.Read(buf); err != nil {
			return
		}
	}
}
