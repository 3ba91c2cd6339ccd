package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lenzeye/lenzeye/internal/api"
)

// Stream sends src from r as its bytes come; src.Size has to be known and
// src.Open is not used. One part at a time is kept in spool, so that it can be
// sent again where a connection breaks. What was read cannot be read again, so a
// stream that does not have exactly its size is taken out of the transfer and
// is a *LocalError.
func (s *Sending) Stream(ctx context.Context, src *Source, r io.Reader, spool *os.File) error {
	s.fill()
	round := &sendRound{Sending: s, planned: func() map[string]bool {
		return map[string]bool{src.Path: true}
	}}
	files, err := round.declare(ctx, []*Source{src})
	if err != nil {
		return err
	}
	if len(round.failed) > 0 {
		return round.failed[0].Err
	}
	w := newWork(files[0])
	s.Watch.Began(src.Path, src.Size)
	defer s.Watch.Ended(src.Path)
	if err := s.streamParts(ctx, w, r, spool); err != nil {
		if local := (*LocalError)(nil); errors.As(err, &local) {
			err = errors.Join(err, s.Upload.DeleteFile(ctx, w.id))
		}
		return err
	}
	s.Watch.Done(src.Path)
	return nil
}

func (s *Sending) streamParts(ctx context.Context, w *work, r io.Reader, spool *os.File) error {
	left := w.size
	for n := 1; n <= w.parts; n++ {
		size := min(left, w.partSize)
		if _, err := spool.Seek(0, io.SeekStart); err != nil {
			return &LocalError{err}
		}
		got, err := io.CopyN(spool, r, size)
		left -= got
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the input ended after %d bytes of %d", w.size-left, w.size)
		}
		if err != nil {
			return &LocalError{err}
		}
		var moving int64
		_, err = s.Upload.PutPart(ctx, w.id, n, io.NewSectionReader(spool, 0, size), PartOptions{
			Pace: s.Pace, Progress: func(n int64) { moving += n; s.Watch.Moving(w.src.Path, n) },
		})
		s.Watch.Moving(w.src.Path, -moving)
		if err != nil {
			return err
		}
		s.Watch.Held(w.src.Path, size)
	}
	if n, _ := r.Read(make([]byte, 1)); n > 0 { // how the input ends is all the same now
		return &LocalError{fmt.Errorf("the input is longer than %d bytes", w.size)}
	}
	return nil
}

// Unfinished gives the files that a refused Complete named, at most a hundred, and
// how many there are.
func Unfinished(err error) (first []api.File, count int64) {
	p, ok := problemOf(err)
	if !ok || p.Code != api.TransferIncomplete {
		return nil, 0
	}
	count = int64(len(p.Files))
	if p.UnfinishedCount != nil {
		count = *p.UnfinishedCount
	}
	return p.Files, count
}
