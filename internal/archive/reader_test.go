package archive

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// FuzzRange reads any range in two ways, against the whole.
func FuzzRange(f *testing.F) {
	s := mixed()
	p := newPlan(f, s)
	all := whole(f, p, s)
	f.Add(int64(0), p.Size())
	f.Add(p.central-1, int64(2))
	f.Add(p.endAt, int64(22))
	f.Add(p.Size(), int64(1))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(int64(5050), int64(-1))
	f.Fuzz(func(t *testing.T, off, n int64) {
		s := mixed()
		r := p.Reader(t.Context(), s.source())
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			if off >= 0 || !errors.Is(err, fs.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		start := min(off, p.Size())
		want := all[start:min(start+min(max(0, n), p.Size()), p.Size())]
		r.Limit(n)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %d bytes that differ, error %v", len(got), err)
		}
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r.Limit(n)
		var written bytes.Buffer
		if _, err := r.WriteTo(&written); err != nil || !bytes.Equal(written.Bytes(), want) {
			t.Errorf("wrote %d bytes that differ, error %v", written.Len(), err)
		}
		if err := r.Close(); err != nil || s.open != 0 {
			t.Errorf("%d streams left open, error %v", s.open, err)
		}
	})
}

// TestReaderIsASlice makes any manifest, and does with a Reader what can be done,
// against a bytes.Reader over the archive read once from its first byte.
func TestReaderIsASlice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.SampledFrom([]string{"a", "A", "b.txt", "B.TXT", "CON", "é", "e\u0301", "x.", "..", "写真", strings.Repeat("n", 255)})
		entry := rapid.Custom(func(t *rapid.T) Entry {
			path := strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "path"), "/")
			return file(path, rapid.Int64Range(0, 300).Draw(t, "size"), time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "time"), 0))
		})
		s := newShelf(rapid.SliceOfN(entry, 0, 200).Draw(t, "manifest")...)
		p, err := NewPlan(t.Context(), s.source(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := p.Reader(t.Context(), s.source())
		var all bytes.Buffer
		if n, err := r.WriteTo(&all); err != nil || n != p.Size() {
			t.Fatalf("wrote %d of %d, error %v", n, p.Size(), err)
		}
		m := model{r: r, all: all.Bytes(), off: p.Size(), end: p.Size()}
		t.Repeat(map[string]func(*rapid.T){"seek": m.seek, "limit": m.limit, "read": m.read, "write": m.write})
		if err := r.Close(); err != nil || s.open != 0 {
			t.Fatalf("%d streams left open, error %v", s.open, err)
		}
	})
}

// model is what a Reader should be.
type model struct {
	r        *Reader
	all      []byte
	off, end int64
}

func (m *model) seek(t *rapid.T) {
	to := rapid.Int64Range(0, int64(len(m.all))+5).Draw(t, "offset")
	var got int64
	var err error
	switch whence := rapid.IntRange(0, 2).Draw(t, "whence"); whence {
	case io.SeekStart:
		got, err = m.r.Seek(to, whence)
	case io.SeekCurrent:
		got, err = m.r.Seek(to-m.off, whence)
	case io.SeekEnd:
		got, err = m.r.Seek(to-int64(len(m.all)), whence)
	}
	if got != to || err != nil {
		t.Fatalf("Seek = %d, %v, want %d", got, err, to)
	}
	m.off, m.end = to, int64(len(m.all))
}

func (m *model) limit(t *rapid.T) {
	n := rapid.Int64Range(-2, int64(len(m.all))+5).Draw(t, "limit")
	m.r.Limit(n)
	m.end = min(m.off+max(0, n), max(m.off, int64(len(m.all))))
}

func (m *model) read(t *rapid.T) {
	buf := make([]byte, rapid.IntRange(0, 400).Draw(t, "room"))
	n, err := m.r.Read(buf)
	if len(buf) > 0 && m.off >= m.end {
		if n != 0 || err != io.EOF {
			t.Fatalf("Read at the end = %d, %v", n, err)
		}
		return
	}
	if err != nil || len(buf) > 0 && n == 0 || int64(n) > m.end-min(m.off, m.end) {
		t.Fatalf("Read = %d, %v with %d left", n, err, m.end-m.off)
	}
	m.took(t, buf[:n])
}

func (m *model) write(t *rapid.T) {
	var got bytes.Buffer
	left := max(0, m.end-m.off)
	if n, err := m.r.WriteTo(&got); n != left || int64(got.Len()) != left || err != nil {
		t.Fatalf("WriteTo = %d, %v with %d left", n, err, left)
	}
	m.took(t, got.Bytes())
}

