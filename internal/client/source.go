package client

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

// Source is a file to send. Many are held at once, so it is small.
type Source struct {
	Path     string // in the transfer
	Size     int64
	Modified time.Time
	// Open opens the file of Path, again for every look at it; one function may
	// serve many sources. It must not wait, as for the other end of a pipe.
	Open func(path string) (*os.File, error)
}

// declaration is the source as it is declared.
func (s *Source) declaration() api.NewFile {
	media, _, _ := mime.ParseMediaType(mime.TypeByExtension(path.Ext(s.Path))) // unknown is empty
	n := api.NewFile{Path: s.Path, Size: api.Size(s.Size), Type: media}
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
	// By offsets: one that was opened again may share its position with another.
	if _, err := io.Copy(sum, readerUntil{ctx, io.NewSectionReader(file, 0, s.Size)}); err != nil {
		return &LocalError{err}
	}
	if f.CRC32 != nil && sum.Sum32() != uint32(*f.CRC32) {
		return ErrChanged
	}
	return nil
}

// declared is a source that stands in the transfer and waits for its turn. There
// can be very many of them, so what few need is apart.
type declared struct {
	src  *Source
	more *standing // nil: one part or none, and crc and the three below say all
	uuid [16]byte  // the file's id, unless more has it
	crc  api.CRC32

	hasCRC, all, damaged bool
}

// standing is what the server says of a file.
type standing struct {
	id       string // where it is no UUID
	partSize int64
	parts    int
	received [][2]int // runs of recorded parts, unless all are
	crc      api.CRC32
	hasCRC   bool // crc is that of the whole
	all      bool // every part is recorded
	damaged  bool
}

func declaredFrom(src *Source, f api.File) declared {
	m := standing{partSize: f.PartSize, parts: f.PartCount, all: f.State == "stored" || f.State == "sealing", damaged: f.State == "damaged"}
	if f.State == "stored" && f.CRC32 != nil {
		m.crc, m.hasCRC = *f.CRC32, true
	}
	if !m.all {
		m.received = f.Received
	}
	d := declared{src: src, crc: m.crc, hasCRC: m.hasCRC, all: m.all, damaged: m.damaged}
	var ok bool
	if d.uuid, ok = parseID(f.ID); !ok {
		m.id = f.ID
	}
	if m.id != "" || m.parts > 1 || len(m.received) > 0 {
		d.more = &m
	}
	return d
}

func (d *declared) id() string {
	if d.more != nil && d.more.id != "" {
		return d.more.id
	}
	return textOfID(d.uuid)
}

// stands is the file's standing also where it was not kept apart.
func (d *declared) stands() standing {
	if d.more != nil {
		return *d.more
	}
	parts := 1
	if d.src.Size == 0 {
		parts = 0
	}
	return standing{partSize: d.src.Size, parts: parts, crc: d.crc, hasCRC: d.hasCRC, all: d.all, damaged: d.damaged}
}

// work is a source on its way.
type work struct {
	standing
	src  *Source
	id   string
	size int64 // as declared; that of the source follows the file

	mu     sync.Mutex
	opened bool
	f      *os.File
	held   map[int]api.CRC32 // the recorded parts, when there are any
	err    error             // why the file cannot stand as it is; the first counts
	ours   [][2]int          // runs of the parts that were sent from here
	left   int               // pieces that are not looked at yet
	acked  int64             // bytes that the server holds
}

func newWork(d declared) *work {
	w := &work{standing: d.stands(), src: d.src, id: d.id(), size: d.src.Size}
	w.left = max(1, w.parts)
	return w
}

// recorded tells whether the server says that it holds a part.
func (d *standing) recorded(n int) bool {
	if d.all {
		return true
	}
	return holds(d.received, n)
}

// holds tells whether a run [first, last] has n in it.
func holds(runs [][2]int, n int) bool {
	return slices.ContainsFunc(runs, func(run [2]int) bool { return n >= run[0] && n <= run[1] })
}

// wasSent tells whether somebody had sent of the file when it was looked at.
func (d *standing) wasSent() bool { return d.all || d.damaged || len(d.received) > 0 }

// section is the n-th part of the open file.
func (w *work) section(n int) *io.SectionReader {
	from := int64(n-1) * w.partSize
	return io.NewSectionReader(w.f, from, min(w.partSize, w.size-from))
}

// begin opens the file and asks for what the server holds of it, once for all
// of its parts.
func (w *work) begin(ctx context.Context, s *Sending) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opened || w.err != nil {
		return w.err
	}
	w.opened = true
	if w.f, w.err = w.src.open(); w.err != nil {
		return w.err
	}
	if s.Shared && w.parts > 1 && !w.wasSent() {
		w.err = w.lookAgain(ctx, s.Upload)
	}
	switch {
	case w.err != nil:
	case w.damaged:
		w.err = ErrArrivedOtherwise
	case w.parts == 0: // nothing to compare
	case w.hasCRC && w.parts == 1:
		w.held = map[int]api.CRC32{1: w.crc}
	case w.all || len(w.received) > 0:
		w.held, w.err = s.Upload.Parts(ctx, w.id)
	}
	return w.err
}

// lookAgain asks what others have sent of the file since it was declared, which
// may be hours ago: their parts are compared, and not sent over again.
func (w *work) lookAgain(ctx context.Context, u *Upload) error {
	f, err := u.File(ctx, w.id)
	if err != nil {
		return err
	}
	now := declaredFrom(w.src, f)
	again := now.stands()
	w.received, w.all, w.damaged = again.received, again.all, again.damaged
	return nil
}

// sent notes a part that was sent from here.
func (w *work) sent(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ours = addPiece(w.ours, n)
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
