package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// A seek back into a part whose head has proven right needs no second look.
func TestHeadIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	o := sealFile(t, 1<<20, MinPartSize)
	r, src := o.opener(t, OpenerOptions{Heads: func(ctx context.Context, part int) ([HeadSize]byte, bool, error) {
		asked++
		return o.known(ctx, part)
	}})
	for _, off := range []int64{900_000, 500_000, 0, 100_000} {
		if got := readRange(t, r, off, 10); !bytes.Equal(got, pattern(off, 10)) {
			t.Errorf("at %d: wrong bytes", off)
		}
	}
	if asked != 1 || len(src.requests) != 4 {
		t.Errorf("asked %d times for a head, requests %v", asked, src.requests)
	}
}

// Row and object each stand in for the other's damaged head.
func TestEitherHeadWillDo(t *testing.T) {
	t.Parallel()
	wrong := func(context.Context, int) ([HeadSize]byte, bool, error) { return testHead("other"), true, nil }
	unknown := func(context.Context, int) (h [HeadSize]byte, known bool, err error) { return h, false, nil }
	failing := func(context.Context, int) (h [HeadSize]byte, known bool, err error) { return h, false, errTest }
	o := sealFile(t, 200_000, MinPartSize)
	for _, c := range []struct {
		name       string
		heads      func(o object) Heads
		breakAt    int // of the header; -1 leaves it whole
		off        int64
		requests   int
		want       error
		wantDamage int
	}{
		{"row wrong, start", func(object) Heads { return wrong }, -1, 0, 1, nil, 0},
		{"row wrong, inside", func(object) Heads { return wrong }, -1, 100_000, 3, nil, 0},
		{"row unknown, inside", func(object) Heads { return unknown }, -1, 100_000, 2, nil, 0},
		{"row fails, start", func(object) Heads { return failing }, -1, 0, 1, nil, 0},
		{"row fails, inside", func(object) Heads { return failing }, -1, 100_000, 0, errTest, 0},
		{"object wrong, start", func(o object) Heads { return o.known }, 5, 0, 2, nil, 0},
		{"object's length byte wrong, start", func(o object) Heads { return o.known }, 0, 0, 2, nil, 0},
		{"object wrong, inside", func(o object) Heads { return o.known }, 5, 100_000, 1, nil, 0},
		{"object wrong, row fails", func(object) Heads { return failing }, 5, 0, 1, errTest, 0},
		{"object wrong, row unknown, start", func(object) Heads { return unknown }, 5, 0, 1, ErrDamaged, 1},
		{"object wrong, row unknown, inside", func(object) Heads { return unknown }, 5, 100_000, 2, ErrDamaged, 1},
		{"object's length byte wrong, no row, inside", func(object) Heads { return nil }, 0, 100_000, 1, ErrDamaged, 1},
		{"both wrong, start", func(object) Heads { return wrong }, 5, 0, 2, ErrDamaged, 1},
		{"both wrong, inside", func(object) Heads { return wrong }, 5, 100_000, 3, ErrDamaged, 1},
	} {
		damage := 0
		broken := o
		if c.breakAt >= 0 {
			broken.bytes = bytes.Clone(o.bytes)
			broken.bytes[c.breakAt] ^= 1
		}
		r, src := broken.opener(t, OpenerOptions{Heads: c.heads(o), OnDamage: func(int, int64, error) { damage++ }})
		if _, err := r.Seek(c.off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, c.want) || c.want == nil && !bytes.Equal(got, pattern(c.off, 200_000-c.off)) || c.want != nil && len(got) > 0 {
			t.Errorf("%s: %d bytes, error %v, want %v", c.name, len(got), err, c.want)
		}
		if len(src.requests) != c.requests || damage != c.wantDamage {
			t.Errorf("%s: %d requests, want %d (%v); damage told %d times, want %d", c.name, len(src.requests), c.requests, src.requests, damage, c.wantDamage)
		}
	}
}

