package web

import (
	"context"
	"errors"
	"fmt"
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
		h.release, h.err = s.acquire(ctx, transfer, address)
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
