package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// sending is one transfer of one guest. What a guest would keep through a
// crash is the key and the files; acked is this test's own book.
type sending struct {
	run    *run
	c      *client
	random *rand.Rand
	key    []byte
	files  []*file // those that stay

	id, token string
	share     share

	over   atomic.Bool // somebody ends the transfer: refusals are right from now on
	broken atomic.Bool // a connection broke since the last look
	looks  sync.Mutex

	mu    sync.Mutex
	acked map[*file]map[int]bool
	gone  map[*file]bool // the guest deletes them
}

// task is a step of a sending: a part, or one that ends something.
type task struct {
	file *file
	part int                         // 0: do something else
	do   func(context.Context) error // then this
}

func (s *sending) start(ctx context.Context) error {
	var got struct {
		ID    string
		Token string `json:"upload_token"`
	}
	one := call{method: http.MethodPost, path: "/api/v1/u/" + s.run.slug + "/transfers"}.
		asJSON(map[string]string{"sender_email": "guest@example.com", "sender_name": "Chaos"})
	one.header["Idempotency-Key"] = base64url(s.key)
	if err := s.c.do(ctx, one, &got); err != nil {
		return err
	}
	if s.id != "" && s.id != got.ID {
		return fmt.Errorf("the same key gave another transfer: %s, then %s", s.id, got.ID)
	}
	s.id, s.token = got.ID, got.Token
	return nil
}

// declare tells of files, some at a time.
func (s *sending) declare(ctx context.Context, files []*file) error {
	for batch := range slices.Chunk(files, 200) {
		list := make([]map[string]any, len(batch))
		for i, f := range batch {
			list[i] = map[string]any{"path": f.path, "size": f.size, "modified": "2026-06-14T12:00:00.000Z"}
		}
		var got struct {
			Files []struct {
				Index int
				fileJSON
			}
			Errors []any
		}
		one := call{method: http.MethodPost, path: "/api/v1/transfers/" + s.id + "/files", token: s.token}
		if err := s.c.do(ctx, one.asJSON(map[string]any{"files": list}), &got); err != nil {
			return err
		}
		if len(got.Files) != len(batch) || len(got.Errors) > 0 {
			return fmt.Errorf("declare of %d files answered %d, errors %v", len(batch), len(got.Files), got.Errors)
		}
		for _, g := range got.Files {
			f := batch[g.Index]
			if f.id != "" && f.id != g.ID {
				return fmt.Errorf("%s is declared as %s, then %s", f.path, f.id, g.ID)
			}
			f.id, f.partSize, f.parts = g.ID, g.PartSize, g.PartCount
		}
	}
	return nil
}

