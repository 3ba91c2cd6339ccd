package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
)

// other is a body of the same length with other bytes.
func other(body []byte) []byte {
	changed := slices.Clone(body)
	for i := range changed {
		changed[i] ^= 0x5a
	}
	return changed
}

// send is put with a body and digests of the test's own.
func (f *fixture) send(ctx context.Context, b begun, file File, n int, body io.Reader, digests ...Digest) (Receipt, error) {
	u, err := f.BeginPart(ctx, b.Access, file.ID, n, file.partLen(n))
	if err != nil {
		return Receipt{}, err
	}
	return u.Receive(ctx, body, digests)
}

func TestBeginPartRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 25, 10)
		for _, test := range []struct {
			name   string
			id     string
			n      int
			length int64
			want   error
		}{
			{"unknown file", "00000000-0000-7000-8000-000000000000", 1, 10, ErrFileMissing},
			{"no id", "nonsense", 1, 10, ErrFileMissing},
			{"part 0", file.ID, 0, 10, ErrPartMissing},
			{"a part below 0", file.ID, -1, 10, ErrPartMissing},
			{"a part too many", file.ID, 4, 10, ErrPartMissing},
			{"too short", file.ID, 1, 9, ErrPartSize},
			{"too long", file.ID, 1, 11, ErrPartSize},
			{"last as long as the others", file.ID, 3, 10, ErrPartSize},
			{"empty", file.ID, 3, 0, ErrPartSize},
		} {
			_, err := f.BeginPart(t.Context(), b.Access, test.id, test.n, test.length)
			wantErr(t, test.name, err, test.want)
			if size, ok := errors.AsType[*PartSizeError](err); ok && size.Expected != file.partLen(test.n) {
				t.Errorf("%s: %d bytes are said to be expected", test.name, size.Expected)
			}
		}
	})
}

// TestBadBodies: what is not exactly the part, or breaks off, never counts and
// leaves nothing behind, and the right body counts after it.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection broke")
	digest := func(right []byte) Digest {
		sum := sha256.Sum256(right)
		return Digest{Hash: sha256.New(), Want: sum[:]}
	}
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		whole := f.declare(t, b, 100)[0]
		cut := f.declareCut(t, b, "cut", 250, 100)
		for _, file := range []File{whole, cut} {
			body := partOf(file, 1)
			refused := func(recorded bool) {
				t.Helper()
				for _, test := range []struct {
					name    string
					body    io.Reader
					digests []Digest
					want    error
				}{
					{"cut", bytes.NewReader(body[:99]), nil, ErrBodyShort},
					{"empty", bytes.NewReader(nil), nil, ErrBodyShort},
					{"long", io.MultiReader(bytes.NewReader(body), bytes.NewReader([]byte{0})), nil, ErrBodyLong},
					{"broken", io.MultiReader(bytes.NewReader(body[:50]), iotest.ErrReader(broken)), nil, broken},
					{"broken at its end", io.MultiReader(bytes.NewReader(body), iotest.ErrReader(broken)), nil, broken},
					{"wrong digest", bytes.NewReader(body), []Digest{digest(body), digest(other(body))}, ErrDigest},
				} {
					_, err := f.send(t.Context(), b, file, 1, test.body, test.digests...)
					wantErr(t, test.name, err, test.want)
				}
				if n := f.number(t, "SELECT COUNT(*) FROM parts WHERE file_id = $1", file.ID); (n == 1) != recorded {
					t.Errorf("%d parts are recorded", n)
				}
			}
			refused(false)
			if objects, _ := f.bucket(t); len(objects) != 0 && file.PartCount == 1 {
				t.Errorf("%d objects are left by refused bodies", len(objects))
			}
			r, err := f.send(t.Context(), b, file, 1, iotest.OneByteReader(bytes.NewReader(body)), digest(body))
			if err != nil || r.Part != (Part{1, 100, crcOf(body)}) {
				t.Errorf("right body: %+v, %v", r, err)
			}
			refused(true) // a repeat is judged as the first was
		}
		f.putAll(t, b, cut)
		f.wantSame(t, whole)
		f.wantSame(t, cut)
	})
}

// TestRecordedPartIsImmutable: equal bytes get the same answer for ever, others
// a conflict, whatever became of the transfer.
func TestRecordedPartIsImmutable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		whole := f.declare(t, b, 30)[0]
		cut := f.declareCut(t, b, "cut", 25, 10)
		f.putAll(t, b, whole, cut)
		again := func(when string) {
			t.Helper()
			for _, file := range []File{whole, cut} {
				for n := 1; n <= file.PartCount; n++ {
					body := partOf(file, n)
					r, err := f.send(t.Context(), b, file, n, bytes.NewReader(body))
					if err != nil || r.State != Stored || r.Part.CRC32 != crcOf(body) {
						t.Errorf("%s: repeat of part %d of %s: %+v, %v", when, n, file.Path, r, err)
					}
					_, err = f.send(t.Context(), b, file, n, bytes.NewReader(other(body)))
					wantErr(t, when+": other bytes", err, ErrPartConflict)
				}
			}
		}
		again("receiving")
		f.complete(t, b)
		again("complete")
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		again("deleted")
		f.wantBucket(t, 2, 0)
	})
}

