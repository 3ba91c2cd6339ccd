package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	enqueueLimit = time.Second      // for giving one hint
	downPause    = 2 * time.Second  // hints are refused unasked after Redis failed
	loadAge      = time.Second      // how old a count may be that decides about a hint
	keptGivenUp  = 1000             // hints that were given up, before further ones are only logged
	outerLimit   = 24 * time.Hour   // asynq's own deadlines; ours come long before
	enqueuePool  = 10               // connections that give hints
	probeKey     = "lenzeye:probe"  // what a check writes
	probeAge     = 10 * time.Second // and how long that stays
	lookEvery    = 15 * time.Second // how often a queue that works counts what waits
)

// OpenRedis makes a queue that processes share through Redis, by way of asynq.
// It only takes hints until Start, which a process that only serves never calls.
// Redis is not asked here: a URL that cannot be read is the only own error, and
// [Queue.Check] tells whether Redis answers.
//
// When Redis is gone, full, or holds Limit hints of one queue, a queue that works keeps a
// hint in its own memory and runs it; any other refuses it within two seconds
// with ErrUnreachable or ErrFull. After a kill -9 asynq gives the hints that ran
// to another process within 90 seconds or so.
func OpenRedis(opts Options, o RedisOptions) (*Queue, error) {
	dial, err := newDialer(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open job queue: %w", err)
	}
	for name := range o.Queues {
		if !isQueue(name) {
			return nil, fmt.Errorf("open job queue: unknown queue %q", name)
		}
	}
	return open(opts, func(opts Options) driver { return newRedisQueue(opts, o.withDefaults(), dial) })
}

// redisQueue keeps hints as asynq's tasks. It uses neither task ids nor unique
// locks, because a task that was given up would block both.
type redisQueue struct {
	opts   Options
	redis  RedisOptions
	dial   dialer
	client redis.UniversalClient // for giving hints
	asynq  *asynq.Client
	spare  *inProcess    // takes the hints that Redis does not, where hints are run
	slots  chan struct{} // runs at once, from Redis and spare
	log    *slog.Logger

	running atomic.Int64
	dropped atomic.Int64

	mu     sync.Mutex
	closed bool
	down   time.Time // until then Redis is not asked
	load   load
	server *redisServer // nil until start
}

// load is how much lies in Redis.
type load struct {
	at       time.Time
	counting bool           // somebody counts now
	waiting  map[string]int // by queue
	archived int
}

// all is how many hints wait in all queues.
func (l load) all() (n int) {
	for _, waiting := range l.waiting {
		n += waiting
	}
	return n
}

func newRedisQueue(opts Options, o RedisOptions, dial dialer) *redisQueue {
	client := dial(enqueuePool)
	return &redisQueue{
		opts: opts, redis: o, dial: dial, client: client, asynq: asynq.NewClientFromRedisClient(client),
		load:  load{waiting: map[string]int{}},
		spare: newInProcess(opts), slots: make(chan struct{}, opts.Concurrency), log: opts.Log,
	}
}

// payload is all that a task holds beside its kind: ids.
type payload struct {
	ID    string `json:"id"`
	Trace string `json:"trace,omitempty"` // where the caller's trace goes on
}

func (r *redisQueue) enqueue(ctx context.Context, h Hint) error {
	works, err := r.admit()
	if errors.Is(err, ErrClosed) {
		return err
	}
	if err == nil {
		err = r.give(ctx, h)
	}
	if err == nil {
		return nil
	}
	if works && r.spare.enqueue(ctx, h) == nil {
		return nil
	}
	r.dropped.Add(1)
	return err
}

// admit tells whether Redis may be asked, and whether hints are run here.
func (r *redisQueue) admit() (works bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	works = r.server != nil
	switch {
	case r.closed:
		return works, ErrClosed
	case time.Now().Before(r.down):
		return works, fmt.Errorf("%w: it failed a moment ago", ErrUnreachable)
	}
	return works, nil
}

