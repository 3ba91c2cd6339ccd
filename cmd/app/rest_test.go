package main

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsGivenBackWhenNothingIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var inFlight atomic.Bool
		var given atomic.Int64
		inFlight.Store(true)
		go whenIdle(ctx, time.Minute, inFlight.Load, func() { given.Add(1) })
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if n := given.Load(); n != 0 {
			t.Errorf("given back %d times while bodies were in flight", n)
		}
		inFlight.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := given.Load(); n != 5 {
			t.Errorf("given back %d times in five minutes without any, want 5", n)
		}
		stop()
	})
}

// Both kinds of processes do so.
func TestProcessesRest(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.env = append(s.env, "APP_SWEEP_EVERY=1s", "APP_LOG_LEVEL=debug", "APP_LOG_FORMAT=json")
	_, server := s.serving(t)
	hears(t, server.log, "memory given back")
	worker := begin(t, s.env, io.Discard, "worker")
	hears(t, worker.log, "memory given back")
}
