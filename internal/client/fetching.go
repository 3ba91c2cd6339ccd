package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"

	"github.com/lenzeye/lenzeye/internal/api"
)

// pieceSize is how much one request fetches, and what a crash can cost a piece.
const pieceSize = 8 << 20

// Fetching fetches files of a share into a folder, in parallel ranges, going on
// where an earlier run stopped. A file grows as name.part with name.part.json
// beside it, is read back and compared with its checksum, and only then gets its
// name. Nothing outside of Dir is touched, whatever names and links say.
type Fetching struct {
	Share    *Share
	Dir      *os.Root
	Parallel int // requests at once, 6 if 0
	Pace     *Pace
	Watch    Watch

	flush func(*os.File) error // to the disk, Sync unless a test looks on
}

// Fetch fetches files and returns those that are not there at the end. Files
// that are there already with their size and checksum are left alone; other
// files of the same name are never replaced. An error ends the whole, and what
// arrived by then is kept for the next run.
func (f *Fetching) Fetch(ctx context.Context, files []Wanted) ([]Failure, error) {
	f.fill()
	var failed []Failure
	for round := 1; len(files) > 0; round++ {
		r := &fetchRound{Fetching: f, flying: map[*fetchWork]bool{}}
		err := crew(ctx, f.Parallel, r.pieces(files), r.piece)
		for w := range r.flying {
			w.close()
		}
		if err != nil {
			return append(failed, r.failed...), err
		}
		failed = append(failed, r.failed...)
		files = nil
		for _, w := range r.damaged {
			if round == 2 {
				failed = append(failed, Failure{w.Path, ErrDamaged})
				continue
			}
			f.Watch.Anew(w.Path, ErrDamaged)
			files = append(files, w)
		}
	}
	return failed, nil
}

func (f *Fetching) fill() {
	if f.Parallel <= 0 {
		f.Parallel = 6
	}
	if f.flush == nil {
		f.flush = (*os.File).Sync
	}
	f.Watch.fill()
}

// fetchRound is one pass over files.
type fetchRound struct {
	*Fetching

	mu      sync.Mutex
	flying  map[*fetchWork]bool // begun and not finished
	failed  []Failure
	damaged []Wanted
}

// fetchPiece is one range of one file.
type fetchPiece struct {
	*fetchWork
	n int // from 0
}

func (r *fetchRound) pieces(files []Wanted) iter.Seq[fetchPiece] {
	return func(yield func(fetchPiece) bool) {
		for _, f := range files {
			count := int(max(1, (f.Size+pieceSize-1)/pieceSize)) // an empty file is one piece too
			w := &fetchWork{Wanted: f, id: f.ID(), part: f.partName(), left: count, count: count}
			r.mu.Lock()
			r.flying[w] = true
			r.mu.Unlock()
			r.Watch.Began(f.Path, f.Size)
			for n := range count {
				if !yield(fetchPiece{w, n}) {
					return
				}
			}
		}
	}
}

// piece fetches one range. An error ends the whole fetching; what concerns the
// file alone is noted in it.
func (r *fetchRound) piece(ctx context.Context, p fetchPiece) error {
	if err := r.carry(ctx, p); err != nil {
		if endsFetching(err) {
			return fmt.Errorf("%s: %w", p.Path, err)
		}
		p.fail(err)
	}
	if p.done() {
		return r.finish(ctx, p.fetchWork)
	}
	return nil
}

func (r *fetchRound) carry(ctx context.Context, p fetchPiece) error {
	if err := p.begin(ctx, r.Dir); err != nil {
		return err
	}
	from := int64(p.n) * pieceSize
	size := min(pieceSize, p.Size-from)
	if p.whole || p.has(p.n) {
		r.Watch.Held(p.Path, size)
		return nil
	}
	out := &pieceWriter{ctx: ctx, pace: r.Pace, w: io.NewOffsetWriter(p.f, from), moving: func(n int64) { r.Watch.Moving(p.Path, n) }}
	err := r.Share.Fetch(ctx, p.id, Range{From: from, Size: size}, out)
	r.Watch.Moving(p.Path, -out.n)
	if err != nil {
		return err
	}
	if err := p.note(r.Dir, p.n); err != nil {
		return &LocalError{fmt.Errorf("note what arrived: %w", err)}
	}
	r.Watch.Held(p.Path, size)
	return nil
}

// finish reads the file back and gives it its name.
func (r *fetchRound) finish(ctx context.Context, w *fetchWork) error {
	defer r.Watch.Ended(w.Path)
	r.mu.Lock()
	delete(r.flying, w)
	r.mu.Unlock()
	err := w.end(ctx, r.Dir, r.flush)
	switch {
	case err == nil:
		r.Watch.Done(w.Path)
		return nil
	case endsFetching(err):
		return fmt.Errorf("%s: %w", w.Path, err)
	}
	r.Watch.Held(w.Path, -w.fetched())
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, ErrDamaged) {
		r.damaged = append(r.damaged, w.Wanted)
	} else {
		r.failed = append(r.failed, Failure{w.Path, err})
	}
	return nil
}

// endsFetching tells whether an error concerns more than one file: a folder that
// takes no more, or anything of the server but a file that it cannot give.
func endsFetching(err error) bool {
	var local *LocalError
	if errors.As(err, &local) {
		return IsDiskFull(err)
	}
	return !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrExists) &&
		!IsCode(err, api.FileDamaged, api.FileNotReady, api.NotFound, api.RangeNotSatisfiable)
}

// PacedWriter returns a writer to w that takes bytes at the pace, which may be nil.
func PacedWriter(ctx context.Context, pace *Pace, w io.Writer) io.Writer {
	return &pieceWriter{ctx: ctx, pace: pace, w: w, moving: func(int64) {}}
}

// pieceWriter tells of bytes as they arrive, and lets them in at their pace.
type pieceWriter struct {
	ctx    context.Context
	pace   *Pace
	w      io.Writer
	n      int64
	moving func(int64)
}

func (p *pieceWriter) Write(b []byte) (done int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		n, err = p.w.Write(b[:p.pace.atMost(len(b))])
		b, done, p.n = b[n:], done+n, p.n+int64(n)
		p.moving(int64(n))
		if err == nil {
			err = p.pace.wait(p.ctx, n)
		}
	}
	return done, err
}
