package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

const quick = 20 * time.Millisecond

// shared opens a queue on a Redis, and shuts it down at the end.
func shared(t *testing.T, url string, opts jobs.Options, run jobs.Handler) *jobs.Queue {
	t.Helper()
	if run == nil {
		run = func(context.Context, string) error { return errors.New("nothing runs here") }
	}
	opts.Jobs = append(opts.Jobs, jobs.Job{Kind: kind, Run: run})
	if opts.Backoff == nil {
		opts.Backoff = shortBackoff
	}
	q, err := jobs.OpenRedis(opts, jobs.RedisOptions{URL: url, Poll: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return q
}

// reporting is a handler that tells which ids it was given.
func reporting() (jobs.Handler, <-chan string) {
	ran := make(chan string, 1000)
	return func(_ context.Context, id string) error {
		ran <- id
		return nil
	}, ran
}

func start(t *testing.T, q *jobs.Queue) {
	t.Helper()
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestHintsCrossProcesses(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	gives := shared(t, url, jobs.Options{}, nil) // never started
	run, ran := reporting()
	start(t, shared(t, url, jobs.Options{}, run))
	for i := range 20 {
		give(t, gives, jobs.Hint{ID: fmt.Sprint(i), Queue: []string{jobs.Critical, jobs.Default, jobs.Low}[i%3]})
	}
	for range 20 {
		receive(t, ran)
	}
}

func TestHintsOutliveTheProcessThatGaveThem(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	gives := shared(t, url, jobs.Options{}, nil)
	give(t, gives, jobs.Hint{ID: "a"})
	if err := gives.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, ran := reporting()
	start(t, shared(t, url, jobs.Options{}, run))
	receive(t, ran)
}

// A run that shutdown cuts short is run again elsewhere, and does not count as a
// try: it has only one.
func TestCutShortRunsAgainElsewhere(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	begun := make(chan struct{})
	opts := jobs.Options{MaxTries: 2}
	first := shared(t, url, opts, func(ctx context.Context, _ string) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	start(t, first)
	give(t, first, jobs.Hint{ID: "a"})
	receive(t, begun)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	ran := make(chan string, 10)
	start(t, shared(t, url, opts, func(_ context.Context, id string) error {
		ran <- id
		if runs.Add(1) == 1 {
			return errors.New("the first try that counts")
		}
		return nil
	}))
	receive(t, ran)
	receive(t, ran)
}

// An older process cannot run what a newer one gives; it leaves it for a retry.
func TestUnknownKindWaitsForANewerProcess(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	failed := make(chan string, 100)
	older := shared(t, url, jobs.Options{Observe: func(string, time.Duration, error) {}}, nil)
	start(t, older)
	newer, err := jobs.OpenRedis(jobs.Options{Backoff: shortBackoff, Jobs: []jobs.Job{{Kind: "test.step/2", Run: func(_ context.Context, id string) error {
		failed <- id
		return nil
	}}}}, jobs.RedisOptions{URL: url, Poll: quick})
	if err != nil {
		t.Fatal(err)
	}
	give(t, newer, jobs.Hint{Kind: "test.step/2", ID: "a"})
	nothing(t, failed, 100*time.Millisecond)
	if err := older.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, newer)
	receive(t, failed)
	if err := newer.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHintsInRedisAreBounded(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	var refused atomic.Int64
	q := shared(t, url, jobs.Options{Limit: 3, Observe: func(_ string, _ time.Duration, err error) {
		if errors.Is(err, jobs.ErrFull) {
			refused.Add(1)
		}
	}}, nil)
	for i := range 3 {
		give(t, q, jobs.Hint{ID: fmt.Sprint(i), After: time.Duration(i) * time.Hour})
	}
	if err := q.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "3"}); !errors.Is(err, jobs.ErrFull) {
		t.Errorf("fourth hint: %v", err)
	}
	if diff := cmp.Diff(jobs.Stats{Waiting: 3, Dropped: 1}, q.Stats()); diff != "" || refused.Load() != 1 {
		t.Errorf("%s, %d refusals observed", diff, refused.Load())
	}
	other := shared(t, url, jobs.Options{Limit: 3}, nil) // counts what the first one gave
	if err := other.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "4"}); !errors.Is(err, jobs.ErrFull) {
		t.Errorf("hint of another process: %v", err)
	}
}

