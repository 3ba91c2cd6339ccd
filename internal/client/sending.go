package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/lenzeye/lenzeye/internal/api"
)

// maxRounds is how often a file that changes is sent anew before it is left out.
const maxRounds = 3

// Sending sends many files into one transfer, going on where an earlier run
// stopped: what the server holds is compared, part by part, and not sent again.
// A file whose bytes, size or date turn out to be others than those on the
// server is taken out of the transfer and sent anew.
type Sending struct {
	Upload   *Upload
	Parallel int // parts in flight, 6 if 0
	Pace     *Pace
	Watch    Watch
	// Shared says that others send to the transfer too. Then nothing is taken out
	// that they may have sent: a path that holds something else fails.
	Shared bool
}

// Watch is told of progress, by several goroutines at once. Fields may be nil.
type Watch struct {
	// Began is told of a file whose turn has come, and Ended that it is over with
	// it, whole or not. At no time are there many between the two.
	Began func(path string, size int64)
	Ended func(path string)
	// Moving counts bytes of a file that are on the way, or are compared; they
	// are taken back with a negative number when they are acknowledged or lost.
	Moving func(path string, n int64)
	// Held counts bytes of a file that the other side has for certain; negative
	// when the file has to be sent anew.
	Held func(path string, n int64)
	// Done is told of a file that is whole.
	Done func(path string)
	// Anew is told of a file that is done again, and why.
	Anew func(path string, why error)
}

// fill gives every field something to call.
func (w *Watch) fill() {
	for _, f := range []*func(string, int64){&w.Began, &w.Moving, &w.Held} {
		if *f == nil {
			*f = func(string, int64) {}
		}
	}
	for _, f := range []*func(string){&w.Ended, &w.Done} {
		if *f == nil {
			*f = func(string) {}
		}
	}
	if w.Anew == nil {
		w.Anew = func(string, error) {}
	}
}

// Failure is a file that is not there at the end, and why.
type Failure struct {
	Path string
	Err  error
}

// Send declares and sends sources and returns those that could not be sent;
// they are not in the transfer. An error ends the whole: what is acknowledged by
// then stays, and Send goes on with it. Sources that changed are brought up to
// date. No two may have the same path.
func (s *Sending) Send(ctx context.Context, sources []*Source) ([]Failure, error) {
	s.fill()
	all := sources
	planned := sync.OnceValue(func() map[string]bool {
		paths := make(map[string]bool, len(all))
		for _, src := range all {
			paths[src.Path] = true
		}
		return paths
	})
	var failed []Failure
	for round := 1; len(sources) > 0; round++ {
		r := &sendRound{Sending: s, planned: planned, flying: map[*work]bool{}}
		if err := r.run(ctx, sources); err != nil {
			return append(failed, r.failed...), err
		}
		failed = append(failed, r.failed...)
		sources = nil
		for _, a := range r.again {
			if round == maxRounds {
				failed = append(failed, Failure{a.src.Path, a.why})
				continue
			}
			s.Watch.Anew(a.src.Path, a.why)
			sources = append(sources, a.src)
		}
	}
	return failed, nil
}

func (s *Sending) fill() {
	if s.Parallel <= 0 {
		s.Parallel = 6
	}
	s.Watch.fill()
}

// sendRound is one pass over sources.
type sendRound struct {
	*Sending
	planned func() map[string]bool // every path that is ours; made when it is needed
	renamed map[string]bool        // paths of files that have a source of another writing

	mu     sync.Mutex
	flying map[*work]bool // begun and not finished
	failed []Failure
	again  []retried
}

type retried struct {
	src *Source
	why error
}

// piece is one part of one file.
type piece struct {
	*work
	n int
}

func (r *sendRound) run(ctx context.Context, sources []*Source) error {
	files, err := r.declare(ctx, sources)
	if err != nil {
		return err
	}
	err = crew(ctx, r.Parallel, r.pieces(files), r.part)
	for w := range r.flying {
		w.close()
	}
	return err
}

