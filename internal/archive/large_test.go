package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// TestLargeAndFar reads the headers of files beyond 32 bits, and ranges around
// their edges, of an archive nobody could keep.
func TestLargeAndFar(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	for i, size := range []int64{5, max32 - 1, max32, max32 + 1, 0, 9, 1 << 45, 7} {
		s.entries = append(s.entries, Entry{Key: int64(i), Path: fmt.Sprintf("f%d", i), Size: size, CRC32: uint32(i), Modified: time.Unix(1_700_000_000, 0)})
	}
	p := newPlan(t, s)
	r := p.Reader(t.Context(), s.source())
	z, err := zip.NewReader(readerAt{r}, p.Size())
	if err != nil {
		t.Fatal(err)
	}
	var at int64
	for i, f := range z.File {
		e := s.entries[i]
		header := int64(30 + 2 + 9)
		if e.Size >= max32 {
			header += 20
		}
		offset, err := f.DataOffset()
		if err != nil || offset != at+header {
			t.Errorf("%s: content at %d, want %d, error %v", f.Name, offset, at+header, err)
		}
		if f.UncompressedSize64 != uint64(e.Size) || f.CompressedSize64 != uint64(e.Size) || f.CRC32 != e.CRC32 {
			t.Errorf("%s: sizes %d and %d, CRC %x", f.Name, f.UncompressedSize64, f.CompressedSize64, f.CRC32)
		}
		for _, off := range []int64{0, e.Size / 2, e.Size - min(e.Size, 50)} {
			got, want := make([]byte, min(50, e.Size-off)), make([]byte, min(50, e.Size-off))
			fill(want, e.Key, off)
			if _, err := (readerAt{r}).ReadAt(got, offset+off); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: content at %d differs, error %v", f.Name, off, err)
			}
		}
		at = offset + e.Size
	}
	if at != p.central || len(z.File) != len(s.entries) {
		t.Errorf("%d files end at %d, the directory begins at %d", len(z.File), at, p.central)
	}
}

// blank is content of any length at no cost.
type blank struct {
	room []byte
	left int64
}

func (b *blank) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), b.left)
	b.left -= n
	return int(n), nil
}

func (b *blank) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for b.left > 0 {
		n, err := w.Write(b.room[:min(int64(len(b.room)), b.left)])
		total += int64(n)
		b.left -= int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (b *blank) Close() error { return nil }

const (
	hugeFiles = 100_000
	hugeSize  = 3_000_000
	hugeHead  = 30 + len("2024/shoot-000/IMG_000000.CR3") + 9
	hugeStep  = int64(hugeHead) + hugeSize
)

// huge is 300 GB in 100,000 files whose headers have the same length.
func huge() *shelf {
	s := &shelf{entries: make([]Entry, hugeFiles)}
	for i := range s.entries {
		s.entries[i] = Entry{
			Key: int64(i), Path: fmt.Sprintf("2024/shoot-%03d/IMG_%06d.CR3", i/1000, i),
			Size: hugeSize, CRC32: uint32(i), Modified: time.Unix(1_700_000_000+int64(i), 0),
		}
	}
	return s
}

// blankSource counts in opened what it opens, and gives nothing but zeros.
func (s *shelf) blankSource(opened *int) Source {
	room := make([]byte, 1<<20)
	return Source{Page: s.page, Open: func(_ context.Context, _ Entry, _, n int64) (io.ReadCloser, error) {
		*opened++
		return &blank{room, n}, nil
	}}
}

func TestHugeRanges(t *testing.T) {
	t.Parallel()
	s := huge()
	p := newPlan(t, s)
	if got, want := p.Size(), hugeFiles*hugeStep+int64(len(p.end))+p.endAt-p.central; got != want || p.central < 300e9 {
		t.Fatalf("size %d, want %d", got, want)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	r := p.Reader(t.Context(), s.source())
	for range 300 {
		off, n := rng.Int64N(p.Size()), int64(1)<<rng.IntN(22)
		got := make([]byte, min(n, p.Size()-off))
		s.opens, s.pages = nil, 0
		if _, err := (readerAt{r}).ReadAt(got, off); err != nil {
			t.Fatal(err)
		}
		var touched []request
		for i := off / hugeStep; i < hugeFiles && i*hugeStep < off+n; i++ {
			start := i*hugeStep + int64(hugeHead)
			from, to := max(off, start), min(off+n, start+hugeSize)
			if from >= to {
				continue
			}
			touched = append(touched, request{i, from - start, to - from})
			want := make([]byte, to-from)
			fill(want, i, from-start)
			if !bytes.Equal(got[from-off:to-off], want) {
				t.Fatalf("content of file %d differs", i)
			}
		}
		if fmt.Sprint(touched) != fmt.Sprint(s.opens) || s.pages > 2 {
			t.Fatalf("range %d+%d: opened %v in %d pages, want %v", off, n, s.opens, s.pages, touched)
		}
	}
	if _, err := zip.NewReader(readerAt{r}, p.Size()); err != nil {
		t.Errorf("directory: %v", err)
	}
}

// TestHugeMemory is not parallel: it looks at the memory of the process.
func TestHugeMemory(t *testing.T) {
	s := huge()
	before := memory()
	p := newPlan(t, s)
	if kept := memory() - before; kept > 256<<10 || p.Footprint() > 1*hugeFiles {
		t.Errorf("a plan of %d files keeps %d bytes, and says %d", hugeFiles, kept, p.Footprint())
	}
	opened := 0
	r := p.Reader(t.Context(), s.blankSource(&opened))
	watch := &watcher{every: p.Size() / 8}
	if n, err := r.WriteTo(watch); err != nil || n != p.Size() {
		t.Fatalf("wrote %d of %d, error %v", n, p.Size(), err)
	}
	if grown := watch.peak - before; grown > 2<<20 {
		t.Errorf("reading took %d bytes of memory", grown)
	}
	if opened != hugeFiles {
		t.Errorf("%d contents opened, want %d", opened, hugeFiles)
	}
	runtime.KeepAlive(s)
}

// watcher notes how much memory is in use, now and then.
type watcher struct {
	every, next, written, peak int64
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.written += int64(len(p)); w.written >= w.next {
		w.next += w.every
		w.peak = max(w.peak, memory())
	}
	return len(p), nil
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
