package transfer

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestMissingBytesAreDamage: an object that is gone or cut is damage, which the
// studio is told of once; one that a purge takes is not.
func TestMissingBytesAreDamage(t *testing.T) {
	t.Parallel()
	testenv.EachEngine(t, func(t *testing.T, open func(testing.TB) *db.DB) {
		missingBytesAreDamage(t, newFixture(t, directory(), open(t)))
	})
}

func missingBytesAreDamage(t *testing.T, f *fixture) {
	root, store := f.folders[0], f.store
	b := f.begin(t, LinkFields{})
	files := f.declare(t, b, 100_000, 200_000, 300_000)
	f.putAll(t, b, files...)
	f.complete(t, b)
	if err := store.Delete(t.Context(), f.row(t, files[0].ID).blobKey); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(root, f.row(t, files[1].ID).blobKey), 150_000); err != nil {
		t.Fatal(err)
	}
	for _, file := range files[:2] {
		for range 2 {
			wantErr(t, "read "+file.Path, f.readErr(t, file.ID), ErrDamaged)
		}
		f.wantState(t, file, Damaged)
	}
	if n := f.events(t, "file_damaged"); n != 2 {
		t.Errorf("%d events tell of damage, want 2", n)
	}
	c, err := f.OpenFile(t.Context(), f.own(), files[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), f.row(t, files[2].ID).blobKey); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(c)
	wantErr(t, "read what is being purged", err, ErrFileMissing)
	f.wantState(t, files[2], Stored)
}

// readErr reads a whole file and gives the error.
func (f *fixture) readErr(t testing.TB, id string) error {
	t.Helper()
	c, err := f.OpenFile(t.Context(), f.own(), id)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = io.Copy(io.Discard, c)
	return err
}
