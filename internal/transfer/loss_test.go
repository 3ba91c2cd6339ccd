package transfer

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// look lets a sweep look at a file that waits; it tells that it still waits.
func (f *fixture) look(t testing.TB) {
	t.Helper()
	if err := f.Sweep(t.Context()); err != nil && !isAny(err, ErrStorageUnavailable, ErrDamaged) {
		t.Fatalf("sweep: %v", err)
	}
}

// TestLostUpload: a bucket that denies an upload is not believed before looks
// have agreed for a day. Then the parts are asked for again, and the file ends
// identical.
func TestLostUpload(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		for _, lapsed := range []int64{0, 1} {
			b := f.begin(t, LinkFields{})
			file := f.declareCut(t, b, "cut", 2*f.unit+100, f.unit)
			f.putSome(t, b, file, 1, 3)
			row := f.row(t, file.ID)
			if err := f.store.Abort(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}); err != nil {
				t.Fatal(err)
			}
			_, err := put(t.Context(), f.Service, b.Access, file, 2, partOf(file, 2))
			wantErr(t, "part of a lost upload", err, ErrStorageUnavailable)
			for range 30 {
				f.look(t)
				if got := f.row(t, file.ID); got.uploadGen != 1 || got.partsStored != 2 {
					t.Fatalf("given up too early: %+v", got)
				}
				if lapsed == 0 { // keeps the reservation from lapsing
					f.exec(t, "UPDATE transfers SET last_part_at = $1", f.micros())
				}
				f.clk.forward(47 * time.Minute)
			}
			for range 4 {
				f.clk.forward(time.Hour)
				f.look(t)
			}
			got := f.row(t, file.ID)
			if got.uploadGen != 2 || got.partsStored != 0 || got.State != Receiving {
				t.Errorf("after a day the file is %+v", got)
			}
			if r, err := f.File(t.Context(), b.Access, file.ID); err != nil || len(r.Received) != 0 {
				t.Errorf("parts %v are not asked for again: %v", r.Received, err)
			}
			if n := f.events(t, "file_lost"); n != lapsed+1 {
				t.Errorf("%d events tell of it, want %d", n, lapsed+1)
			}
			f.checkRows(t)
			f.putAll(t, b, file)
			f.wantSame(t, file)
			f.complete(t, b)
		}
	})
}

// TestLostWhileSealing: all parts were acknowledged and the bucket lost the
// upload before it made the object.
func TestLostWhileSealing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 2*f.unit+100, f.unit)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, file)
		f.faults.set(nil)
		row := f.row(t, file.ID)
		if err := f.store.Abort(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			f.clk.forward(47 * time.Minute)
			f.look(t)
			f.wantState(t, file, Sealing)
		}
		wantErr(t, "complete with a file that waits", f.completeErr(t, b), ErrStillSealing)
		for range 4 {
			f.clk.forward(time.Hour)
			f.look(t)
		}
		f.wantState(t, file, Receiving)
		wantErr(t, "complete with a file that is due again", f.completeErr(t, b), ErrTransferIncomplete)
		f.putAll(t, b, file)
		f.wantSame(t, file)
	})
}

// TestFoundAgain: a bucket that was briefly another one, or inconsistent, loses
// nothing, and the looks begin anew at the next denial.
func TestFoundAgain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 2*f.unit+100, f.unit)
		f.putSome(t, b, file, 1)
		hidden := true
		f.faults.set(func(op blob.Op, when blob.When) error {
			if hidden && when == blob.Before && (op == blob.OpParts || op == blob.OpPutPart) {
				return blob.ErrUploadNotFound
			}
			return nil
		})
		deny := func() {
			t.Helper()
			_, err := put(t.Context(), f.Service, b.Access, file, 2, partOf(file, 2))
			wantErr(t, "part while the bucket denies the upload", err, ErrStorageUnavailable)
		}
		deny()
		for range 23 {
			f.clk.forward(time.Hour)
			f.look(t)
		}
		if looks := f.row(t, file.ID).looks; looks < 3 {
			t.Errorf("%d looks in a day", looks)
		}
		hidden = false
		f.clk.forward(2 * time.Hour)
		f.look(t)
		if n := f.number(t, "SELECT COUNT(*) FROM files WHERE lost_since IS NOT NULL OR looks > 0 OR due_at IS NOT NULL"); n != 0 {
			t.Error("the file is still in doubt")
		}
		hidden = true
		deny()
		f.clk.forward(2 * time.Hour)
		f.look(t)
		hidden = false
		f.putSome(t, b, file, 2, 3) // found again by a part, without a look
		f.wantSame(t, file)
		if n := f.events(t, "file_lost"); n != 0 {
			t.Errorf("%d events tell of a loss", n)
		}
	})
}

// TestLateUploadOfLostGeneration: a part that went to the upload given up does
// not count for the new one.
func TestLateUploadOfLostGeneration(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 2*f.unit+100, f.unit)
		f.putSome(t, b, file, 1)
		late := false
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op != blob.OpPutPart || when != blob.After || late {
				return nil
			}
			late = true
			row := f.row(t, file.ID)
			f.exec(t, "UPDATE files SET lease_owner = $2, lease_until = $3 WHERE id = $1", row.ID, f.owner, f.micros())
			return f.newGeneration(context.Background(), row)
		})
		_, err := put(t.Context(), f.Service, b.Access, file, 2, partOf(file, 2))
		wantErr(t, "part of the generation given up", err, ErrStorageUnavailable)
		if got := f.row(t, file.ID); got.partsStored != 0 || got.uploadGen != 2 {
			t.Errorf("the file is %+v", got)
		}
		f.putAll(t, b, file)
		f.wantSame(t, file)
	})
}

// TestOneBadReadLosesNothing: reading a part back gives a flipped byte once. The
// next look reads what is there, and the file is stored with every part that was
// acknowledged (I1).
func TestOneBadReadLosesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 2*f.unit+50, f.unit)
		f.putSome(t, b, file, 1, 2)
		f.exec(t, "UPDATE parts SET crc32 = -1 WHERE number = 2") // as a repair that was cut leaves it
		f.faults.always(blob.OpComplete, blob.Before)
		f.putSome(t, b, file, 3)
		f.faults.set(nil)
		row := f.row(t, file.ID)
		var refs []blob.PartRef
		parts, err := queryAll(t.Context(), f.db, scanPartRow, partsOfFile, file.ID)
		if err != nil {
			t.Fatal(err)
		}
		refs = refsOf(parts)
		if err := f.store.Complete(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}, refs); err != nil {
			t.Fatal(err)
		}
		right := f.take(t, file)
		f.lay(t, file, flipAt(int(seal.SealedLen(f.unit))+seal.HeaderSize)(bytes.Clone(right)))
		f.clk.forward(time.Minute)
		f.look(t)
		f.wantState(t, file, Sealing)
		if err := f.store.Delete(t.Context(), row.blobKey); err != nil {
			t.Fatal(err)
		}
		f.lay(t, file, right)
		f.clk.forward(time.Hour)
		f.sweep(t)
		f.wantState(t, file, Stored)
		f.wantSame(t, file)
		if n := f.events(t, "file_lost"); n != 0 {
			t.Errorf("%d events tell of a loss", n)
		}
	})
}
