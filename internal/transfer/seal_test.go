package transfer

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// TestLostReplies sends a whole and a cut file while one step of the bucket
// fails: not done, or done and its answer lost. The sender repeats what was not
// acknowledged, the sweep does the rest, and both files end stored and
// identical with nothing left beside them (I1, I2, I6).
func TestLostReplies(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		for _, op := range []blob.Op{blob.OpPut, blob.OpDelete, blob.OpCreateUpload, blob.OpPutPart, blob.OpComplete, blob.OpHead, blob.OpParts} {
			for _, when := range []blob.When{blob.Before, blob.After} {
				b := f.begin(t, LinkFields{})
				whole := f.declare(t, b, 100)[0]
				cut := f.declareCut(t, b, "cut", f.unit+50, f.unit)
				f.faults.once(op, when)
				for _, file := range []File{whole, cut} {
					for n := 1; n <= file.PartCount; n++ {
						f.insist(t, b, file, n)
					}
				}
				f.faults.set(nil)
				f.clk.forward(time.Minute)
				f.sweep(t)
				f.wantSame(t, whole)
				f.wantSame(t, cut)
				f.checkRows(t)
				f.complete(t, b)
			}
		}
		f.clk.forward(25 * time.Hour)
		f.sweep(t) // the first walk only reports
		f.clk.forward(2 * time.Hour)
		f.sweep(t)
		f.wantBucket(t, 28, 0)
	})
}

// insist sends a part until it is acknowledged, as a client does.
func (f *fixture) insist(t testing.TB, b begun, file File, n int) {
	t.Helper()
	for range 5 {
		_, err := put(t.Context(), f.Service, b.Access, file, n, partOf(file, n))
		if err == nil {
			return
		}
		if !errors.Is(err, ErrStorageUnavailable) {
			t.Fatalf("part %d of %s: %v", n, file.Path, err)
		}
	}
	t.Fatalf("part %d of %s is not taken", n, file.Path)
}

