package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/jobs"
)

// queued opens a queue that has not begun, whose runs are reported in order.
func queued(t *testing.T, opts jobs.Options) (*jobs.Queue, <-chan string) {
	t.Helper()
	ran := make(chan string, 1000)
	opts.Jobs = append(opts.Jobs, jobs.Job{Kind: kind, Run: func(_ context.Context, id string) error {
		ran <- id
		return nil
	}})
	q, err := jobs.OpenInProcess(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return q, ran
}

func drain(t *testing.T, ran <-chan string) []string {
	t.Helper()
	var ids []string
	for {
		synctest.Wait()
		select {
		case id := <-ran:
			ids = append(ids, id)
		default:
			return ids
		}
	}
}

func TestFullQueueRefusesAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refused []string
		q, ran := queued(t, jobs.Options{Limit: 3, Observe: func(kind string, _ time.Duration, err error) {
			if errors.Is(err, jobs.ErrFull) {
				refused = append(refused, kind)
			}
		}})
		for i := range 3 {
			give(t, q, jobs.Hint{ID: fmt.Sprint(i)})
		}
		if err := q.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: "3"}); !errors.Is(err, jobs.ErrFull) {
			t.Fatalf("fourth hint: %v", err)
		}
		give(t, q, jobs.Hint{ID: "1"}) // one that waits needs no room
		if diff := cmp.Diff(jobs.Stats{Waiting: 3, Dropped: 1}, q.Stats()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{kind}, refused); diff != "" {
			t.Error(diff)
		}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, ran); len(got) != 3 {
			t.Errorf("ran %v", got)
		}
		give(t, q, jobs.Hint{ID: "3"})
		if got := drain(t, ran); len(got) != 1 {
			t.Errorf("then ran %v", got)
		}
	})
}

func TestDuplicatesCollapseToTheEarlierTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, ran := queued(t, jobs.Options{Concurrency: 1})
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		give(t, q, jobs.Hint{ID: "a", After: time.Hour})
		give(t, q, jobs.Hint{ID: "b", After: time.Minute})
		give(t, q, jobs.Hint{ID: "a", After: 2 * time.Hour})
		if got := drain(t, ran); got != nil {
			t.Fatalf("ran %v at once", got)
		}
		give(t, q, jobs.Hint{ID: "a"})
		if diff := cmp.Diff([]string{"a"}, drain(t, ran)); diff != "" {
			t.Fatal(diff)
		}
		time.Sleep(3 * time.Hour)
		if diff := cmp.Diff([]string{"b"}, drain(t, ran)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestQueuesShareByWeight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, ran := queued(t, jobs.Options{Concurrency: 1})
		for i := range 100 {
			give(t, q, jobs.Hint{ID: fmt.Sprint("low ", i), Queue: jobs.Low})
			give(t, q, jobs.Hint{ID: fmt.Sprint("default ", i), Queue: jobs.Default})
			give(t, q, jobs.Hint{ID: fmt.Sprint("critical ", i), Queue: jobs.Critical})
		}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		order := drain(t, ran)
		for _, id := range order[:100] {
			got[strings.Fields(id)[0]]++
		}
		if diff := cmp.Diff(map[string]int{"critical": 60, "default": 30, "low": 10}, got); diff != "" {
			t.Error(diff)
		}
		if len(order) != 300 {
			t.Errorf("%d of 300 ran", len(order))
		}
	})
}

func TestOneRowRunsOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, runs atomic.Int64
		q := inProcess().begin(t, jobs.Options{Concurrency: 8}, func(context.Context, string) error {
			if running.Add(1) > 1 {
				t.Error("two runs of one row at once")
			}
			time.Sleep(time.Second)
			running.Add(-1)
			runs.Add(1)
			return nil
		})
		for range 50 {
			give(t, q, jobs.Hint{ID: "a"})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if n := runs.Load(); n < 5 || n > 7 {
			t.Errorf("%d runs for hints over five seconds", n)
		}
	})
}

func TestRetryPausesGrowAndStayBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		q, err := jobs.OpenInProcess(jobs.Options{MaxTries: 13, Jobs: []jobs.Job{{Kind: kind, Run: func(context.Context, string) error {
			at = append(at, time.Now())
			return errors.New("never")
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		give(t, q, jobs.Hint{ID: "a"})
		synctest.Wait()
		give(t, q, jobs.Hint{ID: "a"}) // does not shorten the pause
		time.Sleep(24 * time.Hour)
		if err := q.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if len(at) != 13 {
			t.Fatalf("%d runs, want 13", len(at))
		}
		for i := 1; i < len(at); i++ {
			most := min(time.Second<<(i-1), 5*time.Minute)
			if pause := at[i].Sub(at[i-1]); pause < most/2 || pause > most {
				t.Errorf("pause %d is %v, want between %v and %v", i, pause, most/2, most)
			}
		}
		if last := at[12].Sub(at[11]); last == at[11].Sub(at[10]) && last == at[10].Sub(at[9]) {
			t.Errorf("three pauses of one length, %v: what failed together comes back together", last)
		}
	})
}

func TestShutdownNamesHandlersThatDoNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		q, err := jobs.OpenInProcess(jobs.Options{Jobs: []jobs.Job{{Kind: kind, Run: func(context.Context, string) error {
			<-release
			return nil
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		give(t, q, jobs.Hint{ID: "a"})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err = q.Shutdown(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 handlers") {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("shutdown took %v", took)
		}
		close(release)
		synctest.Wait()
	})
}

func TestEndOfStartContextEndsRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		q, err := jobs.OpenInProcess(jobs.Options{Jobs: []jobs.Job{{Kind: kind, Run: func(ctx context.Context, _ string) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := q.Start(ctx); err != nil {
			t.Fatal(err)
		}
		give(t, q, jobs.Hint{ID: "a"})
		synctest.Wait()
		cancel()
		if err := receive(t, ended); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := q.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenRefusesBadJobs(t *testing.T) {
	t.Parallel()
	run := func(context.Context, string) error { return nil }
	for name, opts := range map[string]jobs.Options{
		"no version":    {Jobs: []jobs.Job{{Kind: "file.seal", Run: run}}},
		"version zero":  {Jobs: []jobs.Job{{Kind: "file.seal/0", Run: run}}},
		"no kind":       {Jobs: []jobs.Job{{Run: run}}},
		"no handler":    {Jobs: []jobs.Job{{Kind: kind}}},
		"twice":         {Jobs: []jobs.Job{{Kind: kind, Run: run}, {Kind: kind, Run: run}}},
		"unknown queue": {Jobs: []jobs.Job{{Kind: kind, Queue: "urgent", Run: run}}},
		"no period":     {Chores: []jobs.Chore{{Name: "sweep", Run: func(context.Context) error { return nil }}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := jobs.OpenInProcess(opts); err == nil {
				t.Error("was opened")
			}
		})
	}
}
