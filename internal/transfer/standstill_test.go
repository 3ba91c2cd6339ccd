package transfer

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// TestWakesUpAfterItsLease: a process stands still at any step of a repair for
// longer than its lease. Another repairs and stores the file meanwhile; what the
// first then still does, before it dies, changes nothing (I1, I2).
func TestWakesUpAfterItsLease(t *testing.T) {
	t.Parallel()
	eachLastWins(t, func(t *testing.T, f *fixture) {
		for _, still := range []struct {
			op   blob.Op
			when blob.When
			nth  int64
		}{
			{blob.OpComplete, blob.Before, 1},
			{blob.OpComplete, blob.After, 1},
			{blob.OpHead, blob.After, 1},
			{blob.OpParts, blob.Before, 1},
			{blob.OpParts, blob.After, 1},
			{blob.OpParts, blob.After, 2}, // the empty page
			{blob.OpComplete, blob.Before, 2},
			{blob.OpHead, blob.Before, 2},
			{blob.OpRange, blob.Before, 1},
			{blob.OpRange, blob.After, 1},
		} {
			b := f.begin(t, LinkFields{})
			file, held := f.cutWithLoser(t, b, "cut")
			f.faults.always(blob.OpComplete, blob.Before)
			f.putSome(t, b, file, 2)
			f.clk.forward(time.Minute)
			f.standStill(t, file, still.op, still.when, still.nth)
			_, _ = f.service().completeFile(t.Context(), file.ID) // however it ends
			f.faults.set(nil)
			f.wantState(t, file, Stored)
			f.checkRows(t)
			want := bytes.Clone(content(file))
			copy(want, held)
			if got := f.read(t, file.ID); !bytes.Equal(got, want) {
				t.Errorf("I1, %s %v: the file is not what the bucket held", still.op, still.when)
			}
			if n := f.events(t, "file_lost"); n != 0 {
				t.Errorf("%s %v: %d events tell of a loss", still.op, still.when, n)
			}
		}
	})
}

// standStill lets the process that comes to a step for the nth time stand still
// there until another has completed the file. From then on reading fails, so
// that it cannot set right what it does late.
func (f *fixture) standStill(t *testing.T, file File, op blob.Op, when blob.When, nth int64) {
	var calls atomic.Int64
	var other atomic.Bool
	f.faults.set(func(o blob.Op, w blob.When) error {
		if other.Load() || o != op || w != when || calls.Add(1) != nth {
			return nil
		}
		other.Store(true)
		f.clk.forward(f.set.Lease + time.Second)
		if state, err := f.service().completeFile(t.Context(), file.ID); err != nil || state != Stored {
			t.Errorf("%s %v: the other left the file %s: %v", op, when, state, err)
		}
		f.faults.always(blob.OpRange, blob.Before)
		return nil
	})
}
