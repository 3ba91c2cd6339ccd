package jobs

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"
)

// inProcess keeps hints in memory: a heap for each queue, one goroutine that
// starts what is due, and a goroutine for each run.
type inProcess struct {
	opts                  Options
	concurrency, maxTries int
	backoff               func(int) time.Duration

	wake chan struct{} // something changed
	stop chan struct{} // closed by shutdown
	runs sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	order   int64
	lanes   []*lane
	waiting map[key]*entry
	running map[key]struct{}
	dropped int64
}

type key struct{ kind, id string }

// entry is a hint that waits. While its key runs it is in no heap (at is -1).
type entry struct {
	hint  Hint
	lane  *lane
	due   time.Time
	order int64 // of arrival
	tries int
	at    int
}

func (e *entry) key() key { return key{e.hint.Kind, e.hint.ID} }

func newInProcess(o Options) *inProcess {
	return &inProcess{
		opts: o, concurrency: o.Concurrency, maxTries: o.MaxTries, backoff: o.Backoff,
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
		lanes:   []*lane{{queue: Critical, weight: 6}, {queue: Default, weight: 3}, {queue: Low, weight: 1}},
		waiting: make(map[key]*entry), running: make(map[key]struct{}),
	}
}

// enqueue collapses a duplicate into the hint that waits, which then runs at the
// earlier of both times. One that waits for its retry keeps its pause: the row
// has just failed.
func (p *inProcess) enqueue(_ context.Context, h Hint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	due := time.Now().Add(h.After)
	if e, ok := p.waiting[key{h.Kind, h.ID}]; ok {
		if e.tries == 0 && due.Before(e.due) {
			e.due = due
			if e.at >= 0 {
				heap.Fix(e.lane, e.at)
			}
			p.poke()
		}
		return nil
	}
	left, err := p.opts.leftOut(h, p.lane(h.Queue).waiting)
	if err != nil {
		p.dropped++
	}
	if left || err != nil {
		return err
	}
	p.put(&entry{hint: h, due: due})
	return nil
}

// put makes an entry wait; mu is held.
func (p *inProcess) put(e *entry) {
	p.order++
	e.order, e.at = p.order, -1
	e.lane = p.lane(e.hint.Queue)
	e.lane.waiting++
	p.waiting[e.key()] = e
	if _, runs := p.running[e.key()]; !runs {
		heap.Push(e.lane, e)
		p.poke()
	}
}

// lane is that of a queue.
func (p *inProcess) lane(queue string) *lane {
	for _, l := range p.lanes {
		if l.queue == queue {
			return l
		}
	}
	return nil // Enqueue takes hints for no other
}

// poke lets the scheduler look again.
func (p *inProcess) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *inProcess) start(ctx context.Context, run runner) error {
	p.runs.Go(func() { p.schedule(ctx, run) })
	return nil
}

func (p *inProcess) schedule(ctx context.Context, run runner) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		e, pause := p.next()
		if e != nil {
			p.runs.Go(func() { p.finish(e, run(ctx, e.hint, e.tries)) })
			continue
		}
		timer.Reset(pause)
		select {
		case <-p.stop:
			return
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// next takes what should run now, or says how long nothing will be due.
func (p *inProcess) next() (*entry, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const idle = time.Hour // wake ends it
	if p.closed || len(p.running) >= p.concurrency {
		return nil, idle
	}
	now, pause := time.Now(), idle
	var due []*lane
	for _, l := range p.lanes {
		if len(l.entries) == 0 {
			continue
		}
		if wait := l.entries[0].due.Sub(now); wait > 0 {
			pause = min(pause, wait)
			continue
		}
		due = append(due, l)
	}
	if len(due) == 0 {
		return nil, pause
	}
	e := heap.Pop(pick(due)).(*entry)
	delete(p.waiting, e.key())
	e.lane.waiting--
	p.running[e.key()] = struct{}{}
	return e, 0
}

// finish ends a run: a hint that came meanwhile is next, or the retry. A retry
// ignores the limit, since its hint was taken before.
func (p *inProcess) finish(e *entry, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, e.key())
	again, ok := p.waiting[e.key()]
	switch {
	case ok:
		heap.Push(again.lane, again)
	case err != nil && !isPermanent(err) && e.tries+1 < p.maxTries && !p.closed:
		tries := e.tries + 1
		p.put(&entry{hint: e.hint, due: time.Now().Add(p.backoff(tries)), tries: tries})
	}
	p.poke()
}

func (p *inProcess) shutdown(ctx context.Context) (dropped int, err error) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.stop)
	done := make(chan struct{})
	go func() {
		p.runs.Wait()
		close(done)
	}()
	select {
	case <-done:
		return p.stats().Waiting, nil
	case <-ctx.Done():
		s := p.stats()
		return s.Waiting, fmt.Errorf("shut down job queue: %d handlers would not end", s.Running)
	}
}

func (p *inProcess) check(context.Context) error { return nil }

func (p *inProcess) stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Waiting: len(p.waiting), Running: len(p.running), Dropped: p.dropped}
}
