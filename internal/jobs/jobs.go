package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Errors of a queue.
var (
	// ErrFull means that the hint was not taken, since too many wait. A caller
	// may go on: the sweep finds the row.
	ErrFull = errors.New("job queue is full")
	// ErrUnreachable means that the hint was not taken, since Redis does not answer.
	// A caller may go on, as above.
	ErrUnreachable = errors.New("job queue is out of reach")
	// ErrDenied means that Redis does not take the login of its URL.
	ErrDenied = errors.New("login refused by Redis")
	// ErrClosed means that the queue is shutting down. A caller may go on, as above.
	ErrClosed = errors.New("job queue is shut down")
)

// The queues. Of ten runs that could begin, six are critical, three default and
// one low, so that none starves.
const (
	Critical = "critical"
	Default  = "default"
	Low      = "low"
)

// Hint asks for a run of the job Kind on the row ID.
type Hint struct {
	Kind  string        // of a Job, with its version: "file.seal/1"
	ID    string        // of the row
	Queue string        // empty means that of the Job
	After time.Duration // not before this has passed
	// Repeat says that the row may be hinted at already, as a sweep's are. While a
	// tenth of Limit waits in its queue such a hint is left out, which is no error:
	// the sweep comes again.
	Repeat bool

	trace string // what Trace.Carry gave
}

// Handler does one step on the row with this id. An error means: again later,
// unless it is Permanent. ctx has the deadline of the job, and ends at shutdown.
type Handler func(ctx context.Context, id string) error

// Job is a kind of work. A handler that begins to read other things from a row
// gets a new version in its kind, since old and new processes run side by side.
type Job struct {
	Kind    string
	Queue   string        // empty means Default
	Timeout time.Duration // of one run; 0 means 10 minutes
	Run     Handler
}

// Chore is work without a hint. Runs of one chore do not overlap in a process,
// but other processes run it too: it takes a lease in the database where that
// matters.
type Chore struct {
	Name    string
	Every   time.Duration // from the end of a run to the next, give or take a tenth
	Timeout time.Duration // of one run; 0 means Every, but at least a minute
	Run     func(ctx context.Context) error
}

// Options of a queue.
type Options struct {
	Jobs   []Job
	Chores []Chore

	Concurrency int // runs at once, chores aside; 0 means 4
	Limit       int // hints that may wait in each queue; 0 means 10,000
	MaxTries    int // runs of a hint whose handler fails; 0 means 10

	// Backoff is the pause after the given number of failed tries; nil means from
	// 1 s to 5 min, doubling, with jitter.
	Backoff func(tries int) time.Duration

	Log *slog.Logger // nil means nowhere
	// Observe is called after each run of a job or chore, and with ErrFull or
	// ErrUnreachable and no duration for a hint that was not taken. nil means
	// nobody asks.
	Observe func(kind string, d time.Duration, err error)
	// Trace follows work from its hint to its run; the zero value follows nothing.
	Trace Trace
}

// Trace lets traces of requests go on in the jobs that they hint at. The queue
// knows nothing of what it carries but its length: ids, and never more.
type Trace struct {
	// Carry gives the ids of the work that ctx belongs to, for a hint to take
	// along; "" is none, and more than 64 bytes are none either.
	Carry func(ctx context.Context) string
	// Begin is called before each run of a job or chore, with what its hint
	// carried. The run has the context that it gives; end is called with the run's
	// error.
	Begin func(ctx context.Context, kind, carried string) (run context.Context, end func(error))
}

// maxCarried bounds what a hint carries, in bytes.
const maxCarried = 64

