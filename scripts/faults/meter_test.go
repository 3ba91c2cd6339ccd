package faults_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// meter passes connections on and counts their bytes, both ways, so that blows
// can fall when a share of the work is done, however fast the machine is.
type meter struct {
	far string
	l   net.Listener

	mu    sync.Mutex
	n     int64
	next  int64         // count at which reached is told, 0 for none
	reach chan struct{} // of one
	rate  float64       // bytes a second that pass at most, both ways together, 0 for any number
	free  time.Time     // when the line is free again
	open  map[net.Conn]bool
}

func newMeter(t *testing.T, far string) *meter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{far: far, l: l, reach: make(chan struct{}, 1), open: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() { m.pass(near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		m.mu.Lock()
		for c := range m.open {
			_ = c.Close()
		}
		m.mu.Unlock()
		all.Wait()
	})
	return m
}

func (m *meter) near() string { return m.l.Addr().String() }

// pass joins two connections until either ends, and ends both.
func (m *meter) pass(near net.Conn) {
	defer m.forget(near)
	far, err := net.Dial("tcp", m.far)
	if err != nil {
		return // the near end sees that nobody answers
	}
	defer m.forget(far)
	m.mu.Lock()
	m.open[near], m.open[far] = true, true
	m.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.CopyBuffer(counting{way[1], m}, struct{ io.Reader }{way[0]}, make([]byte, 64<<10)) // a cut is the point
			_, _ = near.Close(), far.Close()
		})
	}
	both.Wait()
}

func (m *meter) forget(c net.Conn) {
	_ = c.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
}

// counting hides the connection's own way to copy, which would not be counted.
type counting struct {
	w io.Writer
	m *meter
}

func (c counting) Write(p []byte) (int, error) {
	rest(context.Background(), c.m.turn(len(p)))
	n, err := c.w.Write(p)
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.n += int64(n)
	if c.m.next > 0 && c.m.n >= c.m.next {
		c.m.next = 0
		c.m.reach <- struct{}{} // there is room: next is set when it was taken
	}
	if err == nil && n < len(p) {
		err = errors.New("cut")
	}
	return n, err
}

// narrow lets so many bytes a second pass from now on, 0 for any number.
func (m *meter) narrow(rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate = rate
}

// turn is how long n more bytes have to wait.
func (m *meter) turn(n int) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.rate == 0 {
		return 0
	}
	if m.free.Before(now) {
		m.free = now
	}
	m.free = m.free.Add(time.Duration(float64(n) / m.rate * float64(time.Second)))
	return m.free.Sub(now)
}

func (m *meter) count() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// at tells when the count has reached n.
func (m *meter) at(n int64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.reach: // of what nobody waits for any more
	default:
	}
	m.next = max(n, 1)
	if m.n >= m.next {
		m.next = 0
		m.reach <- struct{}{}
	}
	return m.reach
}
