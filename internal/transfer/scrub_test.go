package transfer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// scrubNow scrubs by hand and gives the ids of files that are damaged or missing.
func (f *fixture) scrubNow(t tester, o ScrubOptions) (seen Scrubbed, wrong, gone []string) {
	t.Helper()
	f.clk.forward(time.Second)
	o.Damaged = func(d ScrubDamage) {
		if d.Missing {
			gone = append(gone, d.FileID)
		} else {
			wrong = append(wrong, d.FileID)
		}
	}
	seen, err := f.ScrubNow(t.Context(), o)
	if err != nil {
		t.Fatalf("scrub: %v", err)
	}
	return seen, wrong, gone
}

// flip changes one byte of a file's object, from the end if at is below 0, and
// gives the object as it was.
func (f *fixture) flip(t tester, file File, at int) (before []byte) {
	t.Helper()
	before = f.take(t, file)
	changed := slices.Clone(before)
	changed[(at+len(changed))%len(changed)] ^= 1
	f.lay(t, file, changed)
	return before
}

// TestScrubFindsDamage: a changed byte of a header, of content or of a tag, in
// any part and on every store, once; and a file that is as it was is whole again.
func TestScrubFindsDamage(t *testing.T) {
	t.Parallel()
	eachStore(t, scrubFindsDamage)
}

func scrubFindsDamage(t *testing.T, f *fixture) {
	b := f.begin(t, LinkFields{})
	files := f.declare(t, b, 0, 10, 20_000, 300_000, 11*mib)
	f.putAll(t, b, files...)
	f.complete(t, b)
	if seen, wrong, gone := f.scrubNow(t, ScrubOptions{}); seen.Files != 4 || seen.Total != 4 || len(wrong)+len(gone) > 0 {
		t.Errorf("all is whole, and it saw %+v, %v, %v", seen, wrong, gone)
	}
	places := []int{0, 3, 39, 41, -1, -16, -20}
	for i, at := range places {
		file := files[1+i%4]
		before := f.flip(t, file, at)
		for range 2 {
			seen, wrong, gone := f.scrubNow(t, ScrubOptions{TransferID: b.id, AccountID: f.studio.ID})
			if !slices.Equal(wrong, []string{file.ID}) || len(gone) > 0 || seen.Files != 3 || seen.Damaged != 1 {
				t.Errorf("byte %d of a file of %d: %+v, changed %v, missing %v", at, file.Size, seen, wrong, gone)
			}
		}
		f.wantState(t, file, Damaged)
		if err := f.store.Delete(t.Context(), f.row(t, file.ID).blobKey); err != nil {
			t.Fatal(err)
		}
		f.lay(t, file, before)
		if seen, wrong, _ := f.scrubNow(t, ScrubOptions{}); seen.Recovered != 1 || len(wrong) > 0 {
			t.Errorf("byte %d as it was: %+v, changed %v", at, seen, wrong)
		}
		f.wantState(t, file, Stored)
		f.wantSame(t, file)
	}
	n := int64(len(places))
	if damaged, whole := f.events(t, "file_damaged"), f.events(t, "file_recovered"); damaged != n || whole != n {
		t.Errorf("%d events of damage and %d of recovery, want %d of each", damaged, whole, n)
	}
}

// TestScrubWaitsBeforeMissingIsDamage: a missing object is told of at once and
// damage after a day of looks, and an empty file has none.
func TestScrubWaitsBeforeMissingIsDamage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		files := f.declare(t, b, 0, 10, 20)
		f.putAll(t, b, files...)
		f.complete(t, b)
		sealed := f.take(t, files[1])
		for range 5 {
			_, _, gone := f.scrubNow(t, ScrubOptions{})
			if !slices.Equal(gone, []string{files[1].ID}) {
				t.Errorf("missing %v, want %s", gone, files[1].ID)
			}
			f.wantState(t, files[1], Stored)
		}
		f.clk.forward(24 * time.Hour)
		f.scrubNow(t, ScrubOptions{})
		f.wantState(t, files[1], Damaged)
		f.lay(t, files[1], sealed)
		f.scrubNow(t, ScrubOptions{})
		f.wantState(t, files[1], Stored)
	})
}

// TestScrubGoesOn: stopped after each part, it goes on with the next one and
// reads none twice; the longest unchecked file comes first.
func TestScrubGoesOn(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		var files []File
		for _, path := range []string{"first", "second"} {
			file := f.declareCut(t, b, path, 500, 100)
			f.putAll(t, b, file)
			files = append(files, f.row(t, file.ID))
			f.clk.forward(time.Second)
		}
		f.complete(t, b)
		f.clk.forward(time.Second)
		begun := f.clk.time()
		for part := 1; part <= 10; part++ {
			ctx, cancel := context.WithCancel(t.Context())
			seen, err := f.ScrubNow(ctx, ScrubOptions{Older: f.clk.time().Sub(begun), Progress: func(s Scrubbed) {
				if s.Bytes > 0 {
					cancel()
				}
			}})
			if part%5 != 0 && !errors.Is(err, context.Canceled) || seen.Bytes != files[0].sealedPart(1) {
				t.Errorf("run %d: %+v, %v; want one part and the end of its context", part, seen, err)
			}
			cancel()
			first, second := f.number(t, "SELECT scrub_part FROM files WHERE id = $1", files[0].ID),
				f.number(t, "SELECT scrub_part FROM files WHERE id = $1", files[1].ID)
			if part < 5 && first != int64(part) || part >= 5 && (first != 0 || second != int64(part-5)%5) {
				t.Errorf("after %d parts the files are at %d and %d", part, first, second)
			}
			f.clk.forward(time.Second)
		}
		if seen, _, _ := f.scrubNow(t, ScrubOptions{Older: f.clk.time().Sub(begun)}); seen.Total != 0 {
			t.Errorf("%d files are left", seen.Total)
		}
	})
}

