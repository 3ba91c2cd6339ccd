package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// target is what the suite needs to know of a queue: how to open one, and how to
// run a case, in a bubble of time where the queue lives in this process alone.
type target struct {
	open func(testing.TB, jobs.Options) (*jobs.Queue, error)
	run  func(*testing.T, func(*testing.T))
}

func inProcess() target {
	return target{
		open: func(_ testing.TB, o jobs.Options) (*jobs.Queue, error) { return jobs.OpenInProcess(o) },
		run:  synctest.Test,
	}
}

func onRedis() target {
	return target{
		open: func(t testing.TB, o jobs.Options) (*jobs.Queue, error) {
			return jobs.OpenRedis(o, jobs.RedisOptions{URL: testenv.Redis(t), Poll: 20 * time.Millisecond})
		},
		run: func(t *testing.T, test func(*testing.T)) { test(t) },
	}
}

func TestRedisConforms(t *testing.T) {
	t.Parallel()
	conformance(t, onRedis())
}

func TestInProcessConforms(t *testing.T) {
	t.Parallel()
	conformance(t, inProcess())
}

// conformance holds for every queue. Cases wait for signals; pauses are short.
func conformance(t *testing.T, tg target) {
	cases := map[string]func(*testing.T, target){
		"a hint given before the start runs":        hintBeforeStart,
		"a hint given later runs":                   hintAfterStart,
		"a delayed hint waits":                      delayedHint,
		"a failed run is repeated":                  failedRun,
		"a permanent error is not repeated":         permanentError,
		"tries end":                                 triesEnd,
		"a panic ends its run alone":                panicContained,
		"each queue has room of its own":            roomOfItsOwn,
		"a sweep's hints fill no queue":             repeatsLeftOut,
		"every run has a deadline":                  deadline,
		"a trace goes on in the runs of its hint":   traceGoesOn,
		"runs at once are bounded":                  boundedRuns,
		"a hint during its run leads to another":    hintDuringRun,
		"shutdown waits for a run":                  shutdownWaits,
		"shutdown ends a run that takes too long":   shutdownCancels,
		"after shutdown hints are refused":          refusedAfterShutdown,
		"hints that make no sense are errors":       badHints,
		"chores run again and again, never at once": choresRepeat,
		"a chore that fails runs again":             choreFails,
		"shutdown waits for a chore":                shutdownWaitsForChore,
	}
	for name, fn := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg.run(t, func(t *testing.T) { fn(t, tg) })
		})
	}
}

const kind = "test.step/1"

func shortBackoff(int) time.Duration { return 10 * time.Millisecond }