// tasks are all parts in a random order.
func (s *sending) tasks(files []*file) []task {
	var all []task
	for _, f := range files {
		for n := 1; n <= f.parts; n++ {
			all = append(all, task{file: f, part: n})
		}
	}
	s.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// work does tasks, several at once, and stops at the first error.
func (s *sending) work(ctx context.Context, tasks []task) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan task, len(tasks))
	for _, one := range tasks {
		queue <- one
	}
	close(queue)
	var wg sync.WaitGroup
	for range s.run.plan.parallel {
		wg.Go(func() {
			for one := range queue {
				if ctx.Err() != nil || s.over.Load() && one.part != 0 && rand.IntN(4) > 0 {
					continue
				}
				if err := s.step(ctx, one); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (s *sending) step(ctx context.Context, one task) error {
	if s.broken.Swap(false) && !s.over.Load() {
		if err := s.look(ctx); s.fails(nil, err) {
			return err
		}
	}
	if one.part == 0 {
		return one.do(ctx)
	}
	var err error
	if one.file.twice[one.part] {
		err = s.putBoth(ctx, one.file, one.part)
	} else {
		err = s.put(ctx, one.file, one.part)
	}
	if s.fails(one.file, err) {
		return err
	}
	return nil
}

// fails tells whether an error is one: not where the guest or the studio has
// ended what it is about.
func (s *sending) fails(f *file, err error) bool {
	if err == nil {
		return false
	}
	p, ok := errors.AsType[*problem](err)
	if !ok {
		return true
	}
	// A purged transfer's token is unknown.
	ended := p.Code == "transfer_ended" || p.Status == http.StatusNotFound || p.Status == http.StatusUnauthorized
	s.mu.Lock()
	defer s.mu.Unlock()
	return !ended || !s.over.Load() && !s.gone[f]
}

func (s *sending) partCall(f *file, n int, variant uint64) call {
	return call{
		method: http.MethodPut, path: fmt.Sprintf("/api/v1/files/%s/parts/%d", f.id, n), token: s.token,
		length: f.partLen(n), body: func() io.Reader { return f.part(n, variant) },
	}
}

// put sends one part until it is acknowledged, and now and then once more, as
// it was or with other bytes.
func (s *sending) put(ctx context.Context, f *file, n int) error {
	if err := s.putOnce(ctx, f, n); err != nil {
		return err
	}
	s.acknowledge(f, n)
	switch rand.IntN(s.run.plan.repeatOneOf) {
	case 0:
		s.run.book.add(repeats, 1)
		return s.putOnce(ctx, f, n)
	case 1:
		s.run.book.add(repeats, 1)
		err := s.c.do(ctx, s.partCall(f, n, 7), nil)
		if p, ok := errors.AsType[*problem](err); ok && p.Code == "part_conflict" {
			return nil
		}
		if err == nil {
			return fmt.Errorf("part %d of %s took other bytes after it was acknowledged", n, f.path)
		}
		return err
	}
	return nil
}

func (s *sending) putOnce(ctx context.Context, f *file, n int) error {
	var got partJSON
	if err := s.c.do(ctx, s.partCall(f, n, 0), &got); err != nil {
		return err
	}
	if got.Number != n || got.Size != f.partLen(n) || got.CRC32 != f.partCRC(n, 0) {
		s.run.book.wrong(filesDiffer, 1, "part %d of %s is acknowledged as %+v", n, f.path, got)
	}
	return nil
}

// putBoth sends two bodies for one part at once. One of them counts; which, the
// list of parts tells.
func (s *sending) putBoth(ctx context.Context, f *file, n int) error {
	var wg sync.WaitGroup
	var errs [2]error
	for variant := range errs {
		wg.Go(func() {
			err := s.c.do(ctx, s.partCall(f, n, uint64(variant)), nil)
			if p, ok := errors.AsType[*problem](err); ok && p.Code == "part_conflict" {
				err = nil // the other one is recorded
			}
			errs[variant] = err
		})
	}
	wg.Wait()
	s.run.book.add(repeats, 1)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	s.acknowledge(f, n)
	return nil
}

func (s *sending) acknowledge(f *file, n int) {
	s.run.book.add(partsSent, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acked[f] == nil {
		s.acked[f] = map[int]bool{}
	}
	s.acked[f][n] = true
}

// acknowledged are the parts that count so far of files that stay.
func (s *sending) acknowledged() map[*file][]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[*file][]int{}
	for f, parts := range s.acked {
		if !s.gone[f] {
			for n := range parts {
				all[f] = append(all[f], n)
			}
		}
	}
	return all
}

// look asks what the program has, as a guest does who comes back, and notes
// what it would ask for again.
func (s *sending) look(ctx context.Context) error {
	s.looks.Lock()
	defer s.looks.Unlock()
	acked := s.acknowledged()
	list, err := every[fileJSON](ctx, s.c, "/api/v1/transfers/"+s.id+"/files", s.token, "files")
	if err != nil {
		return err
	}
	known := map[string]fileJSON{}
	for _, f := range list {
		known[f.ID] = f
	}
	for f, parts := range acked {
		for _, n := range parts {
			if s.isGone(f) || s.over.Load() {
				break
			}
			if !known[f.id].has(n) {
				s.run.book.wrong(askedAgain, 1, "part %d of %s (%s), which is %s with %v", n, f.path, f.id, known[f.id].State, known[f.id].Received)
			}
		}
	}
	return nil
}

func (s *sending) isGone(f *file) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[f]
}

// giveUp deletes a file, perhaps in the midst of its parts.
func (s *sending) giveUp(ctx context.Context, f *file) error {
	s.mu.Lock()
	s.gone[f] = true
	s.mu.Unlock()
	s.run.book.add("files deleted", 1)
	err := s.c.do(ctx, call{method: http.MethodDelete, path: "/api/v1/files/" + f.id, token: s.token}, nil)
	if s.fails(f, err) {
		return err
	}
	return nil
}

// end ends the whole transfer, by the guest's token or the studio's.
func (s *sending) end(ctx context.Context, token string) error {
	s.over.Store(true)
	err := s.c.do(ctx, call{method: http.MethodDelete, path: "/api/v1/transfers/" + s.id, token: token}, nil)
	if s.fails(nil, err) { // not where the answer was lost, and all is purged by now
		return err
	}
	return nil
}

// complete ends the sending. What is said to be missing is sent again, and
// noted if it had been acknowledged.
func (s *sending) complete(ctx context.Context) error {
	one := call{method: http.MethodPost, path: "/api/v1/transfers/" + s.id + "/complete", token: s.token}
	for {
		var first, again completed
		err := s.c.do(ctx, one, &first)
		if p, ok := errors.AsType[*problem](err); ok && p.Code == "transfer_incomplete" {
			if err := s.look(ctx); err != nil {
				return err
			}
			if err := s.work(ctx, s.tasks(s.files)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := s.c.do(ctx, one, &again); err != nil {
			return err
		}
		if first != again || first.Files != len(s.files) {
			return fmt.Errorf("complete answered %+v, then %+v, for %d files", first, again, len(s.files))
		}
		return s.share.found(first)
	}
}
