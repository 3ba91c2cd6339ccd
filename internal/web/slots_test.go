package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// holder acquires in a goroutine and says how it went.
type holder struct {
	release func()
	err     error
	ended   chan struct{}
}

// done says that the wait is over; release or err is set then.
func (h *holder) done() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// why waits for the end and gives its error.
func (h *holder) why() error {
	<-h.ended
	return h.err
}

func acquireLater(s *slots, ctx context.Context, transfer, address string) *holder {
	h := &holder{ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		h.release, h.err = s.acquire(ctx, claim{transfer: transfer, address: address})
	}()
	synctest.Wait()
	return h
}

func TestSlotsWaitTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, 2, 10*time.Second)
		ctx := t.Context()
		first := acquireLater(s, ctx, "a", "1")
		second := acquireLater(s, ctx, "a", "1")
		third, fourth := acquireLater(s, ctx, "b", "2"), acquireLater(s, ctx, "c", "3")
		if !first.done() || !second.done() || third.done() || fourth.done() {
			t.Fatal("two slots for two, and the rest waits")
		}
		if fifth := acquireLater(s, ctx, "d", "4"); !errors.Is(fifth.why(), errBusy) {
			t.Errorf("a third that waits: %v", fifth.why())
		}
		first.release()
		first.release() // again changes nothing
		synctest.Wait()
		if !third.done() || third.why() != nil || fourth.done() {
			t.Error("the first in the queue was not next")
		}
		time.Sleep(10*time.Second + 1)
		synctest.Wait()
		if !errors.Is(fourth.why(), errBusy) {
			t.Errorf("after its wait: %v", fourth.why())
		}
		second.release()
		third.release()
		if used, waiting := s.count(); used != 0 || waiting != 0 || len(s.byTransfer) != 0 || len(s.byAddress) != 0 {
			t.Errorf("%d used, %d waiting, %v %v", used, waiting, s.byTransfer, s.byAddress)
		}
	})
}

func TestSlotsAreFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8, 100, time.Hour)
		ctx := t.Context()
		var greedy []*holder
		for range 40 {
			greedy = append(greedy, acquireLater(s, ctx, "greedy", "g"))
		}
		var others []*holder
		for i := range 6 {
			others = append(others, acquireLater(s, ctx, fmt.Sprint("t", i), fmt.Sprint("a", i)))
		}
		for i := range 6 { // as greedy's own end, the others come before its next
			greedy[i].release()
			synctest.Wait()
			if !others[i].done() {
				t.Fatalf("transfer %d waits behind the greedy one", i)
			}
		}
		if held := s.byTransfer["greedy"]; held != 2 {
			t.Errorf("greedy holds %d, a quarter is 2", held)
		}
		others[0].release()
		synctest.Wait()
		if held := s.byTransfer["greedy"]; held != 3 {
			t.Errorf("nobody else waits, and greedy holds %d", held)
		}
	})
}

func TestSlotsAreFairToAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, 100, time.Hour)
		ctx := t.Context()
		var held []*holder
		for i := range 4 {
			held = append(held, acquireLater(s, ctx, fmt.Sprint("mine", i), "one"))
		}
		mine := acquireLater(s, ctx, "mine5", "one")
		theirs := acquireLater(s, ctx, "theirs", "two")
		held[0].release()
		synctest.Wait()
		if mine.done() || !theirs.done() {
			t.Error("an address with more than half of the slots got another before the rest")
		}
		held[1].release()
		synctest.Wait()
		if !mine.done() {
			t.Error("a slot stayed empty while somebody waited")
		}
	})
}

func TestSlotsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 5, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		first := acquireLater(s, t.Context(), "a", "1")
		gone := acquireLater(s, ctx, "b", "2")
		cancel()
		synctest.Wait()
		if !errors.Is(gone.why(), context.Canceled) {
			t.Errorf("a client that left: %v", gone.why())
		}
		waits := acquireLater(s, t.Context(), "c", "3")
		s.close()
		synctest.Wait()
		late := acquireLater(s, t.Context(), "d", "4")
		if !errors.Is(waits.why(), errDraining) || !errors.Is(late.why(), errDraining) {
			t.Errorf("after close: %v, %v", waits.why(), late.err)
		}
		first.release()
	})
}

