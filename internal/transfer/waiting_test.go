package transfer

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
)

func TestWaiting(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var hints []jobs.Hint
		f.enqueue = func(_ context.Context, h jobs.Hint) error {
			hints = append(hints, h)
			return nil
		}
		f.wantWaiting(t)
		b := f.begin(t, LinkFields{})
		cut := f.declareCut(t, b, "cut", 300, 100)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, cut) // its object cannot be made
		f.faults.set(nil)
		f.wantWaiting(t, Waiting{Kind: JobSeal, ID: cut.ID, AccountID: f.studio.ID, State: Sealing})
		f.exec(t, `UPDATE files SET due_at = $1 WHERE id = $2`, db.Micros(f.clock().Add(time.Hour)), cut.ID)
		hints = nil
		if err := f.HastenFile(t.Context(), cut.ID); err != nil {
			t.Fatal(err)
		}
		if due := f.number(t, `SELECT due_at FROM files`); due != f.micros() {
			t.Errorf("due in %v", time.Duration(due-f.micros())*time.Microsecond)
		}
		if want := []jobs.Hint{{Kind: JobSeal, ID: cut.ID}}; !slices.Equal(want, hints) {
			t.Errorf("hints %v, want %v", hints, want)
		}

		wantErr(t, "purge of a living transfer", f.HastenPurge(t.Context(), b.id), ErrNotFound)
		wantErr(t, "a file that there is not", f.HastenFile(t.Context(), b.id), ErrNotFound)
		if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
			t.Fatal(err)
		}
		if err := f.HastenPurge(t.Context(), b.id); err != nil {
			t.Error(err)
		}
		if last := hints[len(hints)-1]; last.Kind != JobPurgeTransfer || last.ID != b.id {
			t.Errorf("hint %+v", last)
		}
	})
}

// A file that somebody works on is due when the lease ends, not before.
func TestHastenLeavesLeasesAlone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 10)[0]
		later := db.Micros(f.clock().Add(time.Minute))
		f.exec(t, `UPDATE files SET due_at = $1, lease_until = $1, lease_owner = 'else' WHERE id = $2`, later, file.ID)
		if err := f.HastenFile(t.Context(), file.ID); err != nil {
			t.Fatal(err)
		}
		if due := f.number(t, `SELECT due_at FROM files`); due != later {
			t.Errorf("due at %d, want %d", due, later)
		}
	})
}

func (f *fixture) wantWaiting(t *testing.T, want ...Waiting) {
	t.Helper()
	got, err := f.Waiting(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Waiting{}, "Due"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
}
