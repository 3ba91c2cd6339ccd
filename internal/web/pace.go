package web

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
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
	body io.Reader
	read int64 // written under mu
	err  error // what ended it, if not its end

	mu    sync.Mutex // over read, which others ask for, and the deadline, which giveWay sets
	meter meter
	ended bool
	gives bool // it gives way to others
}

func (s *Server) pacedBody(w *response, r *http.Request) *pacedBody {
	return &pacedBody{body: r.Body, meter: meter{pace: s.limits.pace(), set: w.rc.SetReadDeadline}}
}

// wholeBody reads a body that has to be there within a time, whatever its pace.
func wholeBody(w *response, body io.Reader, within time.Duration) *pacedBody {
	return &pacedBody{body: body, meter: meter{pace: pace{within, math.MaxInt64}, set: w.rc.SetReadDeadline}}
}

// Read reads at the pace. Errors that are ours: errStalled, errGaveWay.
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	ended, err := b.begin()
	if ended || err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	b.end(n, err)
	if b.err != nil {
		err = b.err
	}
	return n, err
}

// begin moves the deadline if it is time.
func (b *pacedBody) begin() (ended bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended:
		return true, io.EOF
	case b.gives:
		b.err = errGaveWay
		return false, b.err
	}
	return false, b.meter.start()
}

// end says what a read came to.
func (b *pacedBody) end(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read += int64(n)
	b.meter.moved(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended = true
		_ = b.meter.set(time.Time{}) // it worked before
	case errors.Is(err, os.ErrDeadlineExceeded) && b.gives:
		b.err = fmt.Errorf("%w: %w", errGaveWay, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = fmt.Errorf("%w: %w", errStalled, err)
	default:
		b.err = err
	}
}

// moved says how much was read.
func (b *pacedBody) moved() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

// giveWay ends the body early, unless all of it is there.
func (b *pacedBody) giveWay() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.gives = true
		_ = b.meter.set(time.Now()) // on a connection without deadlines the next read ends it
	}
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
