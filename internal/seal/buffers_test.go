package seal

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"testing/iotest"
)

// Parts that share their buffers, at once and one after another, stay
// themselves, also beside parts that broke off.
func TestPartsShareBuffers(t *testing.T) {
	t.Parallel()
	const size = 600_000
	want := sealPart(t, testKey("file"), onePart(size), pattern(0, size), testHead("1"))
	var shared Buffers
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for round := range 8 {
				body, step := io.Reader(bytes.NewReader(pattern(0, size))), []int{1000, SegmentSize, bufferSize, 1 << 20}[round%4]
				broken := round%3 != 1
				if broken {
					body = io.LimitReader(body, size-1)
				}
				r := partReader(t, size, iotest.HalfReader(body))
				r.buffers = &shared
				var got bytes.Buffer
				var err error
				if worker%2 == 0 {
					_, err = r.WriteTo(&got)
				} else {
					_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, step))
				}
				if (err != nil) != broken || !bytes.HasPrefix(want, got.Bytes()) || !broken && got.Len() != len(want) {
					t.Errorf("worker %d, round %d: %d of %d bytes, error %v", worker, round, got.Len(), len(want), err)
				}
				if r.ahead != nil || r.plain != nil {
					t.Errorf("worker %d, round %d: the end keeps a buffer", worker, round)
				}
			}
		})
	}
	wg.Wait()
}

// A store must not wait for more of a slow body than one segment, or it gives
// the body up.
func TestReadWaitsForOneSegmentOnly(t *testing.T) {
	t.Parallel()
	const size = 3 * segmentPlain
	come := func() io.Reader {
		return io.MultiReader(bytes.NewReader(pattern(0, segmentPlain)), iotest.ErrReader(errTest))
	}
	r := partReader(t, size, come())
	if n, err := r.Read(make([]byte, bufferSize)); n != SegmentSize || err != nil {
		t.Errorf("Read gave %d bytes and %v, want the first segment", n, err)
	}
	var first countingWriter
	if _, err := partReader(t, size, come()).WriteTo(&first); first != SegmentSize || err == nil {
		t.Errorf("WriteTo wrote %d bytes before it failed with %v, want the first segment", first, err)
	}
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}

// pieces is a body that comes in pieces of so many bytes at most.
type pieces struct {
	io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(p.size, len(b))]) }

// Of a body that trickles in, as of many slow guests at once, a segment is held as
// it came and one sealed; only one that comes in large pieces is worth more.
func TestSlowBodyHoldsLittle(t *testing.T) {
	t.Parallel()
	const size = 40 * SegmentSize
	want := sealPart(t, testKey("file"), onePart(size), pattern(0, size), testHead("1"))
	body := &pieces{bytes.NewReader(pattern(0, size)), 1000}
	r := partReader(t, size, body)
	r.buffers = &Buffers{}
	var got []byte
	p := make([]byte, bufferSize)
	for i, tc := range []struct{ piece, held int }{
		{1000, SegmentSize}, {1000, SegmentSize}, {1 << 20, SegmentSize}, {1 << 20, bufferSize}, {1000, bufferSize}, {1000, SegmentSize},
	} {
		body.size = tc.piece
		for before := len(r.plain); ; before = len(r.plain) { // until the body has been read again
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				t.Fatal(err)
			}
			if before < segmentPlain {
				break
			}
		}
		if len(r.ahead) != tc.held {
			t.Errorf("step %d: %d bytes are held of a body in pieces of %d, want %d", i, len(r.ahead), tc.piece, tc.held)
		}
	}
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(got, rest...), want) {
		t.Errorf("the sealed part differs, or %v", err)
	}
	var all bytes.Buffer
	slow := partReader(t, size, &pieces{bytes.NewReader(pattern(0, size)), 1000})
	if _, err := slow.WriteTo(writerFunc(func(b []byte) (int, error) {
		if len(slow.ahead) > SegmentSize || len(slow.buf) > SegmentSize {
			t.Errorf("%d and %d bytes are held while it is written", len(slow.ahead), len(slow.buf))
		}
		return all.Write(b)
	})); err != nil || !bytes.Equal(all.Bytes(), want) {
		t.Errorf("the written part differs, or %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
