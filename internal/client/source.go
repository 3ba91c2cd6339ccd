package client

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

// Source is a file to send. Many are held at once, so it is small.
type Source struct {
	Path     string // in the transfer
	Size     int64
	Modified time.Time
	Type     string
	// Open opens the file of Path, again for every look at it; one function may
	// serve many sources. It must not wait, as for the other end of a pipe.
	Open func(path string) (*os.File, error)
}

// declaration is the source as it is declared.
func (s *Source) declaration() api.NewFile {
	n := api.NewFile{Path: s.Path, Size: api.Size(s.Size), Type: s.Type}
	if y := s.Modified.Year(); !s.Modified.IsZero() && y > 1 && y < 9999 {
		n.Modified = api.TimeOf(&s.Modified)
	}
	return n
}

// open opens the source as it was when it was looked at, or returns ErrChanged
// with the source brought up to date.
func (s *Source) open() (*os.File, error) {
	f, err := s.Open(s.Path)
	if err != nil {
		return nil, &LocalError{err}
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = &LocalError{err}
	case !info.Mode().IsRegular():
		err = &LocalError{errors.New("it is no regular file any more")}
	case info.Size() != s.Size || !info.ModTime().Equal(s.Modified):
		s.Size, s.Modified = info.Size(), info.ModTime()
		err = ErrChanged
	}
	if err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return f, nil
}

// Compare tells whether the file is the one that stands in a transfer: ErrChanged
// if size, date or bytes are others.
func (s *Source) Compare(ctx context.Context, f api.File) error {
	now := s.declaration().Modified
	sameDate := now == nil && f.Modified == nil || now != nil && f.Modified != nil && now.UnixMilli() == f.Modified.UnixMilli()
	if f.Size != s.Size || !sameDate {
		return ErrChanged
	}
	file, err := s.open()
	if err != nil {
		return err
	}
	defer file.Close()
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, readerUntil{ctx, file}); err != nil {
		return &LocalError{err}
	}
	if f.CRC32 != nil && sum.Sum32() != uint32(*f.CRC32) {
		return ErrChanged
	}
	return nil
}

// declared is a source that stands in the transfer and waits for its turn. There
// can be very many of them.
type declared struct {
	src      *Source
	id       string
	size     int64 // as declared; that of the source follows the file
	partSize int64
	received [][2]int // runs of recorded parts, unless all are
	parts    int32
	crc      api.CRC32 // of the whole, if hasCRC
	hasCRC   bool
	all      bool // every part is recorded
	damaged  bool
}

func declaredFrom(src *Source, f api.File) declared {
	d := declared{src: src, id: f.ID, size: f.Size, partSize: f.PartSize, parts: int32(f.PartCount),
		all: f.State == "stored" || f.State == "sealing", damaged: f.State == "damaged"}
	if !d.all {
		d.received = f.Received
	}
	if f.State == "stored" && f.CRC32 != nil {
		d.crc, d.hasCRC = *f.CRC32, true
	}
	return d
}

// work is a source on its way.
type work struct {
	declared

	mu     sync.Mutex
	opened bool
	f      *os.File
	held   map[int]api.CRC32 // the recorded parts, when there are any
	err    error             // why the file cannot stand as it is; the first counts
	left   int               // pieces that are not looked at yet
	acked  int64             // bytes that the server holds
}

// recorded tells whether the server says that it holds a part.
func (d *declared) recorded(n int) bool {
	if d.all {
		return true
	}
	for _, run := range d.received {
		if n >= run[0] && n <= run[1] {
			return true
		}
	}
	return false
}

// wasSent tells whether somebody had sent of the file when it was declared.
func (d *declared) wasSent() bool { return d.all || d.damaged || len(d.received) > 0 }

// section is the n-th part of the open file.
func (w *work) section(n int) *io.SectionReader {
	from := int64(n-1) * w.partSize
	return io.NewSectionReader(w.f, from, min(w.partSize, w.size-from))
}

// begin opens the file and asks for what the server holds of it, once for all
// of its parts.
func (w *work) begin(ctx context.Context, u *Upload) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opened || w.err != nil {
		return w.err
	}
	w.opened = true
	if w.f, w.err = w.src.open(); w.err != nil {
		return w.err
	}
	switch {
	case w.damaged:
		w.err = ErrArrivedOtherwise
	case w.parts == 0: // nothing to compare
	case w.hasCRC && w.parts == 1:
		w.held = map[int]api.CRC32{1: w.crc}
	case w.all || len(w.received) > 0:
		w.held, w.err = u.Parts(ctx, w.id)
	}
	return w.err
}

// fail notes why the file cannot stand.
func (w *work) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// done counts a piece off, and tells whether it was the last one.
func (w *work) done(bytes int64) (last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked += bytes
	w.left--
	return w.left == 0
}

// end closes the file, looks whether it is still what was sent, and returns why
// it cannot stand.
func (w *work) end() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close()
	f, err := w.src.open() // brings the source up to date, should it be sent anew
	if err == nil {
		err = f.Close()
	}
	if w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *work) close() {
	if w.f != nil {
		_ = w.f.Close() // it was only read
		w.f = nil
	}
}

// compare reads a part that the server holds, and returns ErrChanged if its
// bytes are not ours.
func (w *work) compare(ctx context.Context, n int, want api.CRC32, progress func(int64)) error {
	sum, section := crc32.NewIEEE(), w.section(n)
	buf := make([]byte, 64<<10)
	for {
		got, err := section.Read(buf)
		_, _ = sum.Write(buf[:got]) // never fails
		progress(int64(got))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			if sum.Sum32() != uint32(want) {
				return fmt.Errorf("part %d: %w", n, ErrChanged)
			}
			return nil
		case err != nil:
			return &LocalError{err}
		}
	}
}
