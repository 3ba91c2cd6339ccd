package transfer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// rewrite changes an object's bytes, as a failing disk or an enemy does.
func (f *fixture) rewrite(t testing.TB, key string, change func(sealed []byte) []byte) {
	t.Helper()
	info, err := f.store.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.store.Range(t.Context(), key, 0, info.Size)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	sealed = change(sealed)
	if err := errors.Join(r.Close(), f.store.Delete(t.Context(), key)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Put(t.Context(), key, bytes.NewReader(sealed), int64(len(sealed))); err != nil {
		t.Fatal(err)
	}
}

// TestDamageStopsReading proves I3: of a file whose stored bytes changed nothing
// leaves beyond the good segments, and the studio is told once.
func TestDamageStopsReading(t *testing.T) {
	t.Parallel()
	const size, flipped = 300_000, 200_000
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, size)[0]
		f.putAll(t, b, file)
		c := f.complete(t, b)
		f.rewrite(t, f.row(t, file.ID).blobKey, func(sealed []byte) []byte { sealed[flipped] ^= 1; return sealed })
		for range 2 {
			o, err := f.OpenFile(t.Context(), f.own(), file.ID)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(o)
			wantErr(t, "I3: read damaged bytes", err, ErrDamaged)
			if len(got) > flipped || len(got) < flipped-2*seal.SegmentSize || !bytes.Equal(got, content(file)[:len(got)]) {
				t.Errorf("I3: %d bytes left, the damage is at %d", len(got), flipped)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			f.wantState(t, file, Damaged)
		}
		if n := f.events(t, "file_damaged"); n != 1 {
			t.Errorf("%d events tell of the damage, want 1", n)
		}
		// What is whole of it can still be fetched.
		u, err := f.unlock(t, c.Token, c.Code, "", "a")
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.AuthFetch(t.Context(), c.Token, u.Token)
		if err != nil {
			t.Fatal(err)
		}
		o, err := f.OpenShared(t.Context(), a, file.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Seek(size-1000, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, content(file)[size-1000:]) {
			t.Errorf("the whole end of a damaged file: %d bytes, %v", len(got), err)
		}
		f.wantBorne(t, size, 0)
	})
}

// TestFlippedBytesOnStores proves I3 on every store: whichever byte of
// an object changes, what comes out is the true beginning of the file, up to the
// segment before it, and then damage. A part's header is kept by its row too, so
// that all is well without it.
func TestFlippedBytesOnStores(t *testing.T) {
	t.Parallel()
	const small = 200_000
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		unit := max(f.unit, 150_000)
		single, cut := f.declare(t, b, small)[0], f.declareCut(t, b, "cut", unit+small, unit)
		f.putAll(t, b, single, cut)
		second := seal.SealedLen(unit) // where the cut file's second part begins
		whole := seal.SealedSize(cut.Size, unit)
		for _, flip := range []struct {
			file     File
			at, good int64 // good: plain bytes that have to come out at least
		}{
			{single, 0, small}, {single, seal.HeaderSize - 1, small}, {single, seal.HeaderSize, 0},
			{single, seal.SegmentSize - 1, 0}, {single, seal.SegmentSize, seal.SegmentSize / 2},
			{single, seal.SealedLen(small) - 1, small - seal.SegmentSize},
			{cut, second - 1, unit - seal.SegmentSize}, {cut, second, cut.Size},
			{cut, second + seal.HeaderSize, unit}, {cut, whole - 1, cut.Size - seal.SegmentSize},
		} {
			key := f.row(t, flip.file.ID).blobKey
			turn := func(sealed []byte) []byte { sealed[flip.at] ^= 0x10; return sealed }
			f.rewrite(t, key, turn)
			got, err := f.readUntil(t, flip.file)
			n := int64(len(got))
			if n < flip.good || !bytes.Equal(got, content(flip.file)[:n]) {
				t.Errorf("I3: of %s %d bytes came out, the damage is at %d", flip.file.Path, n, flip.at)
			}
			if n < flip.file.Size {
				wantErr(t, "I3: read a changed object", err, ErrDamaged)
			} else if err != nil || flip.good < flip.file.Size {
				t.Errorf("I3: all of %s came out with damage at %d: %v", flip.file.Path, flip.at, err)
			}
			f.rewrite(t, key, turn)
			f.wantSame(t, flip.file)
		}
	})
}

// readUntil reads a file as far as it gives bytes.
func (f *fixture) readUntil(t testing.TB, file File) ([]byte, error) {
	t.Helper()
	o, err := f.OpenFile(t.Context(), f.own(), file.ID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(o)
	return got, errors.Join(err, o.Close())
}

// TestShortObjectIsNoDamage: the source ended early, which a repeat may mend.
func TestShortObjectIsNoDamage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 1000)[0]
		f.putAll(t, b, file)
		f.faults.once(blob.OpRead, blob.Before)
		o, err := f.OpenFile(t.Context(), f.own(), file.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(o); err == nil || len(got) > 0 || errors.Is(err, ErrDamaged) {
			t.Errorf("a read that broke off gave %d bytes, %v", len(got), err)
		}
		f.faults.set(nil)
		f.wantState(t, file, Stored)
		f.wantSame(t, file)
	})
}

