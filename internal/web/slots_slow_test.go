package web

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// guestSim sends bodies that take so long, each again until it is taken.
type guestSim struct {
	transfer, address string
	takes             time.Duration
	refused           int // how often it was sent 503 before it had a slot
	cut               int // how often it gave way
}

// sends sends one body and says whether it arrived before the time ran out.
func (g *guestSim) sends(ctx context.Context, s *slots) bool {
	for ctx.Err() == nil {
		if g.tries(ctx, s) {
			return true
		}
		pause(ctx, 5*time.Second) // Retry-After
	}
	return false
}

func (g *guestSim) tries(ctx context.Context, s *slots) bool {
	cut := make(chan struct{})
	began := atomic.Int64{}
	moved := func() int64 {
		return (1 << 20) * (time.Now().UnixNano() - began.Load()) / int64(g.takes)
	}
	began.Store(time.Now().UnixNano())
	release, err := s.acquire(ctx, claim{
		transfer: g.transfer, address: g.address, moved: moved, cut: func() { close(cut) },
	})
	if err != nil {
		if errors.Is(err, errBusy) {
			g.refused++
		}
		return false
	}
	defer release()
	began.Store(time.Now().UnixNano())
	select {
	case <-time.After(g.takes):
		return true
	case <-cut:
		g.cut++
	case <-ctx.Done():
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Forty guests from as many addresses, each with a body of five minutes, want
// all of sixteen slots, and one is fast. What the fast one sends is taken, seldom
// at a second try only, and each of the slow ones comes to its end.
func TestManySlowGuestsAgainstFastOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(16, 256, 10*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		finished := make(chan *guestSim)
		for i := range 40 {
			g := &guestSim{transfer: fmt.Sprint("slow", i), address: fmt.Sprint("a", i), takes: 5 * time.Minute}
			go func() {
				if !g.sends(ctx, s) {
					t.Errorf("%s never came to its end: %d times refused, %d times cut", g.transfer, g.refused, g.cut)
				}
				finished <- g
			}()
			synctest.Wait()
		}
		fast := &guestSim{transfer: "fast", address: "fast", takes: time.Second}
		sending, stop := context.WithCancel(ctx)
		parts, ended := 0, make(chan struct{})
		go func() {
			defer close(ended)
			for sending.Err() == nil && fast.sends(sending, s) {
				parts++
			}
		}()
		cuts := 0
		for range 40 {
			cuts += (<-finished).cut
		}
		stop()
		<-ended
		if fast.refused > parts/10 || fast.cut > 0 || parts < 100 {
			t.Errorf("the fast guest sent %d parts, was refused %d times and cut %d times", parts, fast.refused, fast.cut)
		}
		t.Logf("%d parts of the fast guest while 40 slow bodies of 5 minutes went through 16 slots; those gave way %d times", parts, cuts)
	})
}

// Few slots are enough for the same: with two or three a slow body gives way to
// a fast one, and all come to their end. A single slot stays with who has it,
// since a slow body that had to begin anew would never end.
func TestFewSlotsGiveWayToo(t *testing.T) {
	t.Parallel()
	for limit, gives := range map[int]bool{1: false, 2: true, 3: true} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSlots(limit, 256, 10*time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				slow, ended := make([]*guestSim, 2*limit), make(chan struct{})
				for i := range slow {
					slow[i] = &guestSim{transfer: fmt.Sprint("slow", i), address: fmt.Sprint("a", i), takes: 5 * time.Minute}
					go func() {
						if !slow[i].sends(ctx, s) {
							t.Errorf("%s never came to its end: %d times refused, %d times cut", slow[i].transfer, slow[i].refused, slow[i].cut)
						}
						ended <- struct{}{}
					}()
					synctest.Wait()
				}
				fast := &guestSim{transfer: "fast", address: "fast", takes: time.Second}
				began := time.Now()
				if !fast.sends(ctx, s) || fast.cut > 0 {
					t.Errorf("the fast guest was refused %d times and cut %d times", fast.refused, fast.cut)
				}
				// Whose turn it is among those that come back at one moment is chance, so
				// that only this is sure: it did not wait for a slow body to end.
				if took := time.Since(began); gives && took >= fast.takes+slow[0].takes {
					t.Errorf("the fast guest waited %v for bodies of %v", took, slow[0].takes)
				}
				cuts := 0
				for range slow {
					<-ended
				}
				for _, g := range slow {
					cuts += g.cut
				}
				if gives != (cuts > 0) {
					t.Errorf("slow bodies gave way %d times", cuts)
				}
			})
		})
	}
}

// Guests of one speed that are more than the slots lose little to each other:
// three of four slots are never taken from a body for being slow.
func TestOverloadWastesAQuarterAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(16, 256, 10*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var done atomic.Int64
		ended := make(chan struct{})
		for i := range 30 {
			g := &guestSim{transfer: fmt.Sprint("t", i), address: fmt.Sprint("a", i), takes: time.Minute}
			go func() {
				for g.sends(ctx, s) {
					done.Add(1)
				}
				ended <- struct{}{}
			}()
		}
		for range 30 {
			<-ended
		}
		if all := int64(16 * 60); done.Load() < all*7/10 {
			t.Errorf("%d bodies of a minute went through 16 slots in an hour, want most of %d", done.Load(), all)
		}
	})
}
