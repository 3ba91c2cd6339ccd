package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// maxReason bounds what an error leaves in Redis.
const maxReason = 300

// errInterrupted is what a run ends with that shutdown cut short: it is run
// again at once and counts for nothing.
var errInterrupted = errors.New("cut short by shutdown")

// start begins to take hints. asynq's own deadlines and its shutdown timeout are
// far away: the runs end with ctx, and shutdown waits as long as its caller does.
func (r *redisQueue) start(ctx context.Context, run runner) error {
	bounded := func(ctx context.Context, h Hint, tries int) error { return r.bounded(ctx, run, h, tries) }
	if err := r.spare.start(ctx, bounded); err != nil {
		return err
	}
	server := &redisServer{client: r.dial(r.opts.Concurrency + enqueuePool), stop: make(chan struct{})}
	server.client.AddHook(slowFailures{stop: server.stop})
	server.asynq = asynq.NewServerFromRedisClient(server.client, asynq.Config{
		Concurrency: r.opts.Concurrency, Queues: r.redis.Queues,
		TaskCheckInterval: r.redis.Poll, DelayedTaskCheckInterval: r.redis.Poll,
		RetryDelayFunc: r.retryDelay, IsFailure: func(err error) bool { return !errors.Is(err, errInterrupted) },
		ShutdownTimeout: outerLimit, Logger: asynqLog{r.log}, LogLevel: asynq.InfoLevel,
		HealthCheckInterval: lookEvery, HealthCheckFunc: func(error) { r.look(ctx) },
	})
	r.mu.Lock()
	r.server = server
	r.mu.Unlock()
	return server.asynq.Start(asynq.HandlerFunc(func(task context.Context, t *asynq.Task) error {
		return r.handle(ctx, task, t, bounded)
	}))
}

// look counts what waits, for the metrics of a process that gives few hints.
func (r *redisQueue) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, enqueueLimit)
	defer cancel()
	r.count(ctx)
}

func (r *redisQueue) retryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	if errors.Is(err, errInterrupted) {
		return 0
	}
	return r.opts.Backoff(retried + 1)
}

// bounded keeps the runs of hints from Redis and from spare within one bound.
func (r *redisQueue) bounded(ctx context.Context, run runner, h Hint, tries int) error {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.running.Add(1)
	defer func() {
		r.running.Add(-1)
		<-r.slots
	}()
	return run(ctx, h, tries)
}

// handle runs one task. ctx is the queue's; task, which is asynq's, only tells
// of it: a run whose lease was lost goes on, since its work would be lost too.
func (r *redisQueue) handle(ctx, task context.Context, t *asynq.Task, run runner) error {
	var body payload
	if err := json.Unmarshal(t.Payload(), &body); err != nil || body.ID == "" {
		return outcome{"no id in the task", asynq.SkipRetry}
	}
	if _, err := r.admit(); errors.Is(err, ErrClosed) {
		return outcome{errInterrupted.Error(), errInterrupted}
	}
	queue, _ := asynq.GetQueueName(task)
	tries, _ := asynq.GetRetryCount(task)
	most, _ := asynq.GetMaxRetry(task)
	err := run(ctx, Hint{Kind: t.Type(), ID: body.ID, Queue: queue, trace: carried(body.Trace)}, tries)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return outcome{errInterrupted.Error(), errInterrupted}
	case isPermanent(err) || tries >= most:
		return outcome{reason(err), r.end()}
	}
	return outcome{reason(err), err}
}

// end says what becomes of a hint that is given up: it is kept for an operator
// to see, unless enough are.
func (r *redisQueue) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.load.archived >= keptGivenUp {
		return asynq.RevokeTask
	}
	r.load.archived++
	return asynq.SkipRetry
}

// outcome is how a run ended, as asynq keeps it: a short text.
type outcome struct {
	text string
	err  error
}

func (o outcome) Error() string { return o.text }
func (o outcome) Unwrap() error { return o.err }

func reason(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n") // a panic's stack is in the log
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	return text
}

// redisServer takes tasks from Redis and runs them.
type redisServer struct {
	asynq  *asynq.Server
	client redis.UniversalClient
	stop   chan struct{} // closed when it shuts down
}

func (r *redisQueue) shutdown(ctx context.Context) (dropped int, err error) {
	r.mu.Lock()
	r.closed = true
	server := r.server
	r.mu.Unlock()
	var errs []error
	ended := make(chan error, 1)
	go func() { ended <- server.shutdown() }()
	dropped, err = r.spare.shutdown(ctx)
	errs = append(errs, err)
	select {
	case err := <-ended:
		errs = append(errs, err)
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("shut down job queue: %d handlers would not end", r.running.Load()))
	}
	return dropped, errors.Join(append(errs, r.client.Close())...)
}

// shutdown takes no more tasks and returns when none runs. A task that does not
// end is given to another process when the lease of this one ends.
func (s *redisServer) shutdown() error {
	if s == nil {
		return nil
	}
	close(s.stop)
	s.asynq.Shutdown()
	return s.client.Close()
}
