package web

import (
	"context"
	"sync"
	"time"
)

// slots is a fair semaphore over bodies. Who finds a slot free takes it. Else
// it waits, and a slot that becomes free goes to the one that waits longest
// among those whose transfer holds less than a quarter and whose address holds
// less than half of all slots (each at least one). If there is none, it goes to
// the waiting transfer that holds fewest, rather than to nobody.
type slots struct {
	max, maxWaiting int
	wait            time.Duration

	mu         sync.Mutex
	used       int
	closed     bool
	byTransfer map[string]int // slots held
	byAddress  map[string]int
	waiting    []*waiter // longest first
}

// waiter is somebody in the queue. granted is closed when it has a slot or err
// says why not; both are decided under the lock.
type waiter struct {
	transfer, address string
	granted           chan struct{}
	err               error
}

func newSlots(limit, maxWaiting int, wait time.Duration) *slots {
	return &slots{
		max: limit, maxWaiting: maxWaiting, wait: wait,
		byTransfer: map[string]int{}, byAddress: map[string]int{},
	}
}

// acquire waits for a slot. Errors: errBusy, errDraining, the context's.
func (s *slots) acquire(ctx context.Context, transfer, address string) (release func(), err error) {
	w := &waiter{transfer: transfer, address: address, granted: make(chan struct{})}
	if err := s.enter(w); err != nil {
		return nil, err
	}
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	select {
	case <-w.granted:
	case <-timer.C:
		s.leave(w, errBusy)
	case <-ctx.Done():
		s.leave(w, context.Cause(ctx))
	}
	if w.err != nil {
		return nil, w.err
	}
	return sync.OnceFunc(func() { s.release(w) }), nil
}

// enter takes a slot or a place in the queue.
func (s *slots) enter(w *waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errDraining
	case s.used < s.max:
		s.grant(w)
	case len(s.waiting) >= s.maxWaiting:
		return errBusy
	default:
		s.waiting = append(s.waiting, w)
	}
	return nil
}

// leave takes w out of the queue; a slot that came meanwhile is kept.
func (s *slots) leave(w *waiter, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.waiting {
		if other == w {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			w.err = why
			close(w.granted)
			return
		}
	}
}

func (s *slots) grant(w *waiter) {
	s.used++
	s.byTransfer[w.transfer]++
	s.byAddress[w.address]++
	close(w.granted)
}

func (s *slots) release(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	lower(s.byTransfer, w.transfer)
	lower(s.byAddress, w.address)
	if len(s.waiting) == 0 {
		return
	}
	i := s.pick()
	chosen := s.waiting[i]
	s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
	s.grant(chosen)
}

// pick chooses whose turn it is among those that wait.
func (s *slots) pick() int {
	quarter, half := max(1, s.max/4), max(1, s.max/2)
	fewest := 0
	for i, w := range s.waiting {
		if s.byTransfer[w.transfer] < quarter && s.byAddress[w.address] < half {
			return i
		}
		if s.byTransfer[w.transfer] < s.byTransfer[s.waiting[fewest].transfer] {
			fewest = i
		}
	}
	return fewest
}

// close sends away who waits and who comes. Slots that are held stay.
func (s *slots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, w := range s.waiting {
		w.err = errDraining
		close(w.granted)
	}
	s.waiting = nil
}

func (s *slots) count() (used, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, len(s.waiting)
}

func lower(counts map[string]int, key string) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}
