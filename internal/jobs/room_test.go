package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// opened is a queue that takes hints and runs none.
func (tg target) opened(t *testing.T, opts jobs.Options) *jobs.Queue {
	t.Helper()
	opts.Jobs = []jobs.Job{{Kind: kind, Run: func(context.Context, string) error { return nil }}}
	q, err := tg.open(t, opts)
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

// A backlog of what has time keeps out no hint at what has none.
func roomOfItsOwn(t *testing.T, tg target) {
	q := tg.opened(t, jobs.Options{Limit: 3})
	for _, queue := range []string{jobs.Low, jobs.Default, jobs.Critical} {
		for i := range 3 {
			give(t, q, jobs.Hint{ID: fmt.Sprint(queue, i), Queue: queue})
		}
		if err := q.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: queue + " more", Queue: queue}); !errors.Is(err, jobs.ErrFull) {
			t.Errorf("a fourth hint in %s: %v", queue, err)
		}
	}
	if s := q.Stats(); s.Waiting != 9 || s.Dropped != 3 {
		t.Errorf("%+v", s)
	}
}

// Hints at rows that may be hinted at already go no further than a tenth of the
// room, and are no failures.
func repeatsLeftOut(t *testing.T, tg target) {
	q := tg.opened(t, jobs.Options{Limit: 30})
	for i := range 20 {
		give(t, q, jobs.Hint{ID: fmt.Sprint("again ", i), Repeat: true})
	}
	if s := q.Stats(); s.Waiting != 3 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
	give(t, q, jobs.Hint{ID: "new"})
	give(t, q, jobs.Hint{ID: "again", Queue: jobs.Critical, Repeat: true})
	if s := q.Stats(); s.Waiting != 5 {
		t.Errorf("%+v", s)
	}
}

// Of runs that Redis gives out, most are critical and fewest low, and none of
// the queues starves. The bounds lie five deviations from six, three and one in
// ten.
func TestQueuesInRedisShareByWeight(t *testing.T) {
	t.Parallel()
	run, ran := reporting()
	q := shared(t, testenv.Redis(t), jobs.Options{Concurrency: 1}, run)
	for i := range 250 {
		for _, queue := range []string{jobs.Low, jobs.Default, jobs.Critical} {
			give(t, q, jobs.Hint{ID: fmt.Sprint(queue, " ", i), Queue: queue})
		}
	}
	start(t, q)
	got := map[string]int{}
	for range 200 {
		got[strings.Fields(receive(t, ran))[0]]++
	}
	if c, d, l := got[jobs.Critical], got[jobs.Default], got[jobs.Low]; c < 85 || d < 28 || d > 92 || l < 1 || l > 41 {
		t.Errorf("of 200 runs %d are critical, %d default, %d low, want about 120, 60 and 20", c, d, l)
	}
}