func (m *model) took(t *rapid.T, got []byte) {
	if len(got) > 0 && !bytes.Equal(got, m.all[m.off:m.off+int64(len(got))]) {
		t.Fatalf("%d bytes at %d differ", len(got), m.off)
	}
	m.off += int64(len(got))
}

func TestReaderContract(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	all := whole(t, p, s)
	if err := iotest.TestReader(p.Reader(t.Context(), s.source()), all); err != nil {
		t.Error(err)
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "end with data": iotest.DataErrReader} {
		s.wrap = wrap
		r := p.Reader(t.Context(), s.source())
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all) {
			t.Errorf("%s: read %d bytes that differ, error %v", name, len(got), err)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := r.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), all) {
			t.Errorf("%s: wrote %d bytes that differ, error %v", name, got.Len(), err)
		}
	}
}

func TestNothingIsAskedBeforeRead(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	s.pages = 0
	r := p.Reader(t.Context(), s.source())
	if n, err := r.Seek(0, io.SeekEnd); n != p.Size() || err != nil {
		t.Errorf("Seek = %d, %v", n, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v", n, err)
	}
	for _, bad := range []struct {
		off    int64
		whence int
	}{{-1, io.SeekStart}, {0, 3}, {math.MaxInt64, io.SeekCurrent}} {
		if _, err := r.Seek(bad.off, bad.whence); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Seek(%d, %d): error %v", bad.off, bad.whence, err)
		}
	}
	if _, err := r.Seek(p.endAt, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, p.end) {
		t.Errorf("end records: %x, %v", got, err)
	}
	if s.pages != 0 || len(s.opens) != 0 {
		t.Errorf("%d pages and %d contents were asked for", s.pages, len(s.opens))
	}
}

// TestRequestsAreExact asks for a range over three files, the middle one whole.
func TestRequestsAreExact(t *testing.T) {
	t.Parallel()
	day := time.Unix(1_700_000_000, 0)
	s := newShelf(file("a", 1000, day), file("b", 0, day), file("c", 500, day), file("d", 1000, day))
	p := newPlan(t, s)
	const head = 30 + 1 + 9
	r := p.Reader(t.Context(), s.source())
	for range 2 { // the second time the manifest's page is held
		s.opens = nil
		if _, err := r.Seek(head+900, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r.Limit(100 + 2*head + 500 + head + 7)
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]request{{0, 900, 100}, {6, 0, 500}, {9, 0, 7}}, s.opens, cmp.AllowUnexported(request{})); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	}
	if s.pages != 2 || s.open != 0 {
		t.Errorf("%d pages read, want one to plan and one to read; %d streams open", s.pages, s.open)
	}
	s.opens = nil
	for _, off := range []int64{0, head + 1000, p.central} { // headers only
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r.Limit(head)
		if n, err := io.Copy(io.Discard, r); n != head || err != nil {
			t.Errorf("read %d, error %v", n, err)
		}
	}
	if len(s.opens) != 0 {
		t.Errorf("headers needed content: %v", s.opens)
	}
}

// TestServeContent has the archive served as the server does it.
func TestServeContent(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	all := whole(t, p, s)
	get := func(method, rng, ifRange string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, "/archive.zip", nil)
		req.Header.Set("Range", rng)
		req.Header.Set("If-Range", ifRange)
		w := httptest.NewRecorder()
		w.Header().Set("Etag", p.ETag())
		w.Header().Set("Content-Type", "application/zip")
		http.ServeContent(w, req, "", time.Time{}, p.Reader(req.Context(), s.source()))
		return w
	}
	s.opens = nil
	if w := get("HEAD", "", ""); w.Result().ContentLength != p.Size() || len(s.opens) != 0 {
		t.Errorf("HEAD: length %d, %d contents opened", w.Result().ContentLength, len(s.opens))
	}
	if w := get("GET", "", ""); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), all) {
		t.Errorf("GET: status %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := get("GET", "bytes=70000-90000", p.ETag()); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), all[70000:90001]) {
		t.Errorf("a range: status %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := get("GET", "bytes=-50", ""); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), all[len(all)-50:]) {
		t.Errorf("the end: status %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := get("GET", "bytes=5-", `"another"`); w.Code != 200 || w.Body.Len() != len(all) {
		t.Errorf("another ETag: status %d, %d bytes", w.Code, w.Body.Len())
	}
}