// give hands one hint to Redis, in bounded time.
func (r *redisQueue) give(ctx context.Context, h Hint) error {
	ctx, cancel := context.WithTimeout(ctx, enqueueLimit)
	defer cancel()
	r.count(ctx)
	r.mu.Lock()
	left, err := r.opts.leftOut(h, r.load.waiting[h.Queue])
	r.mu.Unlock()
	if left || err != nil {
		return err
	}
	body, err := json.Marshal(payload{ID: h.ID, Trace: h.trace})
	if err != nil {
		return err
	}
	opts := []asynq.Option{asynq.Queue(h.Queue), asynq.MaxRetry(r.opts.MaxTries - 1), asynq.Timeout(outerLimit), asynq.Retention(0)}
	if h.After > 0 {
		// asynq counts in whole seconds and rounds down, so a task would be early.
		opts = append(opts, asynq.ProcessAt(time.Now().Add(h.After+time.Second-1).Truncate(time.Second)))
	}
	if _, err := r.asynq.EnqueueContext(ctx, asynq.NewTask(h.Kind, body), opts...); err != nil {
		return r.refusal(ctx, err)
	}
	r.mu.Lock()
	r.load.waiting[h.Queue]++
	r.mu.Unlock()
	return nil
}

// refusal classes an error of Redis. One that is out of reach is left alone for
// a moment, so that requests do not all wait for it.
func (r *redisQueue) refusal(ctx context.Context, err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: Redis: %v", ErrFull, err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	r.mu.Lock()
	r.down = time.Now().Add(downPause)
	r.mu.Unlock()
	return fmt.Errorf("%w: %v", ErrUnreachable, err)
}

// count counts what lies in Redis when the last count is too old; one caller at
// a time, and nobody waits for another's. What it cannot learn stays as it was.
func (r *redisQueue) count(ctx context.Context) {
	r.mu.Lock()
	if r.load.counting || time.Since(r.load.at) < loadAge {
		r.mu.Unlock()
		return
	}
	r.load.counting = true
	r.mu.Unlock()
	waiting, archived, err := r.measure(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load.counting = false
	if err == nil {
		r.load = load{at: time.Now(), waiting: waiting, archived: archived}
	}
}

// measure reads the lengths of asynq's own lists, all at once.
func (r *redisQueue) measure(ctx context.Context) (waiting map[string]int, archived int, err error) {
	counts := map[string][]*redis.IntCmd{}
	var kept []*redis.IntCmd
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, queue := range []string{Critical, Default, Low} {
			prefix := "asynq:{" + queue + "}:"
			counts[queue] = []*redis.IntCmd{p.LLen(ctx, prefix+"pending"), p.ZCard(ctx, prefix+"scheduled"), p.ZCard(ctx, prefix+"retry")}
			kept = append(kept, p.ZCard(ctx, prefix+"archived"))
		}
		return nil
	})
	waiting = map[string]int{}
	for queue, lists := range counts {
		for _, c := range lists {
			waiting[queue] += int(c.Val())
		}
	}
	for _, c := range kept {
		archived += int(c.Val())
	}
	return waiting, archived, err
}

func (r *redisQueue) check(ctx context.Context) error {
	// It writes, since a Redis that is full, or only a replica, answers PING.
	err := r.client.Set(ctx, probeKey, "1", probeAge).Err()
	if err != nil && isFull(err) {
		return fmt.Errorf("%w: Redis: %v", ErrFull, err)
	}
	if err != nil {
		return fmt.Errorf("ask Redis: %w", login(err))
	}
	return nil
}

func (r *redisQueue) stats() Stats {
	r.mu.Lock()
	waiting := r.load.all()
	r.mu.Unlock()
	return Stats{Waiting: waiting + r.spare.stats().Waiting, Running: int(r.running.Load()), Dropped: r.dropped.Load()}
}
