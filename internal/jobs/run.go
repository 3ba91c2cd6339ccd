package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// stopGrace is how long handlers have to return once their contexts ended.
const stopGrace = 5 * time.Second

// Permanent marks an error that no retry mends: the hint ends with it.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func isPermanent(err error) bool {
	_, ok := errors.AsType[permanent](err)
	return ok
}

// Start begins to run handlers and chores, until Shutdown, which the caller
// owes. Their contexts end with ctx.
func (q *Queue) Start(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.stopping:
		return ErrClosed
	default:
	}
	if q.started {
		return errors.New("job queue was started before")
	}
	q.started = true
	work, cancel := context.WithCancelCause(ctx)
	if err := q.driver.start(work, q.run); err != nil {
		cancel(err)
		return fmt.Errorf("start job queue: %w", err)
	}
	q.cancel = cancel
	for _, chore := range q.opts.Chores {
		q.chores.Go(func() { q.repeat(work, chore) })
	}
	return nil
}

// Shutdown takes no more hints, begins no more runs, and waits for those under
// way. When ctx ends before them it ends their contexts, with ErrClosed as the
// cause, and gives them five seconds to return. What waits in this process is
// dropped, what waits in Redis stays there.
func (q *Queue) Shutdown(ctx context.Context) error {
	q.mu.Lock()
	select {
	case <-q.stopping:
		q.mu.Unlock()
		return nil
	default:
	}
	close(q.stopping)
	cancel := q.cancel
	q.mu.Unlock()
	if cancel == nil {
		cancel = func(error) {}
	}
	defer cancel(ErrClosed)

	last, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		cancel(ErrClosed)
		time.AfterFunc(stopGrace, stop)
	})()
	dropped, err := q.driver.shutdown(last)
	if dropped > 0 {
		q.opts.Log.Info("hints dropped at shutdown; the sweep finds their rows", "hints", dropped)
	}
	return errors.Join(err, q.waitChores(last))
}

func (q *Queue) waitChores(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		q.chores.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("shut down job queue: a chore would not end")
	}
}

// run is the runner that drivers call.
func (q *Queue) run(ctx context.Context, h Hint, tries int) error {
	job, ok := q.jobs[h.Kind]
	if !ok { // given by a newer process to a shared queue
		return fmt.Errorf("no such kind of job here: %s", h.Kind)
	}
	err := q.contained(ctx, h, job.Timeout, func(ctx context.Context) error { return job.Run(ctx, h.ID) })
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), ErrClosed):
		q.opts.Log.Info("job cut short by shutdown", "kind", h.Kind, "id", h.ID)
	case isPermanent(err):
		q.opts.Log.Error("job failed for good", "kind", h.Kind, "id", h.ID, "error", err)
	case tries+1 >= q.opts.MaxTries:
		q.opts.Log.Error("job given up", "kind", h.Kind, "id", h.ID, "tries", tries+1, "error", err)
	default:
		q.opts.Log.Warn("job failed", "kind", h.Kind, "id", h.ID, "tries", tries+1, "error", err)
	}
	return err
}

// repeat runs a chore for as long as the queue does, first within a tenth of its
// period, so that replicas that start together spread out.
func (q *Queue) repeat(ctx context.Context, c Chore) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = max(c.Every, time.Minute)
	}
	timer := time.NewTimer(rand.N(c.Every/10 + 1))
	defer timer.Stop()
	for {
		select {
		case <-q.stopping:
			return
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := q.contained(ctx, Hint{Kind: "chore." + c.Name}, timeout, c.Run); err != nil && ctx.Err() == nil {
			q.opts.Log.Warn("chore failed", "chore", c.Name, "error", err)
		}
		timer.Reset(c.Every - c.Every/10 + rand.N(c.Every/5+1))
	}
}

// contained runs fn under a deadline and turns a panic into an error.
func (q *Queue) contained(ctx context.Context, h Hint, timeout time.Duration, fn func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	ctx, end := q.opts.Trace.Begin(ctx, h.Kind, h.trace)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		end(err)
		q.opts.Observe(h.Kind, time.Since(began), err)
	}()
	return fn(ctx)
}
