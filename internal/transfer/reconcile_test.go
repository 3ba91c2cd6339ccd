package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// take removes a file's object and gives its sealed bytes.
func (f *fixture) take(t tester, file File) []byte {
	t.Helper()
	row := f.row(t, file.ID)
	body, err := f.store.Range(t.Context(), row.blobKey, 0, seal.SealedSize(row.Size, row.PartSize))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	sealed, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.Delete(t.Context(), row.blobKey); err != nil {
		t.Fatal(err)
	}
	return sealed
}

// lay puts sealed bytes where a file's object was.
func (f *fixture) lay(t tester, file File, sealed []byte) {
	t.Helper()
	if _, err := f.store.Put(t.Context(), f.row(t, file.ID).blobKey, bytes.NewReader(sealed), int64(len(sealed))); err != nil {
		t.Fatal(err)
	}
}

// stray puts an object that no row names.
func (f *fixture) stray(t tester) string {
	t.Helper()
	key, err := f.newKey(f.studio.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Put(t.Context(), key, strings.NewReader("stray"), 5); err != nil {
		t.Fatal(err)
	}
	return key
}

// differ is what a walk found, by kind and sorted.
func (f *fixture) differ(t tester, o ReconcileOptions) (map[Finding][]string, Reconciled) {
	t.Helper()
	got := map[Finding][]string{}
	o.Found = func(d Difference) { got[d.Finding] = append(got[d.Finding], d.ID) }
	seen, err := f.Reconcile(t.Context(), o)
	if err != nil {
		t.Fatalf("reconcile: %v", err)
	}
	for _, ids := range got {
		slices.Sort(ids)
	}
	return got, seen
}

// TestReconcileFindsEveryDifference: each kind, on every store and engine, in
// pages of any size; a report changes nothing, and a delete only what no row names.
func TestReconcileFindsEveryDifference(t *testing.T) {
	t.Parallel()
	eachStore(t, findsEveryDifference)
}

func findsEveryDifference(t *testing.T, f *fixture) {
	b := f.begin(t, LinkFields{})
	files := f.declare(t, b, 0, 10, 20, 30, 40, 50)
	open := f.declareNamed(t, b, "open", 20*mib)
	gone := f.declareNamed(t, b, "gone", 20*mib)
	f.putAll(t, b, files...)
	f.putSome(t, b, open, 1)
	f.putSome(t, b, gone, 1)
	if got, seen := f.differ(t, ReconcileOptions{}); len(got) > 0 || seen.Objects != 5 || seen.Files != 5 || seen.Open != 2 {
		t.Errorf("all agrees, and it found %v in %+v", got, seen)
	}
	missing, cut := f.take(t, files[1]), f.take(t, files[4])
	f.lay(t, files[4], cut[:len(cut)-1])
	row := f.row(t, gone.ID)
	if err := f.store.Abort(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}); err != nil {
		t.Fatal(err)
	}
	strays := []string{f.stray(t), f.stray(t)}
	slices.Sort(strays)
	key, err := f.newKey(f.studio.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.CreateUpload(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	want := map[Finding][]string{MissingObject: {files[1].ID}, WrongLength: {files[4].ID}, MissingUpload: {gone.ID}}
	got, seen := f.differ(t, ReconcileOptions{Delete: true})
	if diff := cmp.Diff(want, got); diff != "" || seen.Young != 3 || seen.Deleted != 0 {
		t.Errorf("within the grace, %+v (-want +got):\n%s", seen, diff)
	}
	f.clk.forward(25 * time.Hour)
	want[OrphanObject], want[OrphanUpload] = strays, []string{key}
	for _, page := range []int{1, 2, 3, surveyPage} {
		f.page = page
		if got, _ := f.differ(t, ReconcileOptions{}); !cmp.Equal(want, got) {
			t.Errorf("in pages of %d (-want +got):\n%s", page, cmp.Diff(want, got))
		}
	}
	f.wantBucket(t, 6, 2)
	if _, seen := f.differ(t, ReconcileOptions{Delete: true}); seen.Deleted != 3 {
		t.Errorf("deleted %d, want 3", seen.Deleted)
	}
	f.wantBucket(t, 4, 1)
	delete(want, OrphanObject)
	delete(want, OrphanUpload)
	if got, _ := f.differ(t, ReconcileOptions{}); !cmp.Equal(want, got) {
		t.Errorf("after the delete (-want +got):\n%s", cmp.Diff(want, got))
	}
	for _, file := range files {
		f.wantState(t, file, Stored) // a report marks nothing
	}
	f.lay(t, files[1], missing)
	if err := f.store.Delete(t.Context(), f.row(t, files[4].ID).blobKey); err != nil {
		t.Fatal(err)
	}
	f.lay(t, files[4], cut)
}

func (f *fixture) declareNamed(t tester, b begun, path string, size int64) File {
	t.Helper()
	d, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: path, Size: size}})
	if err != nil || len(d.Errors) > 0 {
		t.Fatalf("declare %s: %v %+v", path, err, d.Errors)
	}
	return d.Files[0].File
}

