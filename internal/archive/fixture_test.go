package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"
	"time"
)

var errTest = errors.New("test error")

// request is a call of Open.
type request struct{ key, off, n int64 }

// shelf is a manifest and content that is made up from keys and offsets, with
// what was asked of it.
type shelf struct {
	entries []Entry
	pages   int
	opens   []request
	open    int // streams not closed

	failPage error                       // from Page
	failOpen error                       // from Open
	wrap     func(r io.Reader) io.Reader // around content, if set
}

func (s *shelf) source() Source { return Source{Page: s.page, Open: s.content} }

func (s *shelf) page(ctx context.Context, after int64, limit int) ([]Entry, error) {
	s.pages++
	if s.failPage != nil {
		return nil, s.failPage
	}
	first, _ := slices.BinarySearchFunc(s.entries, after+1, func(e Entry, key int64) int { return int(e.Key - key) })
	rest := s.entries[first:]
	return slices.Clone(rest[:min(limit, len(rest))]), ctx.Err()
}

func (s *shelf) content(ctx context.Context, e Entry, off, n int64) (io.ReadCloser, error) {
	s.opens = append(s.opens, request{e.Key, off, n})
	if off < 0 || n <= 0 || off+n > e.Size {
		return nil, fmt.Errorf("asked for %d bytes at %d of %d", n, off, e.Size)
	}
	if s.failOpen != nil {
		return nil, s.failOpen
	}
	s.open++
	made := &made{shelf: s, key: e.Key, off: off, end: off + n}
	if s.wrap != nil {
		return &wrapped{s.wrap(made), made}, ctx.Err()
	}
	if e.Key%2 == 0 {
		return &madeWriter{made}, ctx.Err()
	}
	return made, ctx.Err()
}

// made gives made-up content.
type made struct {
	shelf         *shelf
	key, off, end int64
	closed        bool
}

func (m *made) Read(p []byte) (int, error) {
	if m.closed {
		return 0, errors.New("read of closed content")
	}
	if m.off == m.end {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), m.end-m.off))
	fill(p[:n], m.key, m.off)
	m.off += int64(n)
	return n, nil
}

func (m *made) Close() error {
	if m.closed {
		return errors.New("content closed twice")
	}
	m.closed = true
	m.shelf.open--
	return nil
}

// madeWriter is made content that writes itself.
type madeWriter struct{ *made }

func (m *madeWriter) WriteTo(w io.Writer) (int64, error) {
	var total int64
	buf := make([]byte, 3000)
	for {
		n, err := m.Read(buf)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err = w.Write(buf[:n])
		total += int64(n)
		if err != nil {
			return total, fmt.Errorf("content writes itself: %w", err)
		}
	}
}

type wrapped struct {
	io.Reader
	io.Closer
}

// fill sets p to the bytes at off of a key's content.
func fill(p []byte, key, off int64) {
	x := uint64(key)<<40 + uint64(off)
	for i := range p {
		p[i] = byte((x + uint64(i)) * 0x9E3779B97F4A7C15 >> 56)
	}
}

func contentOf(e Entry) []byte {
	p := make([]byte, e.Size)
	fill(p, e.Key, 0)
	return p
}

// file is an entry with the CRC of its content.
func file(path string, size int64, modified time.Time) Entry {
	return Entry{Path: path, Size: size, Modified: modified}
}

// newShelf numbers the files, with gaps as deleted files leave them, and
// computes their CRCs.
func newShelf(files ...Entry) *shelf {
	for i := range files {
		files[i].Key = int64(i) * 3
		files[i].CRC32 = crc32.ChecksumIEEE(contentOf(files[i]))
	}
	return &shelf{entries: files}
}

// mixed has what is common, and each thing that is special for a ZIP.
func mixed() *shelf {
	day := time.Date(2024, 6, 15, 14, 30, 21, 0, time.UTC)
	files := []Entry{
		file("Hochzeit Müller/IMG_0001.CR3", 5000, day),
		file("Hochzeit Müller/img_0001.cr3", 70_001, day.Add(time.Second)),
		file("写真/家族 📷.jpg", 1, day),
		file("empty", 0, day),
		file("Empty/below a file's name", 0, day),
		file("EMPTY/below again", 3, day),
		file("CON", 10, day),
		file("aux.txt/trailing. . ", 11, day),
		file("../../etc/passwd", 12, day),
		file("/absolute", 13, day),
		file(`back\slash:colon`, 14, day),
		file("e\u0301 decomposed", 15, day),
		file("\u00e9 decomposed", 16, day),
		file("no time", 17, time.Time{}),
		file("before DOS", 18, time.Date(1975, 1, 2, 3, 4, 5, 0, time.UTC)),
		file("before Unix", 19, time.Date(1955, 1, 2, 3, 4, 5, 0, time.UTC)),
		file("after Unix", 20, time.Date(2070, 1, 2, 3, 4, 5, 0, time.UTC)),
		file("after DOS", 21, time.Date(2200, 1, 2, 3, 4, 5, 0, time.UTC)),
		file(longPath(1024), 22, day),
	}
	for i := range 200 {
		files = append(files, file(fmt.Sprintf("many/%d.txt", i), int64(i*i%300), day.Add(time.Duration(i)*time.Hour)))
	}
	files = append(files, file("last/empty", 0, day))
	return newShelf(files...)
}

// longPath is a path of n bytes, in segments of at most 255.
func longPath(n int) string {
	path := bytes.Repeat([]byte("n"), n)
	for i := 200; i < n; i += 201 {
		path[i] = '/'
	}
	return string(path)
}

func newPlan(t testing.TB, s *shelf) *Plan {
	t.Helper()
	p, err := NewPlan(t.Context(), s.source(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// whole reads an archive from its first byte to its last.
func whole(t testing.TB, p *Plan, s *shelf) []byte {
	t.Helper()
	r := p.Reader(t.Context(), s.source())
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(len(all)) != p.Size() || s.open != 0 {
		t.Fatalf("%d bytes of %d, and %d streams left open", len(all), p.Size(), s.open)
	}
	return all
}

// readerAt reads an archive by ranges.
type readerAt struct{ r *Reader }

func (a readerAt) ReadAt(p []byte, off int64) (int, error) {
	if _, err := a.r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	a.r.Limit(int64(len(p)))
	n, err := io.ReadFull(a.r, p)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}
