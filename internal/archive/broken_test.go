package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"
)

// short ends early, and wrong is content whose reading fails, both after 40
// bytes; each gives them in the ways that readers do.
func short(r io.Reader) io.Reader { return io.LimitReader(r, 40) }
func wrong(r io.Reader) io.Reader { return io.MultiReader(short(r), iotest.ErrReader(errTest)) }

// late gives its error with the last of its bytes.
func late(r io.Reader) io.Reader { return &lateError{r: short(r)} }

type lateError struct {
	r    io.Reader
	left int
}

func (l *lateError) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left += n; l.left == 40 || err != nil {
		err = errTest
	}
	return n, err
}

// TestContentBreaks has content fail in every way: what comes before is right,
// nothing comes after, the error stays, and a Seek allows another try.
func TestContentBreaks(t *testing.T) {
	t.Parallel()
	fresh := mixed()
	all := whole(t, newPlan(t, fresh), fresh)
	first := int64(30+len("Hochzeit Müller/IMG_0001.CR3")+9) + 40
	for name, test := range map[string]struct {
		set  func(s *shelf)
		want error
		good int64
	}{
		"short":      {func(s *shelf) { s.wrap = short }, io.ErrUnexpectedEOF, first},
		"wrong":      {func(s *shelf) { s.wrap = wrong }, errTest, first},
		"late":       {func(s *shelf) { s.wrap = late }, errTest, first},
		"self short": {func(s *shelf) { s.wrap = func(r io.Reader) io.Reader { return selfWriting{short(r)} } }, io.ErrUnexpectedEOF, first},
		"self wrong": {func(s *shelf) { s.wrap = func(r io.Reader) io.Reader { return selfWriting{wrong(r)} } }, errTest, first},
		"not opened": {func(s *shelf) { s.failOpen = errTest }, errTest, first - 40},
	} {
		s := mixed()
		p := newPlan(t, s)
		test.set(s)
		for _, read := range []func(r *Reader) ([]byte, error){readAll, writeOut} {
			r := p.Reader(t.Context(), s.source())
			got, err := read(r)
			if !errors.Is(err, test.want) || !errors.Is(r.Err(), test.want) {
				t.Errorf("%s: error %v, then %v, want %v", name, err, r.Err(), test.want)
			}
			if !bytes.Equal(got, all[:test.good]) {
				t.Errorf("%s: %d bytes, want the first %d", name, len(got), test.good)
			}
			if n, err := r.Read(make([]byte, 9)); n != 0 || !errors.Is(err, test.want) {
				t.Errorf("%s: the next read = %d, %v", name, n, err)
			}
			s.wrap, s.failOpen = nil, nil
			if _, err := r.Seek(0, io.SeekCurrent); err != nil || r.Err() != nil {
				t.Fatal(err, r.Err())
			}
			if rest, err := read(r); err != nil || !bytes.Equal(rest, all[test.good:]) {
				t.Errorf("%s: %d bytes after another try, error %v", name, len(rest), err)
			}
			if err := r.Close(); err != nil || s.open != 0 {
				t.Errorf("%s: %d streams left open, error %v", name, s.open, err)
			}
			test.set(s)
		}
	}
}

func readAll(r *Reader) ([]byte, error) { return io.ReadAll(struct{ io.Reader }{r}) }

func writeOut(r *Reader) ([]byte, error) {
	var out bytes.Buffer
	_, err := r.WriteTo(&out)
	return out.Bytes(), err
}

// selfWriting copies itself in small pieces.
type selfWriting struct{ io.Reader }

func (s selfWriting) WriteTo(w io.Writer) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{s.Reader}, make([]byte, 7))
}

// TestLongContent has each content go on behind what was asked for; none of
// it may come out.
func TestLongContent(t *testing.T) {
	t.Parallel()
	fresh := mixed()
	all := whole(t, newPlan(t, fresh), fresh)
	for _, self := range []bool{false, true} {
		s := mixed()
		p := newPlan(t, s)
		s.wrap = func(r io.Reader) io.Reader {
			long := io.MultiReader(r, bytes.NewReader(make([]byte, 999)))
			if self {
				return selfWriting{long}
			}
			return long
		}
		for _, read := range []func(r *Reader) ([]byte, error){readAll, writeOut} {
			if got, err := read(p.Reader(t.Context(), s.source())); err != nil || !bytes.Equal(got, all) {
				t.Errorf("writes itself %v: %d bytes that differ, error %v", self, len(got), err)
			}
		}
	}
}

