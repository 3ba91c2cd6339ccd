package seal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestOpenerKeepsTheReaderContract(t *testing.T) {
	t.Parallel()
	for _, size := range boundaries() {
		for _, partSize := range []int64{70_000, 131_000, MinPartSize} {
			r, _ := sealFile(t, size, partSize).opener(t, OpenerOptions{})
			if err := iotest.TestReader(r, pattern(0, size)); err != nil {
				t.Errorf("%d bytes in parts of %d: %v", size, partSize, err)
			}
		}
	}
}

// Any range comes out right, by one request of whole segments, whether the
// head of its first part is known or not (then by one more, of 40 bytes).
func TestRangesAreOneRequest(t *testing.T) {
	t.Parallel()
	const size = 400_000
	edges := []int64{0, 1, 39, 40, 65_479, 65_480, 65_481, 130_999, 131_000, 131_001, 149_999, 150_000, 150_001, 215_480, 300_000, 399_999, size}
	o := sealFile(t, size, 150_000)
	for _, from := range edges {
		for _, to := range edges {
			if from >= to {
				continue
			}
			for name, heads := range map[string]Heads{"heads known": o.known, "heads unknown": nil} {
				r, src := o.opener(t, OpenerOptions{Heads: heads})
				got := readRange(t, r, from, to-from)
				if !bytes.Equal(got, pattern(from, to-from)) {
					t.Fatalf("[%d, %d), %s: wrong bytes", from, to, name)
				}
				first, last := o.file.locate(from), o.file.locate(to-1)
				want := []request{{first.sealedStart, last.sealedEnd() - first.sealedStart}}
				if first.index > 0 && heads == nil {
					want = append([]request{{o.file.partOffset(first.part), HeaderSize}}, want...)
				}
				if diff := cmp.Diff(want, src.requests); diff != "" {
					t.Errorf("[%d, %d), %s: requests (-want +got)\n%s", from, to, name, diff)
				}
			}
		}
	}
}

func readRange(t *testing.T, r *Opener, off, n int64) []byte {
	t.Helper()
	if _, err := r.Seek(off, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r.Limit(n)
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWriteToGivesTheRange(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 400_000, 150_000)
	r, src := o.opener(t, OpenerOptions{})
	for _, c := range []struct{ off, n int64 }{{0, 400_000}, {70_000, 200_000}, {399_999, 1}, {400_000, 5}} {
		var got bytes.Buffer
		if _, err := r.Seek(c.off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r.Limit(c.n)
		want := pattern(c.off, min(c.n, 400_000-c.off))
		if n, err := r.WriteTo(&got); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%+v: wrote %d, error %v", c, n, err)
		}
	}
	if src.open != 0 {
		t.Errorf("%d streams open after the end", src.open)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteTo(failingWriter{}); !errors.Is(err, errTest) {
		t.Errorf("a failing writer: error %v", err)
	}
	if _, err := r.WriteTo(shortWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a short writer: error %v", err)
	}
}

func TestNothingIsAskedBeforeRead(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 200_000, MinPartSize)
	r, src := o.opener(t, OpenerOptions{Heads: func(context.Context, int) (h [HeadSize]byte, known bool, err error) {
		t.Error("Heads was asked")
		return h, false, nil
	}})
	if n, err := r.Seek(0, io.SeekEnd); n != 200_000 || err != nil {
		t.Errorf("Seek = %d, %v", n, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v", n, err)
	}
	if _, err := r.Seek(10, io.SeekCurrent); err != nil {
		t.Errorf("a seek behind the end: %v", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read behind the end = %d, %v", n, err)
	}
	r.Limit(5)
	if n, err := r.WriteTo(io.Discard); n != 0 || err != nil {
		t.Errorf("WriteTo behind the end = %d, %v", n, err)
	}
	for _, bad := range []struct {
		off    int64
		whence int
	}{{-1, io.SeekStart}, {0, 3}} {
		if _, err := r.Seek(bad.off, bad.whence); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Seek(%d, %d): error %v", bad.off, bad.whence, err)
		}
	}
	if len(src.requests) != 0 {
		t.Errorf("the source was asked: %v", src.requests)
	}
}

func TestLimitEndsAndSeekLiftsIt(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 200_000, MinPartSize)
	r, src := o.opener(t, OpenerOptions{})
	for _, n := range []int64{0, -5} {
		r.Limit(n)
		if got, err := r.Read(make([]byte, 1)); got != 0 || err != io.EOF {
			t.Errorf("limit %d: Read = %d, %v", n, got, err)
		}
	}
	r.Limit(10)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, pattern(0, 10)) {
		t.Errorf("limit 10: %d bytes, %v", len(got), err)
	}
	r.Limit(20) // a further limit goes on from here
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, pattern(10, 20)) {
		t.Errorf("limit 20 more: %d bytes, %v", len(got), err)
	}
	if len(src.requests) != 1 {
		t.Errorf("requests %v, want one: the segment is held", src.requests)
	}
	r.Limit(100_000) // beyond what the first request covered
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, pattern(30, 100_000)) {
		t.Errorf("limit 100,000 more: %d bytes, %v", len(got), err)
	}
	if got := readRange(t, r, 150_000, 1<<62); !bytes.Equal(got, pattern(150_000, 50_000)) {
		t.Error("after a seek: wrong bytes")
	}
}

