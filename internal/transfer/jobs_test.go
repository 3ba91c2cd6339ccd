package transfer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// queue keeps the hints it is given, or loses them all.
type queue struct {
	mu    sync.Mutex
	hints []jobs.Hint
	lost  error
}

func (q *queue) take(_ context.Context, h jobs.Hint) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost == nil {
		q.hints = append(q.hints, h)
	}
	return q.lost
}

// drain runs each hint twice, as a queue of at-least-once may.
func (q *queue) drain(t *testing.T, s *Service) (kinds []string) {
	t.Helper()
	q.mu.Lock()
	hints := q.hints
	q.hints = nil
	q.mu.Unlock()
	for _, h := range hints {
		kinds = append(kinds, h.Kind)
		for _, j := range s.Jobs() {
			if j.Kind != h.Kind {
				continue
			}
			for range 2 {
				if err := j.Run(t.Context(), h.ID); err != nil {
					t.Errorf("%s: %v", h.Kind, err)
				}
			}
		}
	}
	slices.Sort(kinds)
	return kinds
}

// TestHints: each state change is followed by a hint of the work it makes, the
// job does that work, and a second run of it changes nothing.
func TestHints(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		q := &queue{}
		f.Service.enqueue = q.take
		b := f.begin(t, LinkFields{})
		cut := f.declareCut(t, b, "cut", 30, 10)
		gone := f.declare(t, b, 5)[0]
		f.putAll(t, b, gone)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, cut)
		f.faults.set(nil)
		f.clk.forward(time.Minute)
		if err := f.DeleteFile(t.Context(), b.Access, gone.ID); err != nil {
			t.Fatal(err)
		}
		if got := q.drain(t, f.Service); !slices.Equal(got, []string{JobPurgeFile, JobSeal}) {
			t.Errorf("hints of a file to seal and one to purge: %v", got)
		}
		f.wantState(t, cut, Stored)
		f.wantBucket(t, 1, 0)
		f.complete(t, b)
		if got := q.drain(t, f.Service); !slices.Equal(got, []string{mail.JobDeliver, mail.JobDeliver}) {
			t.Errorf("hints of a completion: %v", got)
		}
		ended := f.begin(t, LinkFields{})
		f.declare(t, ended, 5)
		if err := f.AbortTransfer(t.Context(), ended.Access, ended.id, guest); err != nil {
			t.Fatal(err)
		}
		if got := q.drain(t, f.Service); !slices.Equal(got, []string{JobPurgeTransfer}) {
			t.Errorf("hints of an abort: %v", got)
		}
		f.wantTransfer(t, ended.id, Aborted)
	})
}

// TestQueueLosesEverything: the rows alone bring the work to its end.
func TestQueueLosesEverything(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		q := &queue{lost: errors.New("the queue is gone")}
		f.Service.enqueue = q.take
		b := f.begin(t, LinkFields{})
		cut := f.declareCut(t, b, "cut", 30, 10)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, cut)
		f.faults.set(nil)
		wantErr(t, "complete with a file that waits", f.completeErr(t, b), ErrStillSealing)
		f.clk.forward(time.Minute)
		q.lost = nil
		f.sweep(t)
		if got := q.drain(t, f.Service); !slices.Equal(got, []string{JobSeal}) {
			t.Errorf("the sweep hints at %v", got)
		}
		f.complete(t, b)
		f.wantSame(t, cut)
	})
}

// TestDeleteFileManyTimesAtOnce gives its bytes back once.
func TestDeleteFileManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		for range 5 {
			files := f.declare(t, b, 10, 20)
			f.putAll(t, b, files[0])
			errs := at(12, func(i int) error { return f.DeleteFile(t.Context(), b.Access, files[i%2].ID) })
			if n := good(t, errs); n != 12 {
				t.Errorf("%d of 12 deletes went well", n)
			}
			f.wantBorne(t, 0, 0)
		}
		if n := f.events(t, "file_deleted"); n != 10 {
			t.Errorf("%d events tell of 10 deletes", n)
		}
	})
}

// TestPartUploadTells what the web layer needs to know before the body.
func TestPartUploadTells(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 10)[0]
		for _, recorded := range []string{"false", "true"} {
			u, err := f.BeginPart(t.Context(), b.Access, file.ID, 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			if u.TransferID() != b.id || u.Recorded() != (recorded == "true") {
				t.Errorf("transfer %s, recorded %v", u.TransferID(), u.Recorded())
			}
			f.putAll(t, b, file)
		}
	})
}