func TestPartOfEndedTransfer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		for _, test := range []struct {
			name string
			end  func(b begun) error
			want []error
		}{
			{"aborted", func(b begun) error { return f.AbortTransfer(t.Context(), b.Access, b.id, guest) }, []error{ErrTransferEnded}},
			{"deleted", func(b begun) error { return f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}) }, []error{ErrTransferEnded}},
			{"purged", func(b begun) error {
				return errors.Join(f.AbortTransfer(t.Context(), b.Access, b.id, guest), f.purgeTransfer(t.Context(), b.id))
			}, []error{ErrFileMissing}},
			{"over its time", func(begun) error { f.clk.forward(7 * 24 * time.Hour); return nil }, []error{ErrTransferExpired}},
			{"expired", func(begun) error { f.clk.forward(7 * 24 * time.Hour); return f.Sweep(t.Context()) }, []error{ErrFileMissing}},
		} {
			b := f.begin(t, LinkFields{})
			whole := f.declare(t, b, 10)[0]
			cut := f.declareCut(t, b, "cut", 20, 10)
			if _, err := put(t.Context(), f.Service, b.Access, cut, 1, partOf(cut, 1)); err != nil {
				t.Fatal(err)
			}
			var begun []*PartUpload
			for _, file := range []File{whole, cut} {
				u, err := f.BeginPart(t.Context(), b.Access, file.ID, file.PartCount, 10)
				if err != nil {
					t.Fatal(err)
				}
				begun = append(begun, u)
			}
			if err := test.end(b); err != nil {
				t.Fatal(err)
			}
			_, err := f.BeginPart(t.Context(), b.Access, whole.ID, 1, 10)
			if !isAny(err, test.want...) {
				t.Errorf("%s: begin a part: %v", test.name, err)
			}
			// A part whose body was on its way when the transfer ended.
			_, err = begun[0].Receive(t.Context(), bytes.NewReader(partOf(whole, 1)), nil)
			if !isAny(err, append(test.want, ErrKeyUnavailable, account.ErrShredded)...) {
				t.Errorf("%s: part of a whole file in flight: %v", test.name, err)
			}
			_, err = begun[1].Receive(t.Context(), bytes.NewReader(partOf(cut, 2)), nil)
			if !isAny(err, append(test.want, ErrStorageUnavailable, account.ErrShredded)...) {
				t.Errorf("%s: part of a cut file in flight: %v", test.name, err)
			}
			f.checkRows(t)
		}
		f.purgeAll(t)
		f.wantBucket(t, 0, 0)
	})
}

// purgeAll lets everything end and be purged.
func (f *fixture) purgeAll(t tester) {
	t.Helper()
	f.clk.forward(40 * 24 * time.Hour)
	f.sweep(t)
	f.sweep(t)
}

// TestTwoBodiesAtOnce proves I1: of two different bodies for one part one
// counts whole with its right CRC, and nothing of the other is left.
func TestTwoBodiesAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		for range 10 {
			for _, partSize := range []int64{200_000, 70_000} {
				file := f.declareCut(t, b, "file", 200_000, partSize)
				if file.PartCount > 1 {
					f.putSome(t, b, file, 1, 3)
				}
				n := min(2, file.PartCount)
				bodies := [2][]byte{partOf(file, n), other(partOf(file, n))}
				errs := at(2, func(i int) error {
					_, err := put(t.Context(), f.Service, b.Access, file, n, bodies[i])
					return err
				})
				// Of a cut file the bucket may keep the body that was recorded
				// second; its sender then finds the row set right already.
				if won := good(t, errs, ErrPartConflict, ErrStorageUnavailable); won == 0 || won > min(2, file.PartCount) {
					t.Errorf("I1: %d of two bodies count", won)
				}
				f.clk.forward(time.Hour)
				f.sweep(t)
				f.wantOneOf(t, file, n, bodies)
				if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
					t.Fatal(err)
				}
				if err := f.purgeFile(t.Context(), file.ID); err != nil {
					t.Fatal(err)
				}
				f.wantBucket(t, 0, 0) // the loser's blob is gone already
			}
		}
	})
}

func (f *fixture) putSome(t tester, b begun, file File, parts ...int) {
	t.Helper()
	for _, n := range parts {
		if _, err := put(t.Context(), f.Service, b.Access, file, n, partOf(file, n)); err != nil {
			t.Fatalf("put part %d of %s: %v", n, file.Path, err)
		}
	}
}

