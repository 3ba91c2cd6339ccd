package transfer

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// TestPurgeOrder proves I8: stopped at its first blob, a purge has ended the
// reads and shredded every key, and no row is gone yet. It goes on from there.
func TestPurgeOrder(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		for _, op := range []blob.Op{blob.OpAbort, blob.OpDelete} {
			for _, when := range []blob.When{blob.Before, blob.After} {
				b := f.begin(t, LinkFields{})
				files := f.declare(t, b, 100, 200, 300)
				cut := f.declareCut(t, b, "cut", f.unit+50, f.unit)
				f.putAll(t, b, files...)
				f.putSome(t, b, cut, 1)
				if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
					t.Fatal(err)
				}
				f.faults.once(op, when)
				wantErr(t, "I8: a purge that is stopped", f.purgeTransfer(t.Context(), b.id), ErrStorageUnavailable)
				f.faults.set(nil)
				f.wantTransfer(t, b.id, Aborted)
				if n := f.number(t, "SELECT COUNT(*) FROM file_keys"); n != 0 {
					t.Errorf("I8: %d keys outlive the first blob", n)
				}
				rows := f.number(t, "SELECT COUNT(*) FROM files")
				if objects, uploads := f.bucket(t); int(rows) < len(objects)+len(uploads) {
					t.Errorf("I8: %d rows for %d objects and %d uploads", rows, len(objects), len(uploads))
				}
				_, err := f.OpenFile(t.Context(), f.own(), files[0].ID)
				wantErr(t, "I8: read during a purge", err, ErrFileMissing)
				f.clk.forward(leastPutOff)
				if err := f.service().purgeTransfer(t.Context(), b.id); err != nil {
					t.Errorf("go on with the purge: %v", err)
				}
				f.wantBucket(t, 0, 0)
				for _, table := range []string{"files", "parts"} {
					if n := f.number(t, "SELECT COUNT(*) FROM "+table); n != 0 {
						t.Errorf("%d rows are left in %s", n, table)
					}
				}
				if err := f.purgeTransfer(t.Context(), b.id); err != nil {
					t.Errorf("purge again: %v", err)
				}
			}
		}
		if n := f.events(t, "transfer_purged"); n != 4 {
			t.Errorf("%d events tell of four purges", n)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM transfers WHERE sender_email <> ''"); n != 0 {
			t.Errorf("%d purged transfers still name their sender", n)
		}
	})
}

// TestPurgeOnlyWhatEnded: the job does nothing to what has not ended, or whose
// delete can still be undone.
func TestPurgeOnlyWhatEnded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 10)[0]
		f.putAll(t, b, file)
		never := func() {
			t.Helper()
			if err := errors.Join(f.purgeTransfer(t.Context(), b.id), f.purgeFile(t.Context(), file.ID), f.purgeTransfer(t.Context(), "nonsense")); err != nil {
				t.Error(err)
			}
			f.wantBucket(t, 1, 0)
		}
		never()
		f.complete(t, b)
		never()
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(24*time.Hour - time.Second)
		f.sweep(t)
		never()
		if _, err := f.RestoreTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		f.wantSame(t, file)
	})
}

// TestPurgeFileOnItsWay: the purge of a file is stopped at each step and goes on.
func TestPurgeFileOnItsWay(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		for _, op := range []blob.Op{blob.OpAbort, blob.OpDelete} {
			for _, when := range []blob.When{blob.Before, blob.After} {
				file := f.declareCut(t, b, "cut", 2*f.unit, f.unit)
				f.putSome(t, b, file, 1)
				if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
					t.Fatal(err)
				}
				f.faults.once(op, when)
				wantErr(t, "sweep", f.Sweep(t.Context()), ErrStorageUnavailable)
				f.faults.set(nil)
				if n := f.number(t, "SELECT COUNT(*) FROM file_keys"); n != 0 {
					t.Errorf("%d keys outlive the blob", n)
				}
				f.clk.forward(leastPutOff)
				f.sweep(t)
				f.wantBucket(t, 0, 0)
			}
		}
		if n := f.number(t, "SELECT COUNT(*) FROM files WHERE due_at IS NOT NULL OR blob_key IS NOT NULL"); n != 0 {
			t.Errorf("%d deleted files still wait", n)
		}
	})
}

// TestSealingFileOfAnEndedTransfer: its parts were all there and its object was
// not when the transfer ended. Neither is left after the purge, in whatever
// order completion and purge come.
func TestSealingFileOfAnEndedTransfer(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		for _, completeFirst := range []int{0, 1} {
			b := f.begin(t, LinkFields{})
			file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
			f.faults.always(blob.OpComplete, blob.Before)
			f.putAll(t, b, file)
			f.faults.set(nil)
			f.clk.forward(time.Minute)
			if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
				t.Fatal(err)
			}
			if completeFirst == 1 {
				if _, err := f.completeFile(t.Context(), file.ID); err != nil {
					t.Fatal(err)
				}
				f.wantState(t, file, Sealing)
				f.wantBucket(t, 1, 0)
			}
			f.wantBorne(t, 0, 0)
			if err := f.purgeTransfer(t.Context(), b.id); err != nil {
				t.Fatal(err)
			}
			f.wantBucket(t, 0, 0)
			_, err := f.completeFile(t.Context(), file.ID)
			wantErr(t, "complete what was purged", err, ErrFileMissing)
		}
	})
}

