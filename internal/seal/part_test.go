package seal

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func onePart(size int64) Part {
	return Part{FileID: testID("file"), PartSize: max(size, MinPartSize), Number: 1, Last: true, Size: size}
}

func partReader(t testing.TB, size int64, body io.Reader, digests ...Digest) *PartReader {
	t.Helper()
	head := testHead("1")
	r, err := NewPartReader(testKey("file"), onePart(size), body, PartOptions{Rand: bytes.NewReader(head[:]), Digests: digests})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPartReaderKeepsTheReaderContract(t *testing.T) {
	t.Parallel()
	for _, size := range boundaries() {
		want := sealPart(t, testKey("file"), onePart(size), pattern(0, size), testHead("1"))
		if err := iotest.TestReader(partReader(t, size, bytes.NewReader(pattern(0, size))), want); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// However it is read, and however the body comes, the sealed part is the same.
func TestPartReaderGivesTheSameBytesEachWay(t *testing.T) {
	t.Parallel()
	bodies := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "end with data": iotest.DataErrReader,
	}
	for _, size := range boundaries() {
		want := sealPart(t, testKey("file"), onePart(size), pattern(0, size), testHead("1"))
		for name, wrap := range bodies {
			fresh := func() *PartReader { return partReader(t, size, wrap(bytes.NewReader(pattern(0, size)))) }
			for _, step := range []int{1000, 1 << 15, SegmentSize, 1 << 20} {
				var got bytes.Buffer
				r := fresh()
				if _, err := io.CopyBuffer(&got, struct{ io.Reader }{r}, make([]byte, step)); err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%d bytes, body %s, steps of %d: differs, error %v", size, name, step, err)
				}
				checkSums(t, r, size)
			}
			var got bytes.Buffer
			r := fresh()
			if n, err := r.WriteTo(&got); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes, body %s, WriteTo: differs, wrote %d, error %v", size, name, n, err)
			}
			checkSums(t, r, size)
		}
	}
}

func checkSums(t *testing.T, r *PartReader, size int64) {
	t.Helper()
	if r.CRC32() != crc32.ChecksumIEEE(pattern(0, size)) {
		t.Errorf("%d bytes: CRC is wrong", size)
	}
	if r.Head() != testHead("1") || r.Len() != SealedLen(size) {
		t.Errorf("%d bytes: head or length is wrong", size)
	}
}

func TestReadThenWriteTo(t *testing.T) {
	t.Parallel()
	const size = 200_000
	want := sealPart(t, testKey("file"), onePart(size), pattern(0, size), testHead("1"))
	r := partReader(t, size, bytes.NewReader(pattern(0, size)))
	got := make([]byte, 1000)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	if _, err := r.WriteTo(&rest); err != nil || !bytes.Equal(append(got, rest.Bytes()...), want) {
		t.Errorf("differs, error %v", err)
	}
}

// The last segment stays back whenever the body is not what was announced, so
// what leaves is shorter than announced.
func TestLastSegmentIsHeldBack(t *testing.T) {
	t.Parallel()
	sha := func(b []byte) Digest { s := sha256.Sum256(b); return Digest{sha256.New(), s[:]} }
	md := func(b []byte) Digest { s := md5.Sum(b); return Digest{md5.New(), s[:]} }
	cut := func(b []byte) io.Reader {
		return io.MultiReader(bytes.NewReader(b[:len(b)-1]), iotest.ErrReader(io.ErrUnexpectedEOF))
	}
	plain := func(b []byte) io.Reader { return bytes.NewReader(b) }
	for _, c := range []struct {
		name    string
		body    func(b []byte) io.Reader
		digests func(b []byte) []Digest
		want    error
	}{
		{"short", func(b []byte) io.Reader { return bytes.NewReader(b[1:]) }, nil, ErrBodyShort},
		{"empty", func([]byte) io.Reader { return strings.NewReader("") }, nil, ErrBodyShort},
		{"long", func(b []byte) io.Reader { return bytes.NewReader(append(b, 0)) }, nil, ErrBodyLong},
		{"cut", cut, nil, io.ErrUnexpectedEOF},
		{"fault after the end", func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b), iotest.ErrReader(errTest)) }, nil, errTest},
		{"fault with the last byte", func(b []byte) io.Reader { return &lastWord{b: b, err: errTest} }, nil, errTest},
		{"digest", plain, func(b []byte) []Digest { return []Digest{sha(b[1:])} }, ErrDigest},
		{"second digest", plain, func(b []byte) []Digest { return []Digest{sha(b), md(b[1:])} }, ErrDigest},
		{"digests agree", plain, func(b []byte) []Digest { return []Digest{sha(b), md(b)} }, nil},
	} {
		for _, size := range boundaries()[1:] {
			for _, step := range []int{7777, SegmentSize} {
				b := pattern(0, size)
				var digests []Digest
				if c.digests != nil {
					digests = c.digests(b)
				}
				r := partReader(t, size, c.body(b), digests...)
				var got bytes.Buffer
				_, err := io.CopyBuffer(&got, struct{ io.Reader }{r}, make([]byte, step))
				if !errors.Is(err, c.want) {
					t.Errorf("%s, %d bytes: error %v, want %v", c.name, size, err, c.want)
				}
				last := (SealedLen(size) - 1) / SegmentSize * SegmentSize
				if c.want != nil && int64(got.Len()) > last {
					t.Errorf("%s, %d bytes: %d sealed bytes left, the last segment starts at %d", c.name, size, got.Len(), last)
				}
				if _, again := r.Read(make([]byte, 1)); c.want != nil && again != err {
					t.Errorf("%s: second read says %v, first said %v", c.name, again, err)
				}
			}
		}
	}
}

