package transfer

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
)

// TestQuotaHoldsAgainstOneAndMany proves I5: however many declares come at once
// by however many transfers, no more is reserved than the quota.
func TestQuotaHoldsAgainstOneAndMany(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		first := f.begin(t, LinkFields{Slug: "many"})
		f.quota(t, 1000)
		f.declare(t, first, 1000)
		_, err := f.Declare(t.Context(), first.Access, first.id, []NewFile{{Path: "one more", Size: 1}})
		wantErr(t, "I5: one byte too many", err, account.ErrQuotaExceeded)
		if err := f.AbortTransfer(t.Context(), first.Access, first.id, guest); err != nil {
			t.Fatal(err)
		}
		var all [10]begun
		for i := range all {
			all[i] = f.beginOn(t, "many")
		}
		errs := at(200, func(i int) error {
			b := all[i%len(all)]
			_, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: fmt.Sprintf("f%d", i), Size: 30}})
			return err
		})
		if n := good(t, errs, account.ErrQuotaExceeded); n != 33 {
			t.Errorf("I5: %d of 200 declares of 30 bytes stand in a quota of 1000, want 33", n)
		}
		f.wantBorne(t, 0, 990)
	})
}

// TestDiskHoldsAgainstMany: without quotas the free disk is the bound of all
// accounts together, also for declares that come at once by several processes.
func TestDiskHoldsAgainstMany(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, f *fixture) {
		neighbour, err := f.accounts.Create(t.Context(), account.NewAccount{Email: "next@example.com", Name: "Next"})
		if err != nil {
			t.Fatal(err)
		}
		var all [6]begun
		for i := range all {
			all[i] = f.begin(t, LinkFields{})
			f.studio, neighbour = neighbour, f.studio
		}
		free, known := f.store.FreeBytes(t.Context())
		if !known {
			t.Fatal("the disk does not tell its space")
		}
		size := free / 5 * 2 // others use the disk too, but not a fifth of it at once
		declare := func(s *Service, b begun, size int64) error {
			_, err := s.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "large", Size: size}})
			return err
		}
		processes := [2]*Service{f.Service, f.service()}
		errs := at(len(all), func(i int) error { return declare(processes[i/3], all[i], size) })
		if n := good(t, errs, account.ErrQuotaExceeded); n != 2 {
			t.Fatalf("%d files of two fifths of the free disk were promised a place, want 2", n)
		}
		refused := all[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
		err = declare(f.Service, refused, size)
		if q, ok := errors.AsType[*account.QuotaError](err); !ok || q.Left < free/10 || q.Left > free/10*3 {
			t.Errorf("beside four fifths of %d bytes: %v", free, err)
		}
		if err := declare(f.Service, refused, 1000); err != nil {
			t.Errorf("a file that fits: %v", err)
		}
		f.checkRows(t)
	})
}

func TestLinkBytesHoldAgainstMany(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{MaxBytes: ptr(int64(100))})
		errs := at(50, func(i int) error {
			_, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: fmt.Sprintf("f%d", i), Size: 30}})
			return err
		})
		if n := good(t, errs, account.ErrQuotaExceeded); n != 3 {
			t.Errorf("%d declares of 30 bytes stand on a link of 100, want 3", n)
		}
	})
}

// TestLastPlaceOfALink lets many transfers' first files meet on its last place.
func TestLastPlaceOfALink(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		if _, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{Slug: "place", MaxTransfers: ptr(int64(2))}, Client{}); err != nil {
			t.Fatal(err)
		}
		var all [8]begun
		for i := range all { // none counts before its first file
			all[i] = f.beginOn(t, "place")
		}
		errs := at(len(all), func(i int) error {
			_, err := f.Declare(t.Context(), all[i].Access, all[i].id, []NewFile{{Path: "a", Size: 1}})
			return err
		})
		if n := good(t, errs, ErrLinkFull); n != 2 {
			t.Errorf("%d transfers took a place of 2", n)
		}
		for i, err := range errs {
			if err != nil {
				continue
			}
			if _, err := f.Declare(t.Context(), all[i].Access, all[i].id, []NewFile{{Path: "b", Size: 1}}); err != nil {
				t.Errorf("a further file of a transfer that has its place: %v", err)
			}
		}
	})
}

// TestSameDeclareAtOnce sends one call twenty times: one file stands, and its
// bytes are reserved once.
func TestSameDeclareAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		in := []NewFile{{Path: "a/b", Size: 10, Modified: ptr(f.clk.time())}, {Path: "a/c", Size: 20, Modified: ptr(f.clk.time())}}
		var ids [20]string
		errs := at(len(ids), func(i int) error {
			d, err := f.Declare(t.Context(), b.Access, b.id, in)
			if err == nil {
				ids[i] = d.Files[0].File.ID + d.Files[1].File.ID
			}
			return err
		})
		if n := good(t, errs); n != len(ids) {
			t.Errorf("%d calls went well", n)
		}
		for i := range ids {
			if ids[i] != ids[0] {
				t.Errorf("call %d gave other files", i)
			}
		}
		f.wantBorne(t, 0, 30)
	})
}

// TestDeclareBesideDelete: a file that is deleted between the look before the
// transaction and the transaction gets its key after all.
func TestDeclareBesideDelete(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		in := []NewFile{{Path: "a", Size: 10, Modified: ptr(f.clk.time())}}
		for range 10 {
			d, err := f.Declare(t.Context(), b.Access, b.id, in)
			if err != nil {
				t.Fatal(err)
			}
			errs := at(2, func(i int) error {
				if i == 0 {
					return f.DeleteFile(t.Context(), b.Access, d.Files[0].File.ID)
				}
				_, err := f.Declare(t.Context(), b.Access, b.id, in)
				return err
			})
			good(t, errs)
		}
		d, err := f.Declare(t.Context(), b.Access, b.id, in)
		if err != nil {
			t.Fatal(err)
		}
		f.putAll(t, b, d.Files[0].File)
		f.wantSame(t, d.Files[0].File)
	})
}