// A full Redis takes no task and gives none out either, so the queue that works
// runs hints from its own memory, and goes on with those in Redis afterwards.
func TestFullRedisDelaysOnly(t *testing.T) {
	t.Parallel()
	server := testenv.NewOwnRedis(t)
	gives := shared(t, server.URL, jobs.Options{}, nil)
	give(t, gives, jobs.Hint{ID: "before", After: 2 * time.Second})
	server.Call(t, "CONFIG SET maxmemory 1")
	if err := gives.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "lost"}); !errors.Is(err, jobs.ErrFull) {
		t.Fatalf("hint to a full Redis: %v", err)
	}
	if err := gives.Check(t.Context()); !errors.Is(err, jobs.ErrFull) {
		t.Errorf("the check of a full Redis: %v", err)
	}
	run, ran := reporting()
	works := shared(t, server.URL, jobs.Options{}, run)
	start(t, works)
	give(t, works, jobs.Hint{ID: "meanwhile"})
	if id := receive(t, ran); id != "meanwhile" {
		t.Errorf("%s ran while Redis is full", id)
	}
	server.Call(t, "CONFIG SET maxmemory 0")
	if err := gives.Check(t.Context()); err != nil {
		t.Errorf("the check when there is room again: %v", err)
	}
	if id := receive(t, ran); id != "before" {
		t.Errorf("then %s ran", id)
	}
}

func TestGoneAndEmptyRedisDelaysOnly(t *testing.T) {
	t.Parallel()
	server := testenv.NewOwnRedis(t)
	gives := shared(t, server.URL, jobs.Options{}, nil)
	run, ran := reporting()
	works := shared(t, server.URL, jobs.Options{}, run)
	start(t, works)
	give(t, gives, jobs.Hint{ID: "a"})
	receive(t, ran)

	server.Stop(t)
	if err := gives.Check(t.Context()); err == nil {
		t.Error("a Redis that is gone is said to answer")
	}
	for i := range 50 { // as many requests would
		began := time.Now()
		if err := gives.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: fmt.Sprint(i)}); !errors.Is(err, jobs.ErrUnreachable) {
			t.Fatalf("hint without Redis: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the refusal took %v", took)
		}
	}
	give(t, works, jobs.Hint{ID: "b"})
	if id := receive(t, ran); id != "b" {
		t.Errorf("%s ran without Redis", id)
	}

	server.Start(t)
	eventually(t, func() error { return gives.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "c"}) })
	if id := receive(t, ran); id != "c" {
		t.Errorf("%s ran when Redis was back", id)
	}
	if err := gives.Check(t.Context()); err != nil {
		t.Error(err)
	}
	give(t, gives, jobs.Hint{ID: "lost", After: time.Hour})
	server.Call(t, "FLUSHALL")
	give(t, gives, jobs.Hint{ID: "d"})
	if id := receive(t, ran); id != "d" {
		t.Errorf("%s ran after FLUSHALL", id)
	}
}

// eventually repeats what fails, for half a minute.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(quick)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(err)
		}
	}
}

// A peer that takes connections and says nothing is the worst kind of gone.
func TestSilentRedisHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	q := shared(t, "redis://"+l.Addr().String(), jobs.Options{}, nil)
	for i := range 3 {
		began := time.Now()
		err := q.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "a"})
		if took := time.Since(began); !errors.Is(err, jobs.ErrUnreachable) || took > 2*time.Second || (i > 0 && took > 100*time.Millisecond) {
			t.Errorf("hint %d: %v after %v", i, err, took)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := q.Check(ctx); err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("check: %v after %v", err, time.Since(began))
	}
}

func TestOpenRedisRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]jobs.RedisOptions{
		"scheme":      {URL: "http://localhost"},
		"no URL":      {},
		"database":    {URL: "redis://localhost/first"},
		"not a URL":   {URL: "redis://:hidden@[::1"},
		"other queue": {URL: "redis://localhost", Queues: map[string]int{"urgent": 1}},
	} {
		_, err := jobs.OpenRedis(jobs.Options{}, o)
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"redis://localhost", "rediss://user:pw@[::1]:6380/3", "redis-socket:///run/redis.sock?db=1",
		"redis-sentinel://:pw@one,two:26380?master=main"} {
		q, err := jobs.OpenRedis(jobs.Options{}, jobs.RedisOptions{URL: url})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if err := q.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
