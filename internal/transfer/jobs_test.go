package transfer

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// A file whose parts have to be read back and whose key was destroyed is tried
// once: no further try finds the key. What a bucket refuses is tried again.
func TestOnlyWhatMaySucceedIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		shred bool
		runs  int64
	}{"key destroyed": {true, 1}, "bucket out of order": {false, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, memory(), testenv.Open(t, testenv.Database(t, db.EngineSQLite)))
			b := f.begin(t, LinkFields{})
			file := f.declareCut(t, b, "cut", 250, 100)
			f.faults.always(blob.OpComplete, blob.Before)
			f.putAll(t, b, file)
			f.clk.forward(time.Hour) // past leases, pauses and cached keys
			if tc.shred {
				f.faults.set(nil)
				f.exec(t, "UPDATE parts SET etag = 'of another attempt'")
				f.exec(t, "DELETE FROM file_keys")
			}
			if runs := f.runsOf(t, JobSeal, file.ID); runs != tc.runs {
				t.Errorf("%d runs, want %d", runs, tc.runs)
			}
		})
	}
}

// runsOf hints at a row and counts the runs of its job, of which there are three
// at most. Time passes between them.
func (f *fixture) runsOf(t *testing.T, kind, id string) int64 {
	t.Helper()
	var runs atomic.Int64
	q, err := jobs.OpenInProcess(jobs.Options{
		Jobs: f.Jobs(), MaxTries: 3, Backoff: func(int) time.Duration { f.clk.forward(time.Hour); return time.Millisecond },
		Observe: func(string, time.Duration, error) { runs.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), jobs.Hint{Kind: kind, ID: id}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		if s := q.Stats(); s.Waiting == 0 && s.Running == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it runs for ever")
		}
	}
	if err := q.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	return runs.Load()
}

// A chore of another package is done by one process at a time, and once in its
// period however many processes come for it.
func TestAlone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		other := f.serviceOn(f.db, f.store)
		runs := 0
		run := func(ctx context.Context) error {
			runs++
			return other.Alone(ctx, "test.chore", time.Minute, func(context.Context) error {
				t.Error("two at once")
				return nil
			})
		}
		for _, s := range []*Service{f.Service, other, f.Service} {
			if err := s.Alone(t.Context(), "test.chore", time.Minute, run); err != nil {
				t.Fatal(err)
			}
		}
		if runs != 1 {
			t.Errorf("%d runs in one period", runs)
		}
		f.clk.forward(time.Minute)
		if err := f.Alone(t.Context(), "test.chore", time.Minute, run); err != nil || runs != 2 {
			t.Errorf("%d runs in two periods, %v", runs, err)
		}
	})
}
