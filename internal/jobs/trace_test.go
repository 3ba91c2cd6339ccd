package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/jobs"
)

type traceKey struct{}

// tracing carries what stands in a context, and tells of each run and its end.
func tracing(began chan<- string, ended chan<- error) jobs.Trace {
	return jobs.Trace{
		Carry: func(ctx context.Context) string { ids, _ := ctx.Value(traceKey{}).(string); return ids },
		Begin: func(ctx context.Context, kind, carried string) (context.Context, func(error)) {
			began <- kind + " " + carried
			return context.WithValue(ctx, traceKey{}, "run of "+carried), func(err error) { ended <- err }
		},
	}
}

// traceGoesOn: what a hint carries comes to each run, tries too, and no more
// than ids are carried.
func traceGoesOn(t *testing.T, tg target) {
	began, ended, in := make(chan string, 10), make(chan error, 10), make(chan string, 10)
	first := true
	q := tg.begin(t, jobs.Options{Trace: tracing(began, ended)}, func(ctx context.Context, _ string) error {
		ids, _ := ctx.Value(traceKey{}).(string)
		in <- ids
		if first {
			first = false
			return errors.New("it is a test")
		}
		return nil
	})
	ctx := context.WithValue(t.Context(), traceKey{}, "00-aa-bb-01")
	if err := q.Enqueue(ctx, jobs.Hint{Kind: kind, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	for try := range 2 {
		if got := receive(t, began); got != kind+" 00-aa-bb-01" {
			t.Errorf("try %d began with %q", try, got)
		}
		if got := receive(t, in); got != "run of 00-aa-bb-01" {
			t.Errorf("try %d ran in %q", try, got)
		}
		if err := receive(t, ended); (err != nil) != (try == 0) {
			t.Errorf("try %d ended with %v", try, err)
		}
	}
	long := context.WithValue(t.Context(), traceKey{}, strings.Repeat("x", 65))
	if err := q.Enqueue(long, jobs.Hint{Kind: kind, ID: "b"}); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, began); got != kind+" " {
		t.Errorf("a long text was carried: %q", got)
	}
}

// A chore begins a trace of its own.
func TestChoreIsTraced(t *testing.T) {
	t.Parallel()
	began, ended := make(chan string, 10), make(chan error, 10)
	inProcess().begin(t, jobs.Options{Trace: tracing(began, ended), Chores: []jobs.Chore{{
		Name: "look", Every: time.Second, Run: func(context.Context) error { panic("it is a test") },
	}}}, nil)
	if got := receive(t, began); got != "chore.look " {
		t.Errorf("it began as %q", got)
	}
	if err := receive(t, ended); err == nil {
		t.Error("a panic ended well")
	}
}