// TestMissingObjectBecomesDamage: after looks that agree for a day and not
// before, once, with mail to studio and operator; and it is whole again when the
// object comes back.
func TestMissingObjectBecomesDamage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.set.OperatorEmail = "admin@example.com"
		b := f.begin(t, LinkFields{})
		files := f.declare(t, b, 10, 20, 30)
		f.putAll(t, b, files...)
		f.complete(t, b)
		sealed := f.take(t, files[1])
		f.sweep(t) // the first walk only reports
		for range 25 {
			f.clk.forward(time.Hour)
			f.wantState(t, files[1], Stored)
			f.sweep(t)
		}
		f.wantState(t, files[1], Damaged)
		for range 3 {
			f.clk.forward(time.Hour)
			f.sweep(t)
		}
		if n := f.events(t, "file_damaged"); n != 1 {
			t.Errorf("%d events tell of damage, want 1", n)
		}
		for kind, to := range map[string]string{"file_damaged": f.studio.Email, "damage_report": "admin@example.com"} {
			if n := f.number(t, "SELECT COUNT(*) FROM mails WHERE kind = $1 AND recipient = $2", kind, to); n != 1 {
				t.Errorf("%d messages %s, want 1", n, kind)
			}
		}
		f.lay(t, files[1], sealed)
		f.clk.forward(time.Hour)
		f.sweep(t)
		f.wantState(t, files[1], Stored)
		if n := f.events(t, "file_recovered"); n != 1 {
			t.Errorf("%d events tell of a recovery, want 1", n)
		}
		f.wantSame(t, files[1])
	})
}

// TestLooksMustAgree: an object that is there again in between begins the day anew.
func TestLooksMustAgree(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 10)[0]
		f.putAll(t, b, file)
		f.complete(t, b)
		f.sweep(t)
		sealed := f.take(t, file)
		hours := func(n int) {
			for range n {
				f.clk.forward(time.Hour)
				f.sweep(t)
			}
		}
		hours(20)
		f.lay(t, file, sealed)
		hours(1)
		f.take(t, file)
		hours(20)
		f.wantState(t, file, Stored)
		f.lay(t, file, sealed)
		hours(10)
		f.wantState(t, file, Stored)
		if n := f.events(t, "file_damaged"); n != 0 {
			t.Errorf("%d events tell of damage, want none", n)
		}
	})
}

// TestMissingUploadIsAskedForAgain: the walk begins the looks that a part would
// begin, for a guest who sends nothing.
func TestMissingUploadIsAskedForAgain(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 300, 100)
		f.putSome(t, b, file, 1, 2)
		f.sweep(t)
		row := f.row(t, file.ID)
		if err := f.store.Abort(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			f.clk.forward(time.Hour)
			if err := f.Sweep(t.Context()); err != nil && !errors.Is(err, ErrStorageUnavailable) {
				t.Fatal(err)
			}
		}
		if n := f.events(t, "file_lost"); n != 1 || f.row(t, file.ID).partsStored != 0 {
			t.Errorf("%d events tell of a loss, want 1, and %d parts are left", n, f.row(t, file.ID).partsStored)
		}
		f.putAll(t, b, f.row(t, file.ID))
		f.sweep(t)
		f.wantSame(t, file)
	})
}

