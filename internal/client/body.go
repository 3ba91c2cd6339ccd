package client

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"
)

// sending is the body of a part in one try: it tells of progress, keeps the
// checksum of what it gave out, and remembers that it was the source and not
// the network that failed. The transport may go on reading for a moment after
// an answer has come, so what others ask for is behind a lock.
type sending struct {
	ctx      context.Context
	src      *io.SectionReader // its own; nobody else moves its position
	size     int64
	pace     *Pace
	moved    func()
	progress func(n int64)

	mu     sync.Mutex
	sum    uint32
	read   int64
	err    error // of the source
	closed bool
}

// Read gives the next bytes at the pace that was asked for.
func (s *sending) Read(p []byte) (int, error) {
	p = p[:s.pace.atMost(len(p))]
	n, err := s.src.Read(p)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	s.sum = crc32.Update(s.sum, crc32.IEEETable, p[:n])
	s.read += int64(n)
	if err != nil && (!errors.Is(err, io.EOF) || s.read < s.size) {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: it has become shorter", ErrChanged)
		}
		s.err = err
	}
	if n > 0 { // under the lock: after Close nobody is told any more
		s.progress(int64(n))
	}
	s.mu.Unlock()
	if n > 0 {
		s.moved()
		if wait := s.pace.wait(s.ctx, n); wait != nil {
			return n, wait
		}
		s.moved() // waiting for our own limit is no stall
	}
	return n, err
}

// Close ends the telling: what is read later counts for nothing.
func (s *sending) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// failed is the error of the source, if there was one; s may be nil.
func (s *sending) failed() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sending) checksum() (sum uint32, read int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum, s.read
}

// Pace keeps all that share it below a number of bytes a second. A nil Pace has
// no limit.
type Pace struct {
	bytesPerSecond int64
	now            func() time.Time

	mu   sync.Mutex
	free time.Time // when the next byte may go
}

// NewPace makes a limit; 0 or less gives none.
func NewPace(bytesPerSecond int64) *Pace {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &Pace{bytesPerSecond: bytesPerSecond, now: time.Now}
}

// atMost keeps single steps to a tenth of a second, so that a limit is smooth.
func (p *Pace) atMost(n int) int {
	if p == nil {
		return n
	}
	return int(min(int64(n), max(1, p.bytesPerSecond/10)))
}

// wait takes the time of n bytes and waits for its end.
func (p *Pace) wait(ctx context.Context, n int) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	now := p.now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.bytesPerSecond) * float64(time.Second)))
	d := p.free.Sub(now)
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