// pieces are all parts of all files, and one number 0 of a file without parts. A
// file is forgotten with its last piece.
func (r *sendRound) pieces(files []declared) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for i, d := range files {
			files[i] = declared{}
			w := newWork(d)
			r.mu.Lock()
			r.flying[w] = true
			r.mu.Unlock()
			r.Watch.Began(w.src.Path, w.size)
			for n := min(1, w.parts); n <= w.parts; n++ {
				if !yield(piece{w, n}) {
					return
				}
			}
		}
	}
}

// part sends or compares one part. An error ends the whole sending; what
// concerns the file alone is noted in it.
func (r *sendRound) part(ctx context.Context, p piece) error {
	bytes, err := r.carry(ctx, p)
	if err != nil {
		if !concernsFile(err) {
			return fmt.Errorf("%s: %w", p.src.Path, err)
		}
		p.fail(err)
	}
	if bytes > 0 {
		r.Watch.Held(p.src.Path, bytes)
	}
	if p.done(bytes) {
		return r.finish(ctx, p.work)
	}
	return nil
}

// carry gets one part to the server, or sees that it is there.
func (r *sendRound) carry(ctx context.Context, p piece) (acked int64, err error) {
	if err := p.begin(ctx, r.Sending); err != nil || p.n == 0 {
		return 0, err
	}
	section := p.section(p.n)
	var moving int64
	progress := func(n int64) { moving += n; r.Watch.Moving(p.src.Path, n) }
	defer func() { r.Watch.Moving(p.src.Path, -moving) }()
	if want, held := p.held[p.n]; held && p.recorded(p.n) {
		err = p.compare(ctx, p.n, want, progress)
	} else {
		_, err = r.Upload.PutPart(ctx, p.id, p.n, section, PartOptions{Pace: r.Pace, Progress: progress})
		if err == nil || errors.Is(err, ErrArrivedOtherwise) {
			p.sent(p.n)
		}
	}
	if err != nil {
		return 0, err
	}
	return section.Size(), nil
}

// finish ends a file of which every part was looked at. One that cannot stand
// is taken out of the transfer, so that the rest can be completed.
func (r *sendRound) finish(ctx context.Context, w *work) error {
	defer r.Watch.Ended(w.src.Path)
	r.mu.Lock()
	delete(r.flying, w)
	r.mu.Unlock()
	why := w.end()
	if why == nil {
		r.Watch.Done(w.src.Path)
		return nil
	}
	r.Watch.Held(w.src.Path, -w.acked)
	others, err := r.holdsOthers(ctx, w)
	if err != nil {
		return fmt.Errorf("%s: %w", w.src.Path, err)
	}
	if others {
		if errors.Is(why, ErrChanged) || errors.Is(why, ErrArrivedOtherwise) || IsCode(why, api.PartConflict) {
			why = ErrOthers
		}
		r.fail(w.src, why)
		return nil
	}
	if err := r.Upload.DeleteFile(ctx, w.id); err != nil && !IsCode(err, api.NotFound) {
		return fmt.Errorf("%s: %w", w.src.Path, err)
	}
	var local *LocalError
	if errors.As(why, &local) && !errors.Is(why, ErrChanged) {
		r.fail(w.src, why)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = append(r.again, retried{w.src, why})
	return nil
}

// holdsOthers tells whether the server holds a part of a file that this run did
// not send. It asks, since another sender may have come to the file meanwhile;
// one that comes between this and the taking out finds that its next part has no
// file, and sends it anew, or, if that was its last, that the transfer ends with a
// file less than it sent.
func (r *sendRound) holdsOthers(ctx context.Context, w *work) (bool, error) {
	if !r.Shared || w.wasSent() {
		return r.Shared, nil
	}
	parts, err := r.Upload.Parts(ctx, w.id)
	if IsCode(err, api.NotFound) {
		return false, nil // it is taken out
	}
	for n := range parts {
		if !holds(w.ours, n) {
			return true, err
		}
	}
	return false, err
}

func (r *sendRound) fail(src *Source, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, Failure{src.Path, why})
}

// concernsFile tells whether an error is about one file and leaves the others
// unharmed.
func concernsFile(err error) bool {
	var local *LocalError
	return errors.As(err, &local) || errors.Is(err, ErrChanged) || errors.Is(err, ErrArrivedOtherwise) ||
		IsCode(err, api.PartConflict, api.PartNotFound, api.PartSizeMismatch, api.NotFound, api.FileDamaged)
}
