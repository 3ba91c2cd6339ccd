package seal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
)

const benchSize = 64 << 20

// zeros is an endless body that costs as much as the copy into the buffer.
type zeros struct{ chunk []byte }

func (z zeros) Read(p []byte) (int, error) { return copy(p, z.chunk), nil }

// BenchmarkBareGCM is what no sealing can be cheaper than: the segments of
// the same bytes, without a body, a copy or a check.
func BenchmarkBareGCM(b *testing.B) {
	s, err := newSegments(new(testKey("file")), onePart(benchSize), testHead("1"))
	if err != nil {
		b.Fatal(err)
	}
	plain, buf := make([]byte, segmentPlain), make([]byte, SegmentSize)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		for i := range segmentCount(benchSize) {
			s.sealTo(buf, i, false, plain)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	seal := func(b *testing.B, copyOut func(r *PartReader) (int64, error)) {
		body := zeros{make([]byte, 1<<20)}
		b.SetBytes(benchSize)
		b.ReportAllocs()
		for b.Loop() {
			r, err := NewPartReader(testKey("file"), onePart(benchSize), io.LimitReader(body, benchSize), PartOptions{})
			if err != nil {
				b.Fatal(err)
			}
			if n, err := copyOut(r); err != nil || n != r.Len() {
				b.Fatal(n, err)
			}
		}
	}
	for _, step := range []int{32 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("Read%dK", step>>10), func(b *testing.B) {
			buf := make([]byte, step)
			seal(b, func(r *PartReader) (int64, error) {
				return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf)
			})
		})
	}
	b.Run("WriteTo", func(b *testing.B) {
		seal(b, func(r *PartReader) (int64, error) { return r.WriteTo(io.Discard) })
	})
}

func BenchmarkSealSmall(b *testing.B) {
	body := pattern(0, 1000)
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewPartReader(testKey("file"), onePart(1000), bytes.NewReader(body), PartOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	f := File{ID: testID("file"), Size: benchSize, PartSize: MinPartSize}
	var sealed []byte
	for n := 1; n <= PartCount(f.Size, f.PartSize); n++ {
		p := f.Part(n)
		sealed = append(sealed, sealPart(b, testKey("file"), p, make([]byte, p.Size), testHead("1"))...)
	}
	src := func(_ context.Context, off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(sealed[off : off+n])), nil
	}
	open := func(b *testing.B, copyOut func(r *Opener) (int64, error)) {
		b.SetBytes(benchSize)
		b.ReportAllocs()
		for b.Loop() {
			r := NewOpener(b.Context(), testKey("file"), f, src, OpenerOptions{})
			if n, err := copyOut(r); err != nil || n != benchSize {
				b.Fatal(n, err)
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("Read32K", func(b *testing.B) {
		buf := make([]byte, 32<<10)
		open(b, func(r *Opener) (int64, error) {
			return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf)
		})
	})
	b.Run("WriteTo", func(b *testing.B) {
		open(b, func(r *Opener) (int64, error) { return r.WriteTo(io.Discard) })
	})
}