// departed are transfers whose bodies gave way, in their order.
type departed struct {
	mu    sync.Mutex
	names []string
}

func (d *departed) list() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.names)
}

// holding takes a slot for a body that ends when it is told to give way.
func holding(t *testing.T, s *slots, transfer, address string, gone *departed) {
	t.Helper()
	var release func()
	cut := func() {
		gone.mu.Lock()
		defer gone.mu.Unlock()
		gone.names = append(gone.names, transfer)
		go release()
	}
	var err error
	still := func() int64 { return 0 }
	if release, err = s.acquire(t.Context(), claim{transfer: transfer, address: address, cut: cut, moved: still}); err != nil {
		t.Fatal(err)
	}
}

// What holds every slot and does not move gives way to others, down to its
// share, and below that a quarter of the slots and no more.
func TestSlowBodiesGiveWay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		held []string // transfer@address of each slot
		gone int      // of them, when eight others come
	}{
		"one transfer":            {[]string{"a@1", "a@2", "a@3", "a@4", "a@5", "a@6", "a@7", "a@8"}, 6},
		"one address":             {[]string{"a@1", "b@1", "c@1", "d@1", "e@1", "f@1", "g@1", "h@1"}, 4},
		"all within a share":      {[]string{"a@1", "a@1", "b@2", "b@2", "c@3", "c@3", "d@4", "d@4"}, 2},
		"one above, the rest not": {[]string{"a@1", "a@1", "a@1", "b@2", "b@2", "c@3", "c@3", "d@4"}, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSlots(8, 100, 10*time.Second)
				var gone departed
				for _, h := range tc.held {
					transfer, address, _ := strings.Cut(h, "@")
					holding(t, s, transfer, address, &gone)
				}
				var others []*holder
				for i := range 8 {
					others = append(others, acquireLater(s, t.Context(), fmt.Sprint("new", i), fmt.Sprint("from", i)))
				}
				time.Sleep(5*time.Second - 1)
				synctest.Wait()
				if len(gone.list()) != 0 {
					t.Errorf("%v gave way before others had waited for long", gone.list())
				}
				time.Sleep(time.Second)
				synctest.Wait()
				served := 0
				for _, o := range others {
					if o.done() && o.why() == nil {
						served++
					}
				}
				if len(gone.list()) != tc.gone || served != tc.gone {
					t.Errorf("%d gave way and %d were served, want %d", len(gone.list()), served, tc.gone)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
			})
		})
	}
}

// Who has its share makes nobody give way, and downloads give way to nobody.
func TestNobodyGivesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, 100, 10*time.Second)
		var gone departed
		for range 4 {
			holding(t, s, "greedy", "g", &gone)
		}
		if more := acquireLater(s, t.Context(), "greedy", "g"); !errors.Is(more.why(), errBusy) || len(gone.list()) != 0 {
			t.Errorf("its own next body: %v, and %v gave way", more.why(), gone.list())
		}
		d := newSlots(4, 100, 10*time.Second)
		for range 4 {
			acquireLater(d, t.Context(), "greedy", "g")
		}
		if other := acquireLater(d, t.Context(), "other", "o"); !errors.Is(other.why(), errBusy) {
			t.Errorf("a slot that cannot be taken back: %v", other.why())
		}
	})
}

// With a longest time even those within their share give way, the oldest first.
func TestSlotsAreHeldForSoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, 100, 10*time.Second)
		s.longest = 10 * time.Second
		var gone departed
		for i := range 4 {
			holding(t, s, fmt.Sprint("t", i), fmt.Sprint("a", i), &gone)
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second) // the oldest has 6 s, and 11 s when the patience of who comes ends
		first, second := acquireLater(s, t.Context(), "x", "x"), acquireLater(s, t.Context(), "y", "y")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if !first.done() || first.why() != nil || len(gone.list()) != 2 || gone.list()[0] != "t0" || gone.list()[1] != "t1" || second.why() != nil {
			t.Errorf("%v gave way", gone.list())
		}
	})
}