// TestForeignObject: a file's row that points to another file's object opens
// nothing of it.
func TestForeignObject(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		files := f.declare(t, b, 1000, 1000)
		f.putAll(t, b, files...)
		keys := []string{f.row(t, files[0].ID).blobKey, f.row(t, files[1].ID).blobKey}
		f.exec(t, "UPDATE files SET blob_key = NULL WHERE id = $1", files[1].ID)
		f.exec(t, "UPDATE files SET blob_key = $2 WHERE id = $1", files[0].ID, keys[1])
		f.exec(t, "UPDATE files SET blob_key = $2 WHERE id = $1", files[1].ID, keys[0])
		for _, file := range files {
			o, err := f.OpenFile(t.Context(), f.own(), file.ID)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(o)
			wantErr(t, "I3: read another file's object", err, ErrDamaged)
			if len(got) > 0 {
				t.Errorf("I3: %d bytes of another file's object left", len(got))
			}
		}
	})
}

// TestRangesAcrossParts reads anywhere in a cut file, also without the heads
// that its rows keep.
func TestRangesAcrossParts(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 500_000, 150_000)
		_, err := f.OpenFile(t.Context(), f.own(), file.ID)
		wantErr(t, "open a file that is not stored", err, ErrFileNotReady)
		f.putAll(t, b, file)
		want := content(file)
		rnd := rand.New(rand.NewPCG(3, 4))
		for i := range 40 {
			if i == 20 {
				f.exec(t, "UPDATE parts SET head = $1", []byte{})
			}
			o, err := f.OpenFile(t.Context(), f.own(), file.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(o.ETag, file.ID) || !o.Modified.Equal(*file.Modified) {
				t.Errorf("content is %q of %s", o.ETag, o.Modified)
			}
			from := rnd.Int64N(file.Size)
			length := rnd.Int64N(file.Size - from + 1)
			if _, err := o.Seek(from, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.LimitReader(o, length))
			if err != nil || !bytes.Equal(got, want[from:from+length]) {
				t.Errorf("%d bytes from %d came back as %d, %v", length, from, len(got), err)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBucketTellsNothing proves I4: neither plain bytes nor names nor dates
// reach the bucket, in bytes or in keys.
func TestBucketTellsNothing(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{Title: "Secret title"})
		secret := strings.Repeat("The bride wore blue. ", 500)
		d, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "bride/IMG_0001.jpg", Size: int64(len(secret)), Modified: ptr(f.clk.time())}})
		if err != nil {
			t.Fatal(err)
		}
		file := d.Files[0].File
		if _, err := f.send(t.Context(), b, file, 1, strings.NewReader(secret)); err != nil {
			t.Fatal(err)
		}
		objects, _ := f.bucket(t)
		for _, o := range objects {
			if !blob.ValidKey(o.Key) || strings.Contains(o.Key, file.ID) {
				t.Errorf("I4: key %q tells something", o.Key)
			}
			if o.Size != seal.SealedLen(file.Size) {
				t.Errorf("I4: object of %d bytes", o.Size)
			}
			f.rewrite(t, o.Key, func(sealed []byte) []byte {
				for _, plain := range []string{"bride", "blue", "IMG_0001", "Secret"} {
					if bytes.Contains(sealed, []byte(plain)) {
						t.Errorf("I4: the bucket holds %q", plain)
					}
				}
				return sealed
			})
		}
	})
}

// TestSameBytesTwiceDiffer: equal plain bytes never give equal sealed ones.
func TestSameBytesTwiceDiffer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		var seen [][]byte
		for range 3 {
			file := f.declare(t, b, 100)[0]
			if _, err := f.send(t.Context(), b, file, 1, bytes.NewReader(make([]byte, 100))); err != nil {
				t.Fatal(err)
			}
			f.rewrite(t, f.row(t, file.ID).blobKey, func(sealed []byte) []byte { seen = append(seen, sealed); return sealed })
			if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
				t.Fatal(err)
			}
		}
		for i := range seen {
			if next := seen[(i+1)%len(seen)]; bytes.Equal(seen[i][seal.HeaderSize:], next[seal.HeaderSize:]) {
				t.Error("I4: equal bytes were sealed alike")
			}
		}
	})
}

// TestKeyUnavailable: a server without the master key neither takes nor gives
// bytes, and takes nothing for damage.
func TestKeyUnavailable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		files := f.declare(t, b, 100, 100)
		f.putAll(t, b, files[0])
		f.ring.set(nil)
		f.Service = f.service() // whose cache is empty
		_, err := put(t.Context(), f.Service, b.Access, files[1], 1, partOf(files[1], 1))
		wantErr(t, "part", err, ErrKeyUnavailable)
		_, err = f.OpenFile(t.Context(), f.own(), files[0].ID)
		wantErr(t, "open", err, ErrKeyUnavailable)
		_, err = f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "new", Size: 1}})
		wantErr(t, "declare", err, ErrKeyUnavailable)
		f.wantState(t, files[0], Stored)
		f.ring.set(f.ring.first)
		f.wantSame(t, files[0])
	})
}