// A seek beyond what the stream was asked for must not read on in it, however
// near it is.
func TestSeekBeyondTheStreamAsksAnew(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 400_000, MinPartSize)
	r, src := o.opener(t, OpenerOptions{})
	r.Limit(100_000)
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if got := readRange(t, r, 200_000, 10); !bytes.Equal(got, pattern(200_000, 10)) || len(src.requests) != 2 {
		t.Errorf("%d bytes, requests %v", len(got), src.requests)
	}
}

func TestSeekNearGoesOnWithTheStream(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	o := sealFile(t, size, 500_000)
	r, src := o.opener(t, OpenerOptions{})
	read := func(off int64) {
		t.Helper()
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5000)
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, pattern(off, 5000)) {
			t.Fatalf("at %d: error %v", off, err)
		}
	}
	for _, off := range []int64{0, 1000, 500, 30_000, 70_000, 75_000, 600_000, 1_500_000} {
		read(off)
	}
	if len(src.requests) != 1 {
		t.Errorf("near seeks: requests %v, want one", src.requests)
	}
	read(0)
	read(2_900_000)
	if len(src.requests) != 4 { // the last begins inside a part: 40 bytes more
		t.Errorf("far seeks: requests %v, want four", src.requests)
	}
	if src.open > 1 {
		t.Errorf("%d streams open", src.open)
	}
}

func TestReadAfterClose(t *testing.T) {
	t.Parallel()
	r, src := sealFile(t, 200_000, MinPartSize).opener(t, OpenerOptions{})
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil || src.open != 0 {
		t.Errorf("Close: %v, %d streams open", err, src.open)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestOpenerRefuses(t *testing.T) {
	t.Parallel()
	good := sealFile(t, 250, 100)
	for name, change := range map[string]func(*object){
		"zero key":       func(o *object) { o.key = Key{} },
		"negative size":  func(o *object) { o.file.Size = -1 },
		"no part size":   func(o *object) { o.file.PartSize = 0 },
		"too many parts": func(o *object) { o.file.Size = 100*MaxParts + 1 },
		"huge parts":     func(o *object) { o.file.Size, o.file.PartSize = 1<<60, 1<<60 },
	} {
		o := good
		change(&o)
		r, src := o.opener(t, OpenerOptions{})
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrInvalid) || len(src.requests) > 0 {
			t.Errorf("%s: Read = %d, %v", name, n, err)
		}
	}
	empty := good
	empty.file = File{ID: good.file.ID}
	r, _ := empty.opener(t, OpenerOptions{})
	if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("empty file: Read = %d, %v", n, err)
	}
}
