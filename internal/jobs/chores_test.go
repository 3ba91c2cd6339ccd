package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/jobs"
)

// The cases of conformance that are about chores.

func choresRepeat(t *testing.T, tg target) {
	var running atomic.Bool
	begins := make(chan time.Time, 100)
	tg.begin(t, jobs.Options{Chores: []jobs.Chore{{Name: "sweep", Every: 100 * time.Millisecond, Run: func(context.Context) error {
		if running.Swap(true) {
			t.Error("two runs at once")
		}
		begins <- time.Now()
		nothing(t, make(chan int), 150*time.Millisecond)
		running.Store(false)
		return nil
	}}}}, nil)
	before := receive(t, begins)
	for range 3 {
		begin := receive(t, begins)
		if pause := begin.Sub(before); pause < 240*time.Millisecond {
			t.Errorf("runs began %v apart, want 150 ms of work and 90 of pause", pause)
		}
		before = begin
	}
}

func choreFails(t *testing.T, tg target) {
	ran := make(chan struct{}, 10)
	var runs atomic.Int64
	tg.begin(t, jobs.Options{Chores: []jobs.Chore{{Name: "sweep", Every: 50 * time.Millisecond, Run: func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("no deadline")
		}
		select {
		case ran <- struct{}{}:
		default:
		}
		if runs.Add(1) == 1 {
			panic("broken")
		}
		return errors.New("failed")
	}}}}, nil)
	for range 3 {
		receive(t, ran)
	}
}

func shutdownWaitsForChore(t *testing.T, tg target) {
	begun, release := make(chan struct{}), make(chan struct{})
	q := tg.begin(t, jobs.Options{Chores: []jobs.Chore{{Name: "sweep", Every: time.Millisecond, Run: func(context.Context) error {
		close(begun)
		<-release
		return nil
	}}}}, nil)
	receive(t, begun)
	result := make(chan error)
	go func() { result <- q.Shutdown(t.Context()) }()
	nothing(t, result, 50*time.Millisecond)
	close(release)
	if err := receive(t, result); err != nil {
		t.Error(err)
	}
}
