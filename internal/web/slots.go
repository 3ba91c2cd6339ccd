package web

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// slots is a fair semaphore over bodies. Who finds a slot free takes it. Else
// it waits, and a slot that becomes free goes to the one that waits longest
// among those whose transfer holds less than a quarter and whose address holds
// less than half of all slots (each at least one). If there is none, it goes to
// the waiting transfer that holds fewest, rather than to nobody.
//
// Who has such a right and got nothing for half of its wait, because those that
// hold the slots are slow, has one made free: the youngest body of a transfer or
// an address above its share gives way. Where all keep to their shares, the
// slowest body among the youngest quarter does. The other three quarters of the
// slots are never taken for being slow, and each goes on to the oldest of that
// quarter: who is slow comes to its end too, only later, and at most a quarter
// of the work is begun in vain. Of two or three slots that quarter is one. A
// single slot is never taken for being slow: nobody slow would come to an end.
type slots struct {
	max, maxWaiting int
	wait            time.Duration
	// longest is how long a body keeps its slot from others that wait, whatever
	// its share; 0 is as long as it likes.
	longest time.Duration

	mu         sync.Mutex
	held       []*waiter // oldest first
	closed     bool
	byTransfer map[string]int // slots held
	byAddress  map[string]int
	waiting    []*waiter // longest first
}

// claim says for whom a slot is.
type claim struct {
	transfer, address string
	// cut ends the body early, which releases its slot. It must not wait. nil:
	// nobody makes it give way.
	cut func()
	// moved says how much of the body has moved since it got its slot. nil: it
	// does not give way for being slow.
	moved func() int64
}

// waiter is somebody in the queue, and who holds a slot. granted is closed when
// it has a slot or err says why not; both are decided under the lock.
type waiter struct {
	claim
	granted chan struct{}
	err     error
	tired   bool      // it waited for half of its time
	since   time.Time // when it got its slot
	going   bool      // it was told to give way
}

func newSlots(limit, maxWaiting int, wait time.Duration) *slots {
	return &slots{
		max: limit, maxWaiting: maxWaiting, wait: wait,
		byTransfer: map[string]int{}, byAddress: map[string]int{},
	}
}

// acquire waits for a slot. Errors: errBusy, errDraining, the context's.
func (s *slots) acquire(ctx context.Context, c claim) (release func(), err error) {
	w := &waiter{claim: c, granted: make(chan struct{})}
	if err := s.enter(w); err != nil {
		return nil, err
	}
	s.await(ctx, w)
	if w.err != nil {
		return nil, w.err
	}
	return sync.OnceFunc(func() { s.release(w) }), nil
}

// await returns when w has a slot or left the queue.
func (s *slots) await(ctx context.Context, w *waiter) {
	patience, end := time.NewTimer(s.wait/2), time.NewTimer(s.wait)
	defer patience.Stop()
	defer end.Stop()
	for {
		select {
		case <-w.granted:
			return
		case <-patience.C:
			s.tire(w)
			patience.Reset(max(s.wait/8, time.Millisecond)) // others may have come to give way since
		case <-end.C:
			s.leave(w, errBusy)
			return
		case <-ctx.Done():
			s.leave(w, context.Cause(ctx))
			return
		}
	}
}

// enter takes a slot or a place in the queue.
func (s *slots) enter(w *waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errDraining
	case len(s.held) < s.max:
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
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		w.err = why
		close(w.granted)
	}
}

func (s *slots) grant(w *waiter) {
	w.since = time.Now()
	s.held = append(s.held, w)
	s.byTransfer[w.transfer]++
	s.byAddress[w.address]++
	close(w.granted)
}

func (s *slots) release(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.held, w)
	s.held = slices.Delete(s.held, i, i+1)
	lower(s.byTransfer, w.transfer)
	lower(s.byAddress, w.address)
	if len(s.waiting) == 0 {
		return
	}
	i = s.pick()
	chosen := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.grant(chosen)
	s.makeRoom()
}

// pick chooses whose turn it is among those that wait.
func (s *slots) pick() int {
	fewest := 0
	for i, w := range s.waiting {
		if s.entitled(w) {
			return i
		}
		if s.byTransfer[w.transfer] < s.byTransfer[s.waiting[fewest].transfer] {
			fewest = i
		}
	}
	return fewest
}

// shares are what a transfer and an address may hold while others wait.
func (s *slots) shares() (quarter, half int) { return max(1, s.max/4), max(1, s.max/2) }

// entitled tells whether w holds less than its shares.
func (s *slots) entitled(w *waiter) bool {
	quarter, half := s.shares()
	return s.byTransfer[w.transfer] < quarter && s.byAddress[w.address] < half
}

// tire ends the patience of one that waits.
func (s *slots) tire(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.tired = true
	s.makeRoom()
}

// makeRoom has as many bodies give way as wait tired with a better right.
func (s *slots) makeRoom() {
	for want := s.owed(); want > 0; want-- {
		victim := s.victim()
		if victim == nil {
			return
		}
		victim.going = true
		victim.cut()
	}
}

// owed counts slots that tired waiters may have and that nobody gives back yet.
func (s *slots) owed() int {
	quarter, half := s.shares()
	byTransfer, byAddress := map[string]int{}, map[string]int{}
	n := 0
	for _, w := range s.waiting {
		if w.tired && s.byTransfer[w.transfer]+byTransfer[w.transfer] < quarter && s.byAddress[w.address]+byAddress[w.address] < half {
			byTransfer[w.transfer]++
			byAddress[w.address]++
			n++
		}
	}
	for _, h := range s.held {
		if h.going {
			n--
		}
	}
	return n
}

// victim is the youngest body above its share, which loses least, or else the
// oldest that holds its slot for too long, or else the slowest, or nil. Those
// that are going already hold nothing.
func (s *slots) victim() *waiter {
	quarter, half := s.shares()
	byTransfer, byAddress := map[string]int{}, map[string]int{}
	for _, h := range s.held {
		if !h.going {
			byTransfer[h.transfer]++
			byAddress[h.address]++
		}
	}
	for _, h := range slices.Backward(s.held) {
		if !h.going && h.cut != nil && (byTransfer[h.transfer] > quarter || byAddress[h.address] > half) {
			return h
		}
	}
	for _, h := range s.held {
		if !h.going && h.cut != nil && s.longest > 0 && time.Since(h.since) >= s.longest {
			return h
		}
	}
	return s.slowest()
}

// atRisk is how many of the youngest bodies may lose their slots for being slow.
func (s *slots) atRisk() int { return min(max(1, s.max/4), s.max-1) }

// slowest is the body that moved least a second among the youngest quarter, or
// nil. Bodies are judged when they had their slots for as long as it takes to
// lose one's patience.
func (s *slots) slowest() *waiter {
	var slowest *waiter
	least := math.Inf(1)
	stay := 0
	for _, h := range s.held {
		if h.going {
			continue
		}
		stay++
		had := time.Since(h.since)
		if stay <= s.max-s.atRisk() || h.cut == nil || h.moved == nil || had < s.wait/2 || had <= 0 {
			continue
		}
		if rate := float64(h.moved()) / had.Seconds(); rate < least {
			slowest, least = h, rate
		}
	}
	return slowest
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
	return len(s.held), len(s.waiting)
}

func lower(counts map[string]int, key string) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}
