package seal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// A seek back into a part whose head has proven right needs no second look,
// not even where the header in the object is damaged.
func TestHeadIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	o := sealFile(t, 1<<20, MinPartSize).flipped(9)
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

// Where there is no other head to try, damage costs no further request, so a
// damaged object is not fetched twice.
func TestDamageIsNotFetchedTwice(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 300_000, MinPartSize)
	for _, c := range []struct {
		name     string
		breakAt  int
		off      int64
		segment  int64
		requests int
	}{
		{"first segment, the row has the same head", 1000, 0, 0, 1},
		{"inside, the object has the same head", SegmentSize + 1, 100_000, 1, 2},
		{"a later segment", 2*SegmentSize + 1, 0, 2, 1},
		{"a later segment of a read from inside", 3*SegmentSize + 1, 100_000, 3, 1},
	} {
		r, src := o.flipped(c.breakAt).opener(t, OpenerOptions{Heads: o.known})
		if _, err := r.Seek(c.off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if at, ok := errors.AsType[*SegmentError](err); !ok || at.Segment != c.segment || !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if want := max(0, c.segment*segmentPlain-HeaderSize-c.off); !bytes.Equal(got, pattern(c.off, want)) {
			t.Errorf("%s: %d bytes came out, want %d", c.name, len(got), want)
		}
		if len(src.requests) != c.requests {
			t.Errorf("%s: requests %v, want %d", c.name, src.requests, c.requests)
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