// TestWalkIsShared: sweeps of several processes, stopped in the midst of a walk
// and gone on with by another, look once at everything and delete each stray.
func TestWalkIsShared(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10, 20, 30, 40, 50, 60)...)
		f.complete(t, b)
		f.sweep(t)
		lists, strays := 0, 4
		for range strays {
			f.stray(t)
		}
		f.clk.forward(25 * time.Hour)
		workers := []*Service{f.service(), f.service(), f.service()}
		for _, w := range workers {
			w.page = 2
		}
		var mu sync.Mutex
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op != blob.OpList || when != blob.After {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if lists++; lists%2 == 0 {
				return blob.ErrUnavailable // every other page's answer is lost
			}
			return nil
		})
		for range 10 {
			for _, err := range at(len(workers), func(i int) error { return workers[i].Sweep(t.Context()) }) {
				if err != nil && !errors.Is(err, ErrStorageUnavailable) && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		}
		f.faults.set(nil)
		f.sweep(t)
		f.wantBucket(t, 6, 0)
		w, err := f.readWalk(t.Context())
		if err != nil || w.Walks != 2 || w.Found != int64(strays) || w.Doomed != int64(strays) {
			t.Errorf("the walk ended as %+v, %v; want the second, with %d strays found and deleted", w, err, strays)
		}
	})
}

// TestLockedObjectHoldsNothingUp: what the bucket refuses to delete is told of,
// and the walk deals with all the rest.
func TestLockedObjectHoldsNothingUp(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10)...)
		f.complete(t, b)
		f.sweep(t)
		for range 3 {
			f.stray(t)
		}
		key, err := f.newKey(f.studio.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.store.CreateUpload(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(25 * time.Hour)
		for _, walk := range []func() error{
			func() error { return f.Sweep(t.Context()) },
			func() error {
				_, err := f.Reconcile(t.Context(), ReconcileOptions{Delete: true})
				return err
			},
		} {
			refused := false
			f.faults.set(func(op blob.Op, when blob.When) error {
				if op != blob.OpDelete || when != blob.Before || refused {
					return nil
				}
				refused = true
				return blob.ErrDenied
			})
			wantErr(t, "a walk beside a lock", walk(), blob.ErrDenied)
			f.faults.set(nil)
			f.wantBucket(t, 2, 0)
		}
		f.clk.forward(2 * time.Hour) // the pause between two walks
		f.sweep(t)
		f.wantBucket(t, 1, 0)
	})
}

// TestWalkAfterARestoreOnlyReports: a database of an earlier day does not know
// what was stored since, and nothing of that may go before somebody looked.
func TestWalkAfterARestoreOnlyReports(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"app restore", "the manual"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, f *fixture) {
				f.sweep(t)
				f.stray(t)
				f.clk.forward(25 * time.Hour)
				if by == "the manual" {
					f.exec(t, "DELETE FROM chores WHERE name = 'transfer.orphans'")
				} else if err := f.LookOnly(t.Context()); err != nil {
					t.Fatal(err)
				}
				f.sweep(t)
				f.wantBucket(t, 1, 0)
				f.clk.forward(2 * time.Hour)
				f.sweep(t)
				f.wantBucket(t, 0, 0)
			})
		})
	}
}

// TestNoDamageOfWhatEnded: a purge takes objects before rows, and that is none.
func TestNoDamageOfWhatEnded(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 10)[0]
		f.putAll(t, b, file)
		f.complete(t, b)
		f.take(t, file)
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		if got, _ := f.differ(t, ReconcileOptions{}); len(got) > 0 {
			t.Errorf("found %v of a transfer that has ended", got)
		}
		f.clk.forward(f.set.Undo + time.Second)
		f.sweep(t)
	})
}

func TestReconcileEndsWithItsContext(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := f.Reconcile(ctx, ReconcileOptions{Page: func(Reconciled) { cancel() }})
		wantErr(t, "reconcile", err, context.Canceled)
	})
}
