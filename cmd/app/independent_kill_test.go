package main_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// killer ends a server by kill -9 at moments that the traffic sets, and starts
// it again. Its tick is called at each step of each request.
type killer struct {
	server *server
	check  func(ctx context.Context) error // after each restart
	cut    func()                          // after a kill: the client may crash too

	wild  atomic.Bool // aim by itself after each restart, up to limit kills
	limit atomic.Int64
	left  atomic.Int64 // ticks until the next kill
	fire  chan struct{}

	mu   sync.Mutex
	done int
	err  error
	back chan struct{} // closed and replaced at each restart
}

func newKiller(s *server) *killer {
	return &killer{
		server: s, fire: make(chan struct{}, 1), back: make(chan struct{}),
		check: func(context.Context) error { return nil }, cut: func() {},
	}
}

func (k *killer) tick() {
	if k.left.Add(-1) == 0 {
		k.fire <- struct{}{}
	}
}

// roam lets the killer aim by itself until it has killed so often in all.
func (k *killer) roam(limit int) {
	k.limit.Store(int64(limit))
	k.wild.Store(true)
	k.aim()
}

// rest ends roaming. A kill may still be on its way.
func (k *killer) rest() {
	k.wild.Store(false)
	k.left.Store(-1)
}

// aim kills within the next steps: sometimes at once, sometimes megabytes later.
func (k *killer) aim() {
	if int64(k.kills()) >= k.limit.Load() {
		return
	}
	steps := 1 + rand.Int64N(30)
	if rand.IntN(2) == 0 {
		steps = 1 + rand.Int64N(500)
	}
	k.left.Store(steps)
}

// during runs step with a kill in its midst, and returns when the server is back.
func (k *killer) during(ctx context.Context, step func() error) error {
	k.mu.Lock()
	back := k.back
	k.mu.Unlock()
	k.left.Store(1)
	if err := step(); err != nil {
		return err
	}
	select {
	case <-back:
		return k.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run kills until it has done so total times or ctx ends.
func (k *killer) run(ctx context.Context, total int) {
	for k.kills() < total {
		select {
		case <-k.fire:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(time.Duration(rand.Int64N(int64(8 * time.Millisecond))))
		<-timer.C
		k.server.kill()
		k.cut()
		err := k.server.start(ctx)
		if err == nil {
			err = k.check(ctx)
		}
		k.mu.Lock()
		k.done++
		if k.err == nil {
			k.err = err
		}
		close(k.back)
		k.back = make(chan struct{})
		k.mu.Unlock()
		if k.wild.Load() {
			k.aim()
		}
	}
}

func (k *killer) kills() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.done
}

// failure is the first thing that a check found.
func (k *killer) failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}
