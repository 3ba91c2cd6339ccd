package transfer

import (
	"errors"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// TestUndeletableHoldsNothingUp: the bucket keeps some objects under a lock, more
// than a step of the sweep takes. They keep their rows, are asked for less and
// less often, and stop neither the rest of their own transfer nor any other; when
// the lock ends, all goes.
func TestUndeletableHoldsNothingUp(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		locked := map[int]bool{}
		refusals, call, lock := 0, 0, false
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op != blob.OpDelete || when != blob.Before || !lock {
				return nil
			}
			if call++; locked[call] {
				refusals++
				return blob.ErrDenied
			}
			return nil
		})
		b, live := f.begin(t, LinkFields{}), f.begin(t, LinkFields{})
		files := f.declare(t, b, 1, 2, 3, 4, 5)
		f.putAll(t, b, files...)
		if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
			t.Fatal(err)
		}
		lock, locked = true, map[int]bool{2: true, 4: true}
		err := f.purgeTransfer(t.Context(), b.id)
		wantErr(t, "a purge beside a lock", err, blob.ErrDenied)
		f.wantBucket(t, 2, 0)
		if n := f.number(t, "SELECT COUNT(*) FROM files"); n != 2 {
			t.Errorf("%d rows are left of two objects under a lock", n)
		}
		// Files that a guest deleted: so many that a step takes none but these.
		gone := f.declare(t, live, 1)[0]
		f.putAll(t, live, gone)
		if err := f.DeleteFile(t.Context(), live.Access, gone.ID); err != nil {
			t.Fatal(err)
		}
		locked = map[int]bool{}
		for i := range 1000 {
			locked[i+1] = true
		}
		call, refusals = 0, 0
		for range 24 * 60 {
			f.clk.forward(time.Minute)
			_ = f.Sweep(t.Context())
		}
		if refusals < 20 || refusals > 200 {
			t.Errorf("%d tries of what is under a lock in a day of sweeps", refusals)
		}
		if w, err := f.Waiting(t.Context(), 10); err != nil || len(w) != 2 {
			t.Errorf("%+v wait, %v; want the purge and the file", w, err)
		}
		lock = false
		if err := errors.Join(f.HastenPurge(t.Context(), b.id), f.HastenFile(t.Context(), gone.ID)); err != nil {
			t.Error(err)
		}
		f.sweep(t)
		f.wantBucket(t, 0, 0)
		if n := f.number(t, "SELECT COUNT(*) FROM files WHERE due_at IS NOT NULL OR transfer_id = $1", b.id); n != 0 {
			t.Errorf("%d files still wait", n)
		}
	})
}

// TestFailedPurgesGiveWay: purges that fail are behind those that did not yet, so
// that a full step of them stops nothing.
func TestFailedPurgesGiveWay(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		var ids []string
		for range 3 {
			file := f.declare(t, b, 1)[0]
			f.putAll(t, b, file)
			if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, file.ID)
			f.clk.forward(time.Millisecond)
		}
		due := func() []string {
			t.Helper()
			found, err := queryAll(t.Context(), f.db, scanOne[string], deletedDue, f.micros(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		f.faults.always(blob.OpDelete, blob.Before)
		for _, id := range ids {
			if got := due(); len(got) != 1 || got[0] != id {
				t.Errorf("%v is first, want %s", got, id)
			}
			wantErr(t, "purge", f.purgeFile(t.Context(), id), ErrStorageUnavailable)
		}
		if got := due(); len(got) != 0 {
			t.Errorf("%v is tried again at once", got)
		}
		f.faults.set(nil)
		f.clk.forward(time.Minute)
		f.sweep(t)
		f.wantBucket(t, 0, 0)
	})
}