// TestPurgeBesideAPart: a part's blob arrives just when the purge has taken its
// file. It is deleted by whoever sent it.
func TestPurgeBesideAPart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 100)[0]
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op != blob.OpPut || when != blob.After {
				return nil
			}
			return errors.Join(f.AbortTransfer(t.Context(), b.Access, b.id, guest), f.purgeTransfer(t.Context(), b.id))
		})
		_, err := put(t.Context(), f.Service, b.Access, file, 1, partOf(file, 1))
		if !isAny(err, ErrFileMissing, ErrTransferMissing) {
			t.Errorf("part of a file that was purged meanwhile: %v", err)
		}
		f.wantBucket(t, 0, 0)
	})
}

// TestOrphans proves I6 for what no row knows: the first walk only reports, the
// second deletes what is older than the grace, and what rows know stays.
func TestOrphans(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		whole := f.declare(t, b, 100)[0]
		cut := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		done := f.declareCut(t, b, "done", f.unit+50, f.unit)
		f.putAll(t, b, whole, done)
		f.putSome(t, b, cut, 1)
		orphan := func() blob.Upload {
			t.Helper()
			key, err := f.newKey(f.studio.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.store.Put(t.Context(), key, bytes.NewReader([]byte("orphan")), 6); err != nil {
				t.Fatal(err)
			}
			if key, err = f.newKey(f.studio.ID); err != nil {
				t.Fatal(err)
			}
			id, err := f.store.CreateUpload(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return blob.Upload{Key: key, ID: id}
		}
		orphan()
		// A second upload to a key that a row knows, as a lost reply leaves.
		row := f.row(t, cut.ID)
		if _, err := f.store.CreateUpload(t.Context(), row.blobKey); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(25 * time.Hour)
		f.wantBucket(t, 3, 3)
		f.sweep(t)
		f.wantBucket(t, 3, 3) // reported only
		var young blob.Upload
		if !f.ownClock { // by which nothing here is younger than a day
			young = orphan()
		}
		f.sweep(t)
		if !f.ownClock {
			f.wantBucket(t, 4, 4) // the pause between two walks
		}
		f.clk.forward(2 * time.Hour)
		f.faults.once(blob.OpDelete, blob.After)
		wantErr(t, "a sweep whose delete got no answer", f.Sweep(t.Context()), ErrStorageUnavailable)
		f.faults.set(nil)
		f.sweep(t) // goes on where it stood
		if f.ownClock {
			f.wantBucket(t, 2, 1)
		} else if f.wantBucket(t, 3, 2); young.ID == "" {
			t.Error("there is no young upload")
		} else if _, err := f.store.Parts(t.Context(), young, 0, 0); err != nil {
			t.Errorf("I6: an upload younger than the grace is gone: %v", err)
		}
		f.putSome(t, b, cut, 2)
		for _, file := range []File{whole, cut, done} {
			f.wantSame(t, file)
		}
		f.clk.forward(25 * time.Hour)
		f.sweep(t)
		f.clk.forward(2 * time.Hour)
		f.sweep(t)
		f.wantBucket(t, 3, 0)
	})
}

// TestSweepIsOneAtATime: a second process leaves a sweep that runs alone.
func TestSweepIsOneAtATime(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
			t.Fatal(err)
		}
		if ok, err := f.service().leaseChore(t.Context(), choreSweep); err != nil || !ok {
			t.Fatalf("lease: %v, %v", ok, err)
		}
		f.sweep(t)
		f.wantTransfer(t, b.id, Aborted)
		f.clk.forward(sweepLease) // the other has crashed
		f.sweep(t)
		if n := f.number(t, "SELECT COUNT(*) FROM transfers WHERE purge_at IS NOT NULL"); n != 0 {
			t.Errorf("%d transfers still wait for their purge", n)
		}
	})
}

// TestExpiryBesideAPart: while a part is on its way its transfer's time ends and
// the sweep comes by.
func TestExpiryBesideAPart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		f.putSome(t, b, file, 1)
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op == blob.OpPutPart && when == blob.After {
				f.clk.forward(7 * 24 * time.Hour)
				return f.Sweep(t.Context())
			}
			return nil
		})
		_, err := put(t.Context(), f.Service, b.Access, file, 2, partOf(file, 2))
		if !isAny(err, ErrTransferExpired, ErrFileMissing) {
			t.Errorf("part of a transfer that expired meanwhile: %v", err)
		}
		f.faults.set(nil)
		f.sweep(t)
		f.wantTransfer(t, b.id, Expired)
		f.wantBucket(t, 0, 0)
		f.wantBorne(t, 0, 0)
	})
}