// lastWord gives an error together with its last bytes, and io.EOF after it.
type lastWord struct {
	b   []byte
	err error
}

func (l *lastWord) Read(p []byte) (int, error) {
	n := copy(p, l.b)
	l.b = l.b[n:]
	if len(l.b) > 0 {
		return n, nil
	}
	err := l.err
	l.err = io.EOF
	return n, err
}

func TestShortBodyLeavesNoPlainBytesBehind(t *testing.T) {
	t.Parallel()
	const size = 5000
	buf := make([]byte, SegmentSize)
	r := partReader(t, size, bytes.NewReader(pattern(0, size-1)))
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, ErrBodyShort) {
		t.Fatalf("Read = %d, %v", n, err)
	}
	if !bytes.Equal(buf, make([]byte, len(buf))) {
		t.Error("plain bytes stay in the caller's buffer")
	}
}

func TestWriteToStopsWithTheWriter(t *testing.T) {
	t.Parallel()
	const size = 200_000
	r := partReader(t, size, bytes.NewReader(pattern(0, size)))
	if _, err := r.WriteTo(failingWriter{}); !errors.Is(err, errTest) {
		t.Errorf("error %v", err)
	}
	r = partReader(t, size, bytes.NewReader(pattern(0, size)))
	if _, err := r.WriteTo(shortWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
	r = partReader(t, size, bytes.NewReader(pattern(0, size-1)))
	if n, err := r.WriteTo(io.Discard); !errors.Is(err, ErrBodyShort) || n >= SealedLen(size) {
		t.Errorf("wrote %d, error %v", n, err)
	}
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, ErrBodyShort) {
		t.Errorf("a second WriteTo forgot the error: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errTest }

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestEveryAttemptHasAFreshSalt(t *testing.T) {
	t.Parallel()
	seen := map[[HeadSize]byte]bool{}
	for range 100 {
		r, err := NewPartReader(testKey("file"), onePart(10), bytes.NewReader(pattern(0, 10)), PartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		seen[r.Head()] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d heads in 100 attempts", len(seen))
	}
}

func TestNewPartReaderRefuses(t *testing.T) {
	t.Parallel()
	good := Part{PartSize: 100, Number: 2, Last: true, Size: 50}
	for name, change := range map[string]func(*Part){
		"part 0":                 func(p *Part) { p.Number = 0 },
		"negative part":          func(p *Part) { p.Number = -1 },
		"part 10,001":            func(p *Part) { p.Number = MaxParts + 1 },
		"no part size":           func(p *Part) { p.PartSize = 0 },
		"negative size":          func(p *Part) { p.Size = -1 },
		"larger than a part":     func(p *Part) { p.Size = 101 },
		"short but not last":     func(p *Part) { p.Last = false },
		"more segments than u32": func(p *Part) { p.PartSize, p.Size = 1<<50, 1<<50 },
	} {
		p := good
		change(&p)
		if _, err := NewPartReader(testKey("file"), p, strings.NewReader(""), PartOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := NewPartReader(Key{}, good, strings.NewReader(""), PartOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("zero key: error %v", err)
	}
	if _, err := NewPartReader(testKey("file"), good, strings.NewReader(""), PartOptions{Rand: strings.NewReader("too short")}); err == nil {
		t.Error("a random source that ends gives a reader")
	}
}

// A small part must not cost a whole segment's buffer.
func TestSmallPartTakesASmallBuffer(t *testing.T) {
	t.Parallel()
	r := partReader(t, 100, bytes.NewReader(pattern(0, 100)))
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if cap(r.buf) > 1024 || cap(r.ahead) > 1024 {
		t.Errorf("buffers of %d and %d bytes for a part of 100", cap(r.buf), cap(r.ahead))
	}
}