func (t Trace) withDefaults() Trace {
	if t.Carry == nil {
		t.Carry = func(context.Context) string { return "" }
	}
	if t.Begin == nil {
		t.Begin = func(ctx context.Context, _, _ string) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	return t
}

// driver keeps hints and calls run for them.
type driver interface {
	// enqueue keeps a hint, whose Queue is set. nil promises at least one call of
	// run as long as the place lives where hints are kept, in a process that
	// started; ErrFull, ErrUnreachable and ErrClosed are the refusals.
	enqueue(ctx context.Context, h Hint) error
	// start begins to call run, from at most Options.Concurrency goroutines at
	// once, with contexts that end with ctx, and returns. It is called once.
	start(ctx context.Context, run runner) error
	// shutdown begins no more runs, takes no more hints, and returns when none
	// runs or ctx ends, which is then an error. dropped are the hints that waited
	// and are lost.
	shutdown(ctx context.Context) (dropped int, err error)
	// check asks whether hints can be kept now.
	check(ctx context.Context) error
	// stats looks, without waiting for anything.
	stats() Stats
}

// runner handles a hint whose handler failed tries times before. nil and errors
// that are Permanent end the hint, others ask for a retry while retries remain.
type runner func(ctx context.Context, h Hint, tries int) error

// Stats is a look at a queue.
type Stats struct {
	Waiting int   // hints, with those that wait for a retry; in Redis as of the last count
	Running int   // handlers of this process
	Dropped int64 // hints that were refused since the queue was opened
}

// Queue takes hints and runs their handlers. It is safe for concurrent use.
type Queue struct {
	opts   Options
	jobs   map[string]Job
	driver driver

	mu       sync.Mutex
	started  bool
	cancel   context.CancelCauseFunc // of all runs
	stopping chan struct{}           // closed by Shutdown
	chores   sync.WaitGroup
}

// OpenInProcess makes a queue in the memory of this process. Hints are lost with
// it. It takes hints at once and runs handlers after Start.
func OpenInProcess(opts Options) (*Queue, error) {
	return open(opts, func(o Options) driver { return newInProcess(o) })
}

func open(opts Options, newDriver func(Options) driver) (*Queue, error) {
	opts = opts.withDefaults()
	q := &Queue{opts: opts, jobs: make(map[string]Job, len(opts.Jobs)), stopping: make(chan struct{})}
	for _, job := range opts.Jobs {
		if err := q.add(job); err != nil {
			return nil, fmt.Errorf("open job queue: %w", err)
		}
	}
	for _, chore := range opts.Chores {
		if chore.Name == "" || chore.Every <= 0 || chore.Run == nil {
			return nil, fmt.Errorf("open job queue: chore %q needs a name, a period and a function", chore.Name)
		}
	}
	q.driver = newDriver(opts)
	return q, nil
}

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	if o.Limit <= 0 {
		o.Limit = 10_000
	}
	if o.MaxTries <= 0 {
		o.MaxTries = 10
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration, error) {}
	}
	o.Trace = o.Trace.withDefaults()
	return o
}

// backoff doubles from a second to five minutes; each pause is somewhere in the
// upper half, so that what failed together does not come back together.
func backoff(tries int) time.Duration {
	const first, last = time.Second, 5 * time.Minute
	pause := last
	if tries < 10 {
		pause = min(first<<max(tries-1, 0), last)
	}
	return pause/2 + rand.N(pause/2)
}

func (q *Queue) add(job Job) error {
	if !regexp.MustCompile(`^[a-z][a-z_.]*/[1-9][0-9]*$`).MatchString(job.Kind) {
		return fmt.Errorf("kind %q is not like file.seal/1", job.Kind)
	}
	if _, twice := q.jobs[job.Kind]; twice {
		return fmt.Errorf("kind %s is there twice", job.Kind)
	}
	if job.Run == nil {
		return fmt.Errorf("kind %s has no handler", job.Kind)
	}
	if job.Queue == "" {
		job.Queue = Default
	}
	if job.Timeout <= 0 {
		job.Timeout = 10 * time.Minute
	}
	if !isQueue(job.Queue) {
		return fmt.Errorf("kind %s: unknown queue %q", job.Kind, job.Queue)
	}
	q.jobs[job.Kind] = job
	return nil
}

func isQueue(name string) bool { return name == Critical || name == Default || name == Low }

// Kinds lists the jobs of this queue, sorted.
func (q *Queue) Kinds() []string { return slices.Sorted(maps.Keys(q.jobs)) }

// Stats looks at the queue, for metrics.
func (q *Queue) Stats() Stats { return q.driver.stats() }

// Check tells whether hints can be kept now, for a readiness probe. A queue in
// the memory of this process always says yes.
func (q *Queue) Check(ctx context.Context) error { return q.driver.check(ctx) }

// Enqueue gives a hint, after the commit of what it is about. ErrFull,
// ErrUnreachable and ErrClosed may be ignored, since the sweep finds the row; any
// other error is a mistake in the hint.
func (q *Queue) Enqueue(ctx context.Context, h Hint) error {
	job, ok := q.jobs[h.Kind]
	if !ok {
		return fmt.Errorf("enqueue %q: no such kind of job", h.Kind)
	}
	if h.ID == "" {
		return fmt.Errorf("enqueue %s: no id", h.Kind)
	}
	if h.Queue == "" {
		h.Queue = job.Queue
	}
	if !isQueue(h.Queue) {
		return fmt.Errorf("enqueue %s: unknown queue %q", h.Kind, h.Queue)
	}
	h.After = max(h.After, 0)
	h.trace = carried(q.opts.Trace.Carry(ctx))
	if err := q.driver.enqueue(ctx, h); err != nil {
		for _, refusal := range []error{ErrFull, ErrUnreachable} {
			if errors.Is(err, refusal) {
				q.opts.Observe(h.Kind, 0, refusal)
			}
		}
		return fmt.Errorf("enqueue %s: %w", h.Kind, err)
	}
	return nil
}

// leftOut tells whether a hint may be left out where so many wait in its queue,
// and else whether there is no room for it.
func (o Options) leftOut(h Hint, waiting int) (left bool, full error) {
	if h.Repeat && waiting >= max(o.Limit/10, 1) {
		return true, nil
	}
	if waiting >= o.Limit {
		return false, fmt.Errorf("%w: %d hints wait in %s", ErrFull, waiting, h.Queue)
	}
	return false, nil
}

// carried is what a hint may take along.
func carried(ids string) string {
	if len(ids) > maxCarried {
		return ""
	}
	return ids
}
