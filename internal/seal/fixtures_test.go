package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
)

var errTest = fmt.Errorf("a fault of the test")

// pattern returns n plain bytes of a file from offset off on, as the vectors
// have them.
func pattern(off, n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((off + int64(i)) % 251)
	}
	return b
}

func testKey(name string) Key { return sha256.Sum256([]byte("key " + name)) }

func testID(name string) [16]byte {
	sum := sha256.Sum256([]byte("id " + name))
	return [16]byte(sum[:16])
}

func testHead(name string) (h [HeadSize]byte) {
	salt, prefix := sha256.Sum256([]byte("salt "+name)), sha256.Sum256([]byte("prefix "+name))
	copy(h[:], salt[:])
	copy(h[saltSize:], prefix[:])
	return h
}

// object is a sealed file with the heads that sealed its parts.
type object struct {
	key   Key
	file  File
	bytes []byte
	heads [][HeadSize]byte
}

func sealPart(t testing.TB, key Key, p Part, body []byte, head [HeadSize]byte) []byte {
	t.Helper()
	r, err := NewPartReader(key, p, bytes.NewReader(body), PartOptions{Rand: bytes.NewReader(head[:])})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func sealFile(t testing.TB, size, partSize int64) object {
	t.Helper()
	o := object{key: testKey("file"), file: File{ID: testID("file"), Size: size, PartSize: partSize}}
	for n := 1; n <= PartCount(size, partSize); n++ {
		head := testHead(fmt.Sprint(n))
		p := o.file.Part(n)
		o.heads = append(o.heads, head)
		o.bytes = append(o.bytes, sealPart(t, o.key, p, pattern(int64(n-1)*partSize, p.Size), head)...)
	}
	return o
}

// request is one call of a source.
type request struct{ Off, N int64 }

// source serves sealed bytes from memory and remembers what it was asked.
type source struct {
	bytes    []byte
	requests []request
	open     int
	wrap     func(io.Reader) io.Reader
}

func (s *source) get(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.requests = append(s.requests, request{off, n})
	s.open++
	from := min(off, int64(len(s.bytes)))
	to := min(off+n, int64(len(s.bytes)))
	var r io.Reader = bytes.NewReader(s.bytes[from:to])
	if s.wrap != nil {
		r = s.wrap(r)
	}
	return &closer{Reader: r, s: s}, nil
}

type closer struct {
	io.Reader
	s *source
}

func (c *closer) Close() error {
	c.s.open--
	return nil
}

// opener returns an opener of o over a fresh source.
func (o object) opener(t testing.TB, opts OpenerOptions) (*Opener, *source) {
	t.Helper()
	s := &source{bytes: o.bytes}
	r := NewOpener(t.Context(), o.key, o.file, s.get, opts)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if s.open != 0 {
			t.Errorf("%d streams left open", s.open)
		}
	})
	return r, s
}

// known makes Heads of the heads that sealed o.
func (o object) known(_ context.Context, part int) ([HeadSize]byte, bool, error) {
	return o.heads[part-1], true, nil
}

// boundaries are the plain sizes of a part at which something changes.
func boundaries() []int64 {
	const first = segmentPlain - HeaderSize
	return []int64{
		0, 1, first - 1, first, first + 1, segmentPlain, SegmentSize,
		first + segmentPlain - 1, first + segmentPlain, first + segmentPlain + 1,
		first + 3*segmentPlain, first + 3*segmentPlain + 1,
	}
}