// begin opens and starts a queue with one job, and shuts it down at the end.
func (tg target) begin(t *testing.T, opts jobs.Options, run jobs.Handler) *jobs.Queue {
	t.Helper()
	if run != nil {
		opts.Jobs = append(opts.Jobs, jobs.Job{Kind: kind, Run: run})
	}
	if opts.Backoff == nil {
		opts.Backoff = shortBackoff
	}
	q, err := tg.open(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return q
}

func give(t *testing.T, q *jobs.Queue, h jobs.Hint) {
	t.Helper()
	if h.Kind == "" {
		h.Kind = kind
	}
	if err := q.Enqueue(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// nothing wants silence for a moment, which in a bubble costs no time.
func nothing[T any](t *testing.T, c <-chan T, during time.Duration) {
	t.Helper()
	select {
	case v := <-c:
		t.Fatalf("%v came", v)
	case <-time.After(during):
	}
}

func hintBeforeStart(t *testing.T, tg target) {
	ran := make(chan string, 1)
	q, err := tg.open(t, jobs.Options{Jobs: []jobs.Job{{Kind: kind, Run: func(_ context.Context, id string) error {
		ran <- id
		return nil
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	give(t, q, jobs.Hint{ID: "a"})
	nothing(t, ran, 50*time.Millisecond)
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if id := receive(t, ran); id != "a" {
		t.Errorf("ran %q", id)
	}
	if err := q.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func hintAfterStart(t *testing.T, tg target) {
	ran := make(chan string, 100)
	q := tg.begin(t, jobs.Options{}, func(_ context.Context, id string) error {
		ran <- id
		return nil
	})
	want := make(map[string]bool)
	for i := range 50 {
		id := fmt.Sprint(i)
		want[id] = true
		give(t, q, jobs.Hint{ID: id, Queue: []string{"", jobs.Critical, jobs.Default, jobs.Low}[i%4]})
	}
	for len(want) > 0 {
		delete(want, receive(t, ran))
	}
}

func delayedHint(t *testing.T, tg target) {
	ran := make(chan string, 2)
	q := tg.begin(t, jobs.Options{}, func(_ context.Context, id string) error {
		ran <- id
		return nil
	})
	give(t, q, jobs.Hint{ID: "late", After: 3 * time.Second})
	give(t, q, jobs.Hint{ID: "now", After: -time.Second})
	if id := receive(t, ran); id != "now" {
		t.Fatalf("%q ran first", id)
	}
	nothing(t, ran, time.Second)
	if id := receive(t, ran); id != "late" {
		t.Fatalf("then %q ran", id)
	}
}

func failedRun(t *testing.T, tg target) {
	var runs atomic.Int64
	done := make(chan struct{})
	q := tg.begin(t, jobs.Options{}, func(context.Context, string) error {
		if runs.Add(1) < 3 {
			return errors.New("not yet")
		}
		close(done)
		return nil
	})
	give(t, q, jobs.Hint{ID: "a"})
	receive(t, done)
	nothing(t, make(chan int), 100*time.Millisecond)
	if n := runs.Load(); n != 3 {
		t.Errorf("%d runs, want 3", n)
	}
}

func permanentError(t *testing.T, tg target) {
	ran := make(chan string, 2)
	cause := errors.New("no such row")
	q := tg.begin(t, jobs.Options{}, func(_ context.Context, id string) error {
		ran <- id
		return fmt.Errorf("step: %w", jobs.Permanent(cause))
	})
	give(t, q, jobs.Hint{ID: "a"})
	receive(t, ran)
	nothing(t, ran, 200*time.Millisecond)
	if err := jobs.Permanent(cause); !errors.Is(err, cause) || err.Error() != cause.Error() {
		t.Errorf("Permanent hides its cause: %v", err)
	}
	if jobs.Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
}

func triesEnd(t *testing.T, tg target) {
	ran := make(chan string, 10)
	q := tg.begin(t, jobs.Options{MaxTries: 3}, func(_ context.Context, id string) error {
		ran <- id
		return errors.New("never")
	})
	give(t, q, jobs.Hint{ID: "a"})
	for range 3 {
		receive(t, ran)
	}
	nothing(t, ran, 200*time.Millisecond)
	give(t, q, jobs.Hint{ID: "a"}) // a hint that was given up blocks no new one
	receive(t, ran)
}

func panicContained(t *testing.T, tg target) {
	ran := make(chan string, 2)
	q := tg.begin(t, jobs.Options{Concurrency: 1}, func(_ context.Context, id string) error {
		if id == "bad" {
			panic("broken")
		}
		ran <- id
		return nil
	})
	give(t, q, jobs.Hint{ID: "bad"})
	give(t, q, jobs.Hint{ID: "good"})
	if id := receive(t, ran); id != "good" {
		t.Errorf("ran %q", id)
	}
}

func deadline(t *testing.T, tg target) {
	ended := make(chan error, 1)
	opts := jobs.Options{Jobs: []jobs.Job{{Kind: "test.slow/1", Timeout: 50 * time.Millisecond, Run: func(ctx context.Context, _ string) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return jobs.Permanent(ctx.Err())
	}}}}
	q := tg.begin(t, opts, func(ctx context.Context, _ string) error {
		if _, ok := ctx.Deadline(); !ok {
			ended <- errors.New("no deadline")
		}
		return nil
	})
	give(t, q, jobs.Hint{Kind: "test.slow/1", ID: "a"})
	if err := receive(t, ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	give(t, q, jobs.Hint{ID: "a"})
	nothing(t, ended, 100*time.Millisecond)
}

func boundedRuns(t *testing.T, tg target) {
	var now, most atomic.Int64
	begun, release := make(chan struct{}, 20), make(chan struct{})
	q := tg.begin(t, jobs.Options{Concurrency: 3}, func(context.Context, string) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		begun <- struct{}{}
		<-release
		now.Add(-1)
		return nil
	})
	for i := range 12 {
		give(t, q, jobs.Hint{ID: fmt.Sprint(i)})
	}
	for range 3 {
		receive(t, begun)
	}
	nothing(t, begun, 100*time.Millisecond)
	close(release)
	for range 9 {
		receive(t, begun)
	}
	if most.Load() != 3 {
		t.Errorf("%d runs at once, want 3", most.Load())
	}
}

func hintDuringRun(t *testing.T, tg target) {
	begun, release := make(chan struct{}, 3), make(chan struct{})
	q := tg.begin(t, jobs.Options{}, func(context.Context, string) error {
		begun <- struct{}{}
		<-release
		return nil
	})
	give(t, q, jobs.Hint{ID: "a"})
	receive(t, begun)
	give(t, q, jobs.Hint{ID: "a"})
	release <- struct{}{}
	receive(t, begun)
	close(release)
}

func shutdownWaits(t *testing.T, tg target) {
	begun, release := make(chan struct{}), make(chan struct{})
	var finished atomic.Bool
	q := tg.begin(t, jobs.Options{}, func(ctx context.Context, _ string) error {
		close(begun)
		<-release
		finished.Store(ctx.Err() == nil)
		return nil
	})
	give(t, q, jobs.Hint{ID: "a"})
	receive(t, begun)
	result := make(chan error)
	go func() { result <- q.Shutdown(t.Context()) }()
	nothing(t, result, 50*time.Millisecond)
	close(release)
	if err := receive(t, result); err != nil || !finished.Load() {
		t.Errorf("shutdown: %v, finished: %v", err, finished.Load())
	}
}

func shutdownCancels(t *testing.T, tg target) {
	begun := make(chan struct{})
	cause := make(chan error, 1)
	q := tg.begin(t, jobs.Options{}, func(ctx context.Context, _ string) error {
		close(begun)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	})
	give(t, q, jobs.Hint{ID: "a"})
	receive(t, begun)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := q.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := receive(t, cause); !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("cause %v", err)
	}
}

func refusedAfterShutdown(t *testing.T, tg target) {
	q := tg.begin(t, jobs.Options{}, func(context.Context, string) error { return nil })
	if err := q.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "a"}); !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("enqueue: %v", err)
	}
	if err := q.Start(t.Context()); !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("start: %v", err)
	}
}

func badHints(t *testing.T, tg target) {
	q := tg.begin(t, jobs.Options{}, func(context.Context, string) error { return nil })
	for _, h := range []jobs.Hint{{}, {Kind: "test.step/2", ID: "a"}, {Kind: kind}, {Kind: kind, ID: "a", Queue: "urgent"}} {
		if err := q.Enqueue(t.Context(), h); err == nil {
			t.Errorf("%+v was taken", h)
		}
	}
}