// Every byte of an object counts: whichever is changed, what comes out is the
// true beginning of the file, then damage with the right place.
func TestEveryFlippedByteIsDamage(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 250, 100)
	for i := range o.bytes {
		broken := o
		broken.bytes = bytes.Clone(o.bytes)
		broken.bytes[i] ^= 0x40
		part := i/int(SealedLen(100)) + 1
		var told []int
		r, _ := broken.opener(t, OpenerOptions{OnDamage: func(part int, segment int64, err error) {
			if segment != 0 || !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d: told of segment %d, %v", i, segment, err)
			}
			told = append(told, part)
		}})
		got, err := io.ReadAll(r)
		at, ok := errors.AsType[*SegmentError](err)
		if !errors.Is(err, ErrDamaged) || errors.Is(err, ErrTruncated) || !ok || at.Part != part || at.Segment != 0 {
			t.Errorf("byte %d: error %v, want damage of part %d", i, err, part)
		}
		if !bytes.Equal(got, pattern(0, int64(part-1)*100)) || !cmp.Equal(told, []int{part}) {
			t.Errorf("byte %d: %d bytes came out, told %v", i, len(got), told)
		}
	}
}

// Wherever the source ends, that is a short read and not damage.
func TestEveryCutIsTruncation(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 250, 100)
	for i := range o.bytes {
		cut := o
		cut.bytes = o.bytes[:i]
		r, _ := cut.opener(t, OpenerOptions{OnDamage: func(int, int64, error) { t.Errorf("cut at %d: told of damage", i) }})
		got, err := io.ReadAll(r)
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: error %v", i, err)
		}
		if want := int64(i) / SealedLen(100) * 100; !bytes.Equal(got, pattern(0, want)) {
			t.Errorf("cut at %d: %d bytes came out, want %d", i, len(got), want)
		}
	}
}

func TestFaultOfTheSourceIsNeitherDamageNorTruncation(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 200_000, MinPartSize)
	r, src := o.opener(t, OpenerOptions{})
	src.wrap = func(in io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(in, 100_000), iotest.ErrReader(errTest))
	}
	got, err := io.ReadAll(r)
	if !errors.Is(err, errTest) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrTruncated) {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(got, pattern(0, 65_480)) {
		t.Errorf("%d bytes came out", len(got))
	}
	if _, again := r.Read(make([]byte, 1)); again != err || r.Err() != err {
		t.Errorf("a second read says %v, Err %v", again, r.Err())
	}
	if len(src.requests) != 1 || src.open != 0 {
		t.Errorf("requests %v, %d open", src.requests, src.open)
	}
	src.wrap = nil // the source is back
	if rest := readRange(t, r, int64(len(got)), 200_000); !bytes.Equal(rest, pattern(65_480, 200_000-65_480)) || r.Err() != nil {
		t.Errorf("after a seek: %d bytes, Err %v", len(rest), r.Err())
	}
}

func TestSourceThatRefuses(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 200_000, MinPartSize)
	for _, off := range []int64{0, 100_000} {
		r := NewOpener(t.Context(), o.key, o.file, func(context.Context, int64, int64) (io.ReadCloser, error) { return nil, errTest }, OpenerOptions{})
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errTest) {
			t.Errorf("at %d: Read = %d, %v", off, n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	src := &source{bytes: o.bytes}
	r := NewOpener(ctx, o.key, o.file, src.get, OpenerOptions{})
	cancel()
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: error %v", err)
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

// A key printed by mistake, inside whatever holds it, must not show.
func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 250, 100)
	key := Key(bytes.Repeat([]byte{0xab}, 32))
	ring := mustRing(t, FormatEntry(MasterKey{1, key}))
	opener := NewOpener(t.Context(), key, o.file, nil, OpenerOptions{})
	part, err := NewPartReader(key, o.file.Part(1), bytes.NewReader(nil), PartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ held any }
	for _, v := range []any{key, &key, MasterKey{1, key}, []Key{key}, ring, *ring, opener, part, holder{ring}, &holder{opener}, holder{part}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%o"} {
			got := fmt.Sprintf(verb, v)
			for _, leak := range []string{"abab", "ABAB", "171 171", "171, 171", "0xab, 0xab", "253 253", "\xab\xab", `\xab\xab`} {
				if bytes.Contains([]byte(got), []byte(leak)) {
					t.Errorf("%s of a %T shows the key: %s", verb, v, got)
				}
			}
		}
	}
	for _, v := range []any{key, MasterKey{1, key}, ring} {
		if got := mustJSON(t, v); bytes.Contains(got, []byte("171")) {
			t.Errorf("JSON of a %T shows the key: %s", v, got)
		}
	}
}