// TestManifestChanges changes it between planning and reading, in ways that move
// bytes and in ways that do not.
func TestManifestChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *shelf){
		"deleted":   func(s *shelf) { s.entries = append(s.entries[:1:1], s.entries[2:]...) },
		"the last":  func(s *shelf) { s.entries = s.entries[:40] },
		"all":       func(s *shelf) { s.entries = nil },
		"another":   func(s *shelf) { s.entries[1].Key++ },
		"crc":       func(s *shelf) { s.entries[1].CRC32++ },
		"longer":    func(s *shelf) { s.entries[0].Size++ },
		"renamed":   func(s *shelf) { s.entries[1].Path = "x" },
		"time":      func(s *shelf) { s.entries[50].Modified = s.entries[50].Modified.AddDate(1, 0, 0) },
		"reordered": func(s *shelf) { s.entries[2], s.entries[3] = s.entries[3], s.entries[2] },
	} {
		s := mixed()
		p := newPlan(t, s)
		change(s)
		r := p.Reader(t.Context(), s.source())
		if got, err := io.ReadAll(r); len(got) != 0 || !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
		if _, err := r.Seek(p.central, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); len(got) != 0 || !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %d bytes of the directory, error %v", name, len(got), err)
		}
	}
	s := mixed()
	p := newPlan(t, s)
	all := whole(t, p, s)
	s.entries = append(s.entries, Entry{Key: 1 << 40, Path: "added later", Size: 5})
	if got := whole(t, p, s); !bytes.Equal(got, all) {
		t.Error("a file that was added later changed the archive that was planned")
	}
}

// TestPageBreaks fails a page in the middle, and lets it come again.
func TestPageBreaks(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	all := whole(t, p, s)
	src := s.source()
	src.Page = func(ctx context.Context, after int64, limit int) ([]Entry, error) {
		if after >= p.checkpoints[1].after {
			return nil, errTest
		}
		return s.page(ctx, after, limit)
	}
	r := p.Reader(t.Context(), src)
	good := p.checkpoints[1].local
	if got, err := io.ReadAll(r); !errors.Is(err, errTest) || !bytes.Equal(got, all[:good]) {
		t.Errorf("%d bytes, want %d, error %v", len(got), good, err)
	}
	r.src = s.source()
	if _, err := r.Seek(good, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all[good:]) {
		t.Errorf("%d bytes after another try, error %v", len(got), err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewPlan(ctx, s.source(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("plan: error %v", err)
	}
	if _, err := p.Reader(ctx, s.source()).Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("read: error %v", err)
	}
}

// TestWriterBreaks fails the writer in headers and in content: the error comes
// as it is, the offset stands behind what was taken, and writing can go on.
func TestWriterBreaks(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	all := whole(t, p, s)
	for _, limit := range []int64{0, 10, 67, 68, 5067, 5068, 5100, 60_000, p.central + 5, p.Size() - 1} {
		for _, want := range []error{errTest, io.ErrShortWrite} {
			r := p.Reader(t.Context(), s.source())
			out := &breaking{left: limit, err: want}
			n, err := r.WriteTo(out)
			if n != limit || err != want {
				t.Errorf("WriteTo = %d, %v, want %d, %v", n, err, limit, want)
			}
			if r.Err() != nil || s.open != 0 {
				t.Errorf("the reader broke with its writer: %v; %d streams open", r.Err(), s.open)
			}
			rest, err := writeOut(r)
			if err != nil || !bytes.Equal(append(out.got, rest...), all) {
				t.Errorf("after %d: %d bytes more, error %v", limit, len(rest), err)
			}
		}
	}
}

// breaking takes some bytes, then fails, or takes less without a word where
// that is the error wanted.
type breaking struct {
	left int64
	err  error
	got  []byte
}

func (b *breaking) Write(p []byte) (int, error) {
	fits := p[:min(int64(len(p)), b.left)]
	b.got = append(b.got, fits...)
	b.left -= int64(len(fits))
	if len(fits) < len(p) && b.err != io.ErrShortWrite {
		return len(fits), b.err
	}
	return len(fits), nil
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := mixed()
	r := newPlan(t, s).Reader(t.Context(), s.source())
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if s.open != 1 {
		t.Fatalf("%d streams open in the middle of content", s.open)
	}
	if err := r.Close(); err != nil || s.open != 0 {
		t.Errorf("%d streams left open, error %v", s.open, err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("WriteTo after Close: %v", err)
	}
}