// TestScrubKeepsItsBudget: over days, with several processes and a bucket that
// fails now and then, no day reads more than its bytes and a part, and what may be
// read is read.
func TestScrubKeepsItsBudget(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "large", 20_000, 100)
		f.putAll(t, b, file)
		f.complete(t, b)
		file = f.row(t, file.ID)
		part := file.sealedPart(1)
		var read int64
		workers := []*Service{f.service(), f.service()}
		for _, w := range workers {
			w.set.ScrubBytes, w.set.ScrubAgain = 20*part, time.Hour
			w.observe.Scrubbed = func(n int64) { read += n } // the lease lets one read at a time
		}
		f.clk.forward(2 * time.Hour)
		var hours []int64
		for range 72 {
			before := read
			for range 6 {
				f.clk.forward(10 * time.Minute)
				for _, err := range at(len(workers), func(i int) error { return workers[i].Scrub(t.Context()) }) {
					if err != nil {
						t.Error(err)
					}
				}
			}
			hours = append(hours, read-before)
		}
		for i := range len(hours) - 23 {
			var day int64
			for _, n := range hours[i : i+24] {
				day += n
			}
			if day > 21*part || day < 17*part {
				t.Errorf("the day from hour %d read %d bytes, want about %d", i, day, 20*part)
			}
		}
		if most := slices.Max(hours); most > 2*part {
			t.Errorf("an hour read %d bytes, want them spread over the day", most)
		}
	})
}

// TestScrubLeavesOutWhatIsFresh: Scrub reads nothing that was read or stored
// within Settings.ScrubAgain, and nothing at all without a budget.
func TestScrubLeavesOutWhatIsFresh(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10, 20)...)
		f.complete(t, b)
		var read int64
		f.observe.Scrubbed = func(n int64) { read++ }
		step := func(what string, want int64) {
			t.Helper()
			if err := f.Scrub(t.Context()); err != nil {
				t.Fatal(err)
			}
			if read != want {
				t.Errorf("%s: %d files were read, want %d", what, read, want)
			}
		}
		f.clk.forward(20 * day)
		step("without a budget", 0)
		f.set.ScrubBytes, f.set.ScrubAgain = 1<<30, 20*day
		step("at its age", 0)
		f.clk.forward(time.Second)
		step("beyond it", 2)
		step("again", 2)
		f.clk.forward(20 * day)
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err == nil {
			step("of what was deleted", 2)
		}
	})
}

// TestScrubStopsWithTheBucket: a bucket that does not answer ends the run and
// damages nothing; one file that cannot be read lets the others be read.
func TestScrubStopsWithTheBucket(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		files := f.declare(t, b, 10, 20, 30)
		f.putAll(t, b, files...)
		f.complete(t, b)
		f.clk.forward(time.Second)
		f.faults.set(func(blob.Op, blob.When) error { return blob.ErrUnavailable })
		_, err := f.ScrubNow(t.Context(), ScrubOptions{})
		wantErr(t, "scrub without a bucket", err, ErrStorageUnavailable)
		f.faults.once(blob.OpRange, blob.Before)
		seen, wrong, gone := f.scrubNow(t, ScrubOptions{})
		if seen.Files != 2 || seen.Skipped != 1 || len(wrong)+len(gone) > 0 {
			t.Errorf("with one file out of reach: %+v, changed %v, missing %v", seen, wrong, gone)
		}
		f.faults.set(nil)
		f.ring.set(nil)
		if _, err := f.service().ScrubNow(t.Context(), ScrubOptions{}); err != nil {
			t.Errorf("without the master key: %v", err)
		}
		f.ring.set(f.ring.first)
		if n := f.events(t, "file_damaged"); n != 0 {
			t.Errorf("%d events tell of damage, want none", n)
		}
	})
}

// TestReaderOvertakesScrub: damage that a reader meets while a scrub is in the
// midst of the file stays damage, though all that the scrub read was whole.
func TestReaderOvertakesScrub(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 300, 100)
		f.putAll(t, b, file)
		f.complete(t, b)
		f.clk.forward(time.Second)
		var before []byte
		_, err := f.ScrubNow(t.Context(), ScrubOptions{Progress: func(s Scrubbed) {
			if before == nil && s.Bytes > 0 {
				before = f.flip(t, file, 50)
				wantErr(t, "read", f.readErr(t, file.ID), ErrDamaged)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		f.wantState(t, file, Damaged)
		if n := f.events(t, "file_recovered"); n != 0 {
			t.Errorf("%d events tell of a recovery, want none", n)
		}
		if _, wrong, _ := f.scrubNow(t, ScrubOptions{}); !slices.Equal(wrong, []string{file.ID}) {
			t.Errorf("the next scrub found %v", wrong)
		}
	})
}