func TestShuffledParts(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		for seed := range uint64(5) {
			file := f.declareCut(t, b, "cut", 12_345, 1000)
			order := rand.New(rand.NewPCG(seed, 0)).Perm(file.PartCount)
			errs := at(file.PartCount, func(i int) error {
				_, err := put(t.Context(), f.Service, b.Access, file, order[i]+1, partOf(file, order[i]+1))
				return err
			})
			if n := good(t, errs); n != file.PartCount {
				t.Fatalf("%d parts count", n)
			}
			f.wantSame(t, file)
			if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// cutWithLoser is a cut file whose bucket holds, as its first part, another
// attempt than the recorded one. The second part, its last, is not sent yet.
func (f *fixture) cutWithLoser(t testing.TB, b begun, path string) (file File, held []byte) {
	t.Helper()
	unit := max(f.unit, 150_000) // a part of several segments
	file = f.declareCut(t, b, path, unit+50_000, unit)
	f.putSome(t, b, file, 1)
	row := f.row(t, file.ID)
	held = other(partOf(file, 1))
	f.attempt(t, row, 1, held)
	return row, held
}

// attempt puts a sealed part into the bucket past the service, as a request does
// whose transaction came too late.
func (f *fixture) attempt(t tester, row File, n int, body []byte) {
	t.Helper()
	key, err := f.accounts.FileKey(t.Context(), row.ID, row.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	format, err := row.sealFile()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.NewPartReader(key, format.Part(n), bytes.NewReader(body), seal.PartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	up := blob.Upload{Key: row.blobKey, ID: row.uploadID}
	if _, err := f.store.PutPart(t.Context(), up, n, sealed, sealed.Len()); err != nil {
		t.Fatal(err)
	}
}

// TestBucketHoldsAnotherAttempt: the rows follow the bucket, whose bytes are
// read back and authenticated, through a crash between any two steps (I1).
func TestBucketHoldsAnotherAttempt(t *testing.T) {
	t.Parallel()
	eachLastWins(t, func(t *testing.T, f *fixture) {
		for _, crash := range []struct {
			name string
			op   blob.Op
			when blob.When
			nth  int // call of the step that fails, and every one after it
		}{
			{name: "no crash"},
			{"before the list of parts", blob.OpParts, blob.Before, 1},
			{"before the second complete", blob.OpComplete, blob.Before, 2},
			{"after the second complete", blob.OpComplete, blob.After, 1},
			{"before the head", blob.OpHead, blob.Before, 1},
			{"before the read", blob.OpRange, blob.Before, 1},
			{"in the read", blob.OpRead, blob.Before, 3},
		} {
			b := f.begin(t, LinkFields{})
			file, held := f.cutWithLoser(t, b, "cut")
			f.faults.fromCall(crash.nth, crash.op, crash.when)
			if _, err := put(t.Context(), f.Service, b.Access, file, 2, partOf(file, 2)); err != nil {
				t.Fatalf("%s: last part: %v", crash.name, err)
			}
			if crash.op != "" {
				f.wantState(t, file, Sealing)
			}
			f.faults.set(nil)
			f.checkRows(t)
			f.Service = f.service() // another process finds what is left
			f.clk.forward(time.Hour)
			f.sweep(t)
			f.wantState(t, file, Stored)
			want := bytes.Clone(content(file))
			copy(want, held)
			if got := f.read(t, file.ID); !bytes.Equal(got, want) {
				t.Errorf("I1, %s: the file is not what the bucket held", crash.name)
			}
			if row := f.row(t, file.ID); *row.CRC32 != crcOf(want) {
				t.Errorf("I1, %s: CRC %08x, the bytes give %08x", crash.name, *row.CRC32, crcOf(want))
			}
			parts, _, err := f.Parts(t.Context(), b.Access, file.ID, Page{})
			if err != nil || len(parts) != 2 || parts[0].CRC32 != crcOf(held) {
				t.Errorf("%s: parts are %+v, %v", crash.name, parts, err)
			}
			_, err = put(t.Context(), f.Service, b.Access, file, 1, partOf(file, 1))
			wantErr(t, "the body that lost", err, ErrPartConflict)
		}
	})
}

// fromCall lets a step fail from its nth call on.
func (f *faults) fromCall(nth int, op blob.Op, when blob.When) {
	calls := 0
	f.set(func(o blob.Op, w blob.When) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o == op && w == when {
			if calls++; calls >= nth {
				return blob.ErrUnavailable
			}
		}
		return nil
	})
}

// TestRepeatWhileReadBack: while a part's row is marked its CRC is not known, so
// a repeat of it is neither equal nor different.
func TestRepeatWhileReadBack(t *testing.T) {
	t.Parallel()
	eachLastWins(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file, _ := f.cutWithLoser(t, b, "cut")
		f.faults.always(blob.OpRange, blob.Before)
		f.putSome(t, b, file, 2)
		_, err := put(t.Context(), f.Service, b.Access, file, 1, partOf(file, 1))
		wantErr(t, "repeat of a marked part", err, ErrStorageUnavailable)
		err = f.completeErr(t, b)
		wantErr(t, "complete while sealing", err, ErrStillSealing)
		if again, ok := errors.AsType[*SealingError](err); !ok || again.RetryAfter <= 0 {
			t.Errorf("no time to come again: %v", err)
		}
	})
}

// completeErr is the error of completing.
func (f *fixture) completeErr(t testing.TB, b begun) error {
	t.Helper()
	_, err := f.CompleteTransfer(t.Context(), b.Access, b.id, b.token, guest)
	return err
}

// TestHeldPartDoesNotAuthenticate: what the bucket holds under a part's number
// has the right length and wrong bytes. It is never stored (I3), and one bad read
// is not believed: only after looks that agree for a day the file's parts are asked
// for again.
func TestHeldPartDoesNotAuthenticate(t *testing.T) {
	t.Parallel()
	eachLastWins(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		f.putSome(t, b, file, 1)
		row := f.row(t, file.ID)
		up := blob.Upload{Key: row.blobKey, ID: row.uploadID}
		noise := bytes.Repeat([]byte{1}, int(seal.SealedLen(f.unit)))
		if _, err := f.store.PutPart(t.Context(), up, 1, bytes.NewReader(noise), int64(len(noise))); err != nil {
			t.Fatal(err)
		}
		f.putSome(t, b, file, 2)
		for range 24 {
			f.wantState(t, file, Sealing)
			f.clk.forward(time.Hour)
			f.look(t)
		}
		f.wantState(t, file, Receiving)
		if n := f.events(t, "file_lost"); n != 1 {
			t.Errorf("%d events tell of it, want 1", n)
		}
		f.putAll(t, b, file)
		f.wantSame(t, file)
	})
}

// TestHeldPartOfAnotherLength can be nothing that we sealed: the file waits.
func TestHeldPartOfAnotherLength(t *testing.T) {
	t.Parallel()
	eachLastWins(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		f.putSome(t, b, file, 1)
		row := f.row(t, file.ID)
		up := blob.Upload{Key: row.blobKey, ID: row.uploadID}
		if _, err := f.store.PutPart(t.Context(), up, 1, bytes.NewReader([]byte("short")), 5); err != nil {
			t.Fatal(err)
		}
		f.putSome(t, b, file, 2)
		f.wantState(t, file, Sealing)
		f.clk.forward(25 * time.Hour)
		for range 4 {
			_ = f.Sweep(t.Context()) // it tells that the file still waits
			f.clk.forward(2 * time.Hour)
		}
		f.wantState(t, file, Receiving)
		f.putAll(t, b, file)
		f.wantSame(t, file)
	})
}

