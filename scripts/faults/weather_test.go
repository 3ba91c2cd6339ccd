package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// queueWeather lets Redis lose what it holds, be full, and be gone for a while.
func (r *run) queueWeather(ctx context.Context, random *rand.Rand) error {
	for rest(ctx, r.plan.restartPause/4+rand.N(r.plan.restartPause/2)) {
		if err := r.queueFails(ctx, random.IntN(3)); err != nil {
			return fmt.Errorf("weather of Redis: %w", err)
		}
	}
	return nil
}

func (r *run) queueFails(ctx context.Context, how int) error {
	r.queueTurn.Lock()
	defer r.queueTurn.Unlock()
	whole := context.WithoutCancel(ctx)
	switch how {
	case 0:
		r.book.fault("queue flushed")
		return r.queue.Do(whole, "FLUSHALL")
	case 1:
		r.book.fault("queue full")
		if err := r.queue.Do(whole, "CONFIG SET maxmemory 1"); err != nil {
			return err
		}
		rest(ctx, 500*time.Millisecond+rand.N(3*time.Second))
		return r.queue.Do(whole, "CONFIG SET maxmemory 0")
	}
	r.book.fault("queue gone for a while")
	r.queue.End()
	rest(ctx, rand.N(3*time.Second))
	return r.queue.Reopen()
}

// cutSessions ends every session of the database, as an operator or a failover
// does.
func (r *run) cutSessions(ctx context.Context) error {
	db, err := r.rows.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for rest(ctx, r.plan.restartPause/8+rand.N(r.plan.restartPause/4)) {
		const end = `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`
		var ended int64
		r.sessionsTurn.Lock()
		err := db.QueryRowContext(ctx, end).Scan(&ended)
		r.sessionsTurn.Unlock()
		if err == nil && ended > 0 { // else it is down itself
			r.book.fault("database sessions ended")
		}
	}
	return nil
}

// outage is a part that is gone for as long as it takes everybody to say so.
type outage struct {
	part, how string
	begin     func() (end func() error, err error)
}

func (r *run) outages() []outage {
	ill := func(s sickness) func() (func() error, error) {
		return func() (func() error, error) {
			r.bad.outright.Store(s)
			return func() error { r.bad.outright.Store(healthy); return nil }, nil
		}
	}
	return []outage{
		{"queue", "gone", func() (func() error, error) {
			r.queueTurn.Lock()
			r.queue.End()
			return func() error {
				defer r.queueTurn.Unlock()
				return r.queue.Reopen()
			}, nil
		}},
		{"database", "silent", func() (func() error, error) { return r.net.silence("database") }},
		{"bucket", "refuses", ill(denied)},
		{"bucket", "busy", ill(busy)},
		{"bucket", "silent", ill(silent)},
	}
}

// noticeLimit is within what time /readyz names a part that is gone, and is well
// again after it came back: a good look is kept for 5 s, a look takes 3 s, and
// pools need a moment.
const noticeLimit = 15 * time.Second

// blackouts takes one part after another away until ctx ends, and holds every
// serving process to saying which, on /readyz and to whoever needs that part.
func (r *run) blackouts(ctx context.Context, random *rand.Rand) error {
	all := r.outages()
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for n := 0; rest(ctx, r.plan.blackoutPause/2+rand.N(r.plan.blackoutPause)); n++ {
		if err := r.blackout(ctx, random, all[n%len(all)]); err != nil {
			return fmt.Errorf("outage of the %s: %w", all[n%len(all)].part, err)
		}
	}
	return nil
}

func (r *run) blackout(ctx context.Context, random *rand.Rand, o outage) error {
	r.fleet.quiet.Lock()
	defer r.fleet.quiet.Unlock()
	steady().RLock() // PostgreSQL stays up, so that it is this outage that is seen
	defer steady().RUnlock()
	ctx = context.WithoutCancel(ctx)
	up, s, err := r.calmly(ctx, random)
	if err != nil {
		return err
	}
	defer s.c.http.CloseIdleConnections()
	e := r.errand(o.part, s)
	end, err := o.begin()
	if err != nil {
		return err
	}
	r.book.fault(o.part + " " + o.how + " for long")
	for _, m := range up {
		m.awaits(ctx, r.book, unnamed, o.part+" "+o.how, func(got readiness) bool {
			part, ok := got.Parts[o.part]
			return ok && !part.OK
		})
	}
	var errands sync.WaitGroup
	for _, m := range up {
		errands.Go(func() { r.runs(ctx, e, m, o.part+" "+o.how) })
	}
	errands.Wait()
	if err := end(); err != nil {
		return err
	}
	for _, m := range up {
		m.awaits(ctx, r.book, unhealed, o.part+" "+o.how, func(got readiness) bool { return got.Parts[o.part].OK })
	}
	return s.end(ctx, r.token)
}

// calmly looks who serves and prepares an outage while no other weather blows: on
// a busy machine, processes that start in it can fail to for longer than anybody
// waits.
func (r *run) calmly(ctx context.Context, random *rand.Rand) ([]*member, *sending, error) {
	for _, turn := range []*sync.Mutex{&r.net.mu, &r.queueTurn, &r.sessionsTurn} {
		turn.Lock()
		defer turn.Unlock()
	}
	up := r.fleet.serving(ctx)
	s, err := r.prepare(ctx, random)
	return up, s, err
}

// serving are the processes that serve, once all of them take part, or those
// that do after a while.
func (f *fleet) serving(ctx context.Context) (up []*member) {
	for began := time.Now(); time.Since(began) < noticeLimit; rest(ctx, 100*time.Millisecond) {
		up = up[:0]
		f.mu.Lock()
		for m := range f.members {
			if m.role == serve && m.settled.Load() {
				up = append(up, m)
			}
		}
		f.mu.Unlock()
		if len(up) == f.plan.instances {
			break
		}
	}
	return up
}

// awaits looks at a process until /readyz says what it should, for noticeLimit
// at most.
func (m *member) awaits(ctx context.Context, b *book, line, what string, says func(readiness) bool) {
	var last readiness
	for began := time.Now(); time.Since(began) < noticeLimit; rest(ctx, 100*time.Millisecond) {
		select {
		case <-m.gone: // who ends by itself is counted where it is seen
			return
		default:
		}
		got, err := look(ctx, m.addr)
		if err == nil && says(got) {
			b.add(looked, 1)
			return
		}
		last = got
	}
	b.wrong(line, 1, "%s: %s says %+v", what, m.addr, last)
}
