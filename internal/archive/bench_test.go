package archive

import (
	"io"
	"testing"
)

// BenchmarkPlan is of 100,000 files in 100 folders.
func BenchmarkPlan(b *testing.B) {
	s := huge()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewPlan(b.Context(), s.source(), Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(hugeFiles*b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkFirstByte is of a range in the middle, with a new Reader.
func BenchmarkFirstByte(b *testing.B) {
	s := huge()
	p := newPlan(b, s)
	opened := 0
	src := s.blankSource(&opened)
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		r := p.Reader(b.Context(), src)
		if _, err := r.Seek(p.Size()/2, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteTo is what the archive adds to its content: files of 3 MB and,
// as small ones cost the most, of 1 KB.
func BenchmarkWriteTo(b *testing.B) {
	for name, size := range map[string]int64{"3MB": hugeSize, "1KB": 1000} {
		b.Run(name, func(b *testing.B) {
			s := huge()
			s.entries = s.entries[:10_000]
			for i := range s.entries {
				s.entries[i].Size = size
			}
			p := newPlan(b, s)
			opened := 0
			r := p.Reader(b.Context(), s.blankSource(&opened))
			b.SetBytes(p.Size())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Seek(0, io.SeekStart); err != nil {
					b.Fatal(err)
				}
				if n, err := r.WriteTo(struct{ io.Writer }{io.Discard}); n != p.Size() || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