// TestRefusedETagsBesideTheWholeObject: some buckets let a part that arrives
// while they complete open the upload again, with that part alone in it. The
// object made before it counts, and nothing is taken for lost.
func TestRefusedETagsBesideTheWholeObject(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op == blob.OpComplete && when == blob.After {
				return blob.ErrPartMismatch
			}
			return nil
		})
		f.putAll(t, b, file)
		f.wantState(t, file, Stored)
		f.faults.set(nil)
		f.wantSame(t, file)
		f.wantBorne(t, file.Size, 0)
	})
}

// TestObjectSeenLate: the bucket made the object, refused the ETags all the same
// and shows neither object nor upload at once. The next look finds the file
// whole, with its CRC.
func TestObjectSeenLate(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		var looked atomic.Bool
		f.faults.set(func(op blob.Op, when blob.When) error {
			switch {
			case op == blob.OpComplete && when == blob.After:
				return blob.ErrPartMismatch
			case op == blob.OpHead && when == blob.Before && !looked.Swap(true):
				return blob.ErrNotFound
			}
			return nil
		})
		f.putAll(t, b, file)
		f.faults.set(nil)
		f.checkRows(t)
		f.clk.forward(time.Minute)
		f.sweep(t)
		f.wantState(t, file, Stored)
		f.checkRows(t)
		f.wantSame(t, file)
	})
}

// TestLease: one process completes a file at a time; another takes over when
// the lease has ended.
func TestLease(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		f.putSome(t, b, file, 1)
		first, second := f.Service, f.service()
		f.faults.always(blob.OpComplete, blob.Before)
		f.putSome(t, b, file, 2)
		f.clk.forward(time.Minute)
		if _, err := first.leaseFile(t.Context(), file.ID); err != nil {
			t.Fatalf("lease: %v", err)
		}
		f.faults.set(nil)
		if state, err := second.completeFile(t.Context(), file.ID); err != nil || state != Sealing {
			t.Errorf("beside a lease the other leaves it %s, %v", state, err)
		}
		if err := second.renewLease(t.Context(), file); err == nil {
			t.Error("the other renewed a lease that is not its own")
		}
		f.clk.forward(first.set.Lease - time.Second)
		if state, err := second.completeFile(t.Context(), file.ID); err != nil || state != Sealing {
			t.Errorf("before the lease ends the other leaves it %s, %v", state, err)
		}
		f.clk.forward(time.Second)
		if state, err := second.completeFile(t.Context(), file.ID); err != nil || state != Stored {
			t.Errorf("after the lease the other leaves it %s, %v", state, err)
		}
		// The first wakes up and goes on: its lease is gone and nothing changes.
		if err := first.settleFile(t.Context(), file, nil); err != nil {
			t.Errorf("the first settles a file that another had stored: %v", err)
		}
		if row := f.row(t, file.ID); row.CRC32 == nil || *row.CRC32 != crcOf(content(file)) {
			t.Errorf("the first changed the CRC to %v", row.CRC32)
		}
		f.wantSame(t, file)
		f.wantBorne(t, file.Size, 0)
	})
}

// TestTwentyCompletionsAtOnce of one file, by as many processes.
func TestTwentyCompletionsAtOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", f.unit+50, f.unit)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, file)
		f.faults.set(nil)
		f.clk.forward(time.Hour)
		errs := at(20, func(int) error {
			_, err := f.service().completeFile(t.Context(), file.ID)
			return err
		})
		good(t, errs)
		f.wantSame(t, file)
		f.wantBorne(t, file.Size, 0)
	})
}