// wantOneOf checks that part n of the stored file is one of two bodies and that
// its row tells that one's CRC.
func (f *fixture) wantOneOf(t testing.TB, file File, n int, bodies [2][]byte) {
	t.Helper()
	got := f.read(t, file.ID)[int64(n-1)*file.PartSize:][:len(bodies[0])]
	crc := uint32(f.number(t, "SELECT crc32 FROM parts WHERE file_id = $1 AND number = $2", file.ID, n))
	if !bytes.Equal(got, bodies[0]) && !bytes.Equal(got, bodies[1]) {
		t.Error("I1: the part is a mix of two bodies")
	}
	if crc != crcOf(got) {
		t.Errorf("I1: the part's row says %08x, its bytes give %08x", crc, crcOf(got))
	}
}

// TestTwoFirstPartsAtOnce: both may make an upload, one is adopted and the
// other aborted.
func TestTwoFirstPartsAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 30, 10)
		var both sync.WaitGroup
		both.Add(2)
		f.faults.set(func(op blob.Op, when blob.When) error { // neither goes on before both are made
			if op == blob.OpCreateUpload && when == blob.After {
				both.Done()
				both.Wait()
			}
			return nil
		})
		errs := at(2, func(i int) error {
			_, err := put(t.Context(), f.Service, b.Access, file, i+1, partOf(file, i+1))
			return err
		})
		if n := good(t, errs); n != 2 {
			t.Errorf("%d of two first parts count", n)
		}
		f.wantBucket(t, 0, 1)
		f.putSome(t, b, file, 3)
		f.wantSame(t, file)
		f.wantBucket(t, 1, 0)
	})
}

func TestIdleReservationComesBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{Slug: "idle", MaxBytes: ptr(int64(1000))})
		file := f.declareCut(t, b, "cut", 300, 100)
		single := f.declare(t, b, 50)[0]
		f.putSome(t, b, file, 1)
		f.quota(t, 400)
		f.wantBorne(t, 0, 350)
		f.clk.forward(24*time.Hour + time.Second)
		f.sweep(t)
		f.wantBorne(t, 0, 100)

		// Another transfer takes the room, and this one's parts are refused.
		thief := f.beginOn(t, "idle")
		taken := f.declare(t, thief, 290)[0]
		for _, part := range []struct {
			file File
			n    int
		}{{file, 2}, {single, 1}} {
			_, err := put(t.Context(), f.Service, b.Access, part.file, part.n, partOf(part.file, part.n))
			if q, ok := errors.AsType[*account.QuotaError](err); !ok || q.Left != 10 {
				t.Errorf("part %d of %s: %v", part.n, part.file.Path, err)
			}
		}
		f.wantBorne(t, 0, 390)
		f.wantBucket(t, 0, 1)
		if _, err := put(t.Context(), f.Service, b.Access, file, 1, partOf(file, 1)); err != nil {
			t.Errorf("repeat of a recorded part needs no room: %v", err)
		}
		if err := f.DeleteFile(t.Context(), thief.Access, taken.ID); err != nil {
			t.Fatal(err)
		}
		f.putAll(t, b, single)
		f.wantBorne(t, 50, 300)
		f.putSome(t, b, file, 2, 3)
		f.wantBorne(t, 350, 0)
		f.wantSame(t, file)
	})
}

// TestDeclareTakesAnIdleReservationAgain, since from then on all of it is to
// come.
func TestDeclareTakesAnIdleReservationAgain(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.declareCut(t, b, "cut", 300, 100)
		f.clk.forward(25 * time.Hour)
		f.sweep(t)
		f.wantBorne(t, 0, 0)
		f.quota(t, 320)
		_, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "more", Size: 21}})
		wantErr(t, "a file too many beside what lapsed", err, account.ErrQuotaExceeded)
		if _, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "more", Size: 20}}); err != nil {
			t.Fatal(err)
		}
		f.wantBorne(t, 0, 320)
	})
}

// TestPartProlongs moves the end seven days behind the last part, but never
// beyond three weeks of age, nor nearer than a studio set it.
func TestPartProlongs(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		start := f.clk.time()
		file := f.declareCut(t, b, "cut", 60, 10)
		day := 24 * time.Hour
		for n, want := range []time.Duration{7, 13, 19, 21} {
			f.putSome(t, b, file, n+1)
			tr, err := f.Transfer(t.Context(), b.Access, b.id)
			if err != nil || !tr.ExpiresAt.Equal(start.Add(want*day)) {
				t.Errorf("after part %d the transfer ends after %s", n+1, tr.ExpiresAt.Sub(start))
			}
			f.clk.forward(6 * day)
		}
		_, err := put(t.Context(), f.Service, b.Access, file, 5, partOf(file, 5))
		wantErr(t, "part after three weeks", err, ErrTransferExpired)

		late := f.begin(t, LinkFields{})
		until := f.clk.time().Add(100 * day)
		if _, err := f.ExtendTransfer(t.Context(), f.studio.ID, late.id, until, Client{}); err != nil {
			t.Fatal(err)
		}
		f.putAll(t, late, f.declare(t, late, 5)...)
		if tr, err := f.Transfer(t.Context(), late.Access, late.id); err != nil || !tr.ExpiresAt.Equal(until) {
			t.Errorf("a part moved the studio's end to %s: %v", tr.ExpiresAt, err)
		}
	})
}
