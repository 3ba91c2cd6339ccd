package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of CheckOptions.
const (
	defaultCheckSize    = 2 << 20
	defaultCheckTimeout = 30 * time.Second
	defaultCheckStall   = 60 * time.Second
	// checkSettles is how long a bucket is given to show what became of a body
	// that was cut.
	checkSettles = 500 * time.Millisecond
	// replyGrace is how long a write that was interrupted waits for its answer.
	// A bucket may still do what it was asked and we no longer wait for.
	replyGrace = 5 * time.Second
	// cleanTimeout bounds the taking away of what the check wrote.
	cleanTimeout = time.Minute
)

// CheckOptions say how a bucket is checked.
type CheckOptions struct {
	S3 S3Options
	// Origin is the address of the pages, which browsers name in CORS: scheme,
	// host and port.
	Origin string
	// Require names optional capabilities that are needed here; ErrInvalid
	// where there is no such capability.
	Require []string
	// Size is what each figure of throughput moves, in bytes; 2 MiB by default,
	// at most MaxPartSize.
	Size int64
	// Stall is how long a body is silent, for the bucket to give it up; 60 s by
	// default.
	Stall time.Duration
	// Timeout bounds each row, except those that wait or move much; 30 s by
	// default.
	Timeout time.Duration
	// Progress is called before each row is tried; nil is silent.
	Progress func(done, total int, capability string)
}

// Result is how a row of a check ended.
type Result string

// The results.
const (
	ResultOK      Result = "ok"
	ResultWarning Result = "warning"   // works, or is not needed, and somebody should look
	ResultNo      Result = "no"        // an optional capability that is not there
	ResultFailed  Result = "failed"    // a needed one that is not there
	ResultSkipped Result = "not tried" // it rests on another that failed, or the check ended
)

// Row is what a check found out about one capability.
type Row struct {
	Capability string
	Needed     bool
	Result     Result
	Took       time.Duration
	Found      string // what was seen; may be empty where all is well
	Advice     string // what to do; empty where nothing is
}

// Report is the outcome of a check.
type Report struct {
	Prefix  string // all that the check wrote has keys that begin with it
	Rows    []Row
	Problem *SettingError // why nothing could be tried, or nil
	Left    []string      // keys that could not be taken away
}

// Passed tells whether everything that is needed is there.
func (r Report) Passed() bool {
	return len(r.Rows) > 0 && !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Needed && !row.passed() })
}

func (r Row) passed() bool { return r.Result == ResultOK || r.Result == ResultWarning }

// BucketCheck tries everything that this program relies on, against a real
// bucket, under keys of its own. Its methods are not for concurrent use.
type BucketCheck struct {
	o      CheckOptions
	store  *Store
	b      *bucket
	probe  *bucket // gives up at once
	plain  *http.Client
	prefix string // v1/<account>/, of an account that nobody has
	now    func() time.Time

	reached bool
	problem error // of reaching the bucket
	skew    time.Duration
	denied  error // a permission that is missing to look at the bucket
	state   checkState
	stalled <-chan stallOutcome

	mu   sync.Mutex
	keys map[string]bool // written, or begun to be
	open map[Upload]bool // begun and not ended
}

// OpenBucketCheck prepares a check and sends nothing. Errors are ErrInvalid.
func OpenBucketCheck(o CheckOptions) (*BucketCheck, error) {
	o = o.withDefaults()
	if o.Size < 0 || o.Size > MaxPartSize || o.Stall < 0 || o.Timeout < 0 {
		return nil, fmt.Errorf("%w: size, stall and timeout are at least 0, and the size at most %d bytes", ErrInvalid, MaxPartSize)
	}
	for _, name := range o.Require {
		if !slices.Contains(CheckNames(), name) {
			return nil, fmt.Errorf("%w: there is no capability %q; there are %s", ErrInvalid, name, strings.Join(CheckNames(), ", "))
		}
	}
	store, err := OpenS3(o.S3)
	if err != nil {
		return nil, err
	}
	run, err := newID(nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("name a check: %w", err), store.Close())
	}
	once := o.S3
	once.Attempts = 1
	b := store.objects.(*bucket)
	return &BucketCheck{
		o: o, store: store, b: b, probe: newBucket(once), now: o.S3.Now,
		plain:  &http.Client{Transport: b.transports[0], CheckRedirect: noRedirect},
		prefix: checkPrefix + run[:hexLen/2] + "/",
		keys:   map[string]bool{}, open: map[Upload]bool{},
	}, nil
}

// checkPrefix begins the keys of every check. The accounts of this program
// begin with the time at which they were made, which was not 1970.
const checkPrefix = keyVersion + "/0000000000000000"

func (o CheckOptions) withDefaults() CheckOptions {
	o.S3 = o.S3.withDefaults()
	if o.Size == 0 {
		o.Size = defaultCheckSize
	}
	defaultTo(&o.Stall, defaultCheckStall)
	defaultTo(&o.Timeout, defaultCheckTimeout)
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	return o
}

// Close lets go of the connections.
func (c *BucketCheck) Close() error { return errors.Join(c.store.Close(), c.probe.close()) }

// Prefix is what the keys of this check begin with.
func (c *BucketCheck) Prefix() string { return c.prefix }

// Run tries every capability, takes away what it wrote, and reports. A
// cancelled context ends the trying and not the taking away, which has a minute
// of its own; the rows that were not tried say so.
func (c *BucketCheck) Run(ctx context.Context) Report {
	all := capabilities()
	report := Report{Prefix: c.prefix, Rows: make([]Row, 0, len(all)+1)}
	over := "" // why no more is tried
	endStall := func() {}
	for i, capability := range all {
		capability.needed = capability.needed || slices.Contains(c.o.Require, capability.name)
		if over == "" && ctx.Err() != nil {
			over = "interrupted"
		}
		if over == "" {
			c.o.Progress(i, len(all)+1, capability.name)
			row, timedOut := c.try(ctx, capability, report.Rows)
			report.Rows = append(report.Rows, row)
			switch {
			case capability.name == nameBucket && c.problem != nil:
				over = "the bucket was not reached"
			case capability.name == namePut && row.passed():
				endStall = c.startStall(ctx)
			case timedOut && c.isSilent(ctx):
				over = "the bucket stopped answering"
			}
			continue
		}
		report.Rows = append(report.Rows, Row{Capability: capability.name, Needed: capability.needed, Result: ResultSkipped, Found: over})
	}
	if setting, ok := errors.AsType[*SettingError](c.problem); ok {
		report.Problem = setting
	}
	endStall()
	c.o.Progress(len(all), len(all)+1, nameCleanup)
	c.finish(ctx, &report)
	return report
}

// isSilent tells whether trying more is of no use.
func (c *BucketCheck) isSilent(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(ctx, c.o.S3.ConnectTimeout)
	defer cancel()
	_, status := answer(c.answers(limited))
	return limited.Err() != nil || status >= 500
}

// try makes one row.
func (c *BucketCheck) try(ctx context.Context, p capability, before []Row) (row Row, timedOut bool) {
	row = Row{Capability: p.name, Needed: p.needed}
	if p.after != "" {
		i := slices.IndexFunc(before, func(r Row) bool { return r.Capability == p.after })
		if !before[i].passed() {
			row.Result, row.Found = ResultSkipped, "it rests on "+p.after
			return row, false
		}
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if !p.takesTime {
		limited, cancel = context.WithTimeoutCause(ctx, c.o.Timeout, noAnswer(c.o.Timeout))
	}
	defer cancel()
	start := c.now()
	text, err := p.try(limited, c)
	if limited.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", context.Cause(limited), err)
	}
	row.Took, row.Found = c.now().Sub(start), text
	if p.name == nameStall && c.state.silent > 0 {
		row.Took = c.state.silent // it began long before
	}
	c.judge(ctx, p, &row, err)
	return row, limited.Err() != nil && ctx.Err() == nil
}

// judge gives a row its result.
func (c *BucketCheck) judge(ctx context.Context, p capability, row *Row, err error) {
	warned, isWarning := errors.AsType[*remark](err)
	switch {
	case err == nil:
		row.Result = ResultOK
		return
	case ctx.Err() != nil:
		row.Result, row.Found = ResultSkipped, "interrupted"
		return
	case isWarning && !slices.Contains(c.o.Require, p.name):
		row.Result = warned.result
	case p.needed:
		row.Result = ResultFailed
	default:
		row.Result = ResultNo
	}
	row.Found = c.words(err)
	switch {
	case isWarning:
		row.Advice = warned.advice
	case errors.Is(err, ErrDenied) && p.action != "":
		row.Advice = c.allow(p.action)
	default:
		row.Advice = p.advice
	}
}

// remark is an outcome that says by itself what it amounts to.
type remark struct {
	result Result
	text   string
	advice string
}

func (r *remark) Error() string { return r.text }

func warn(text, advice string) error { return &remark{ResultWarning, text, advice} }

// noAnswer is the cause of a row's end.
type noAnswer time.Duration

func (n noAnswer) Error() string { return fmt.Sprintf("no answer within %s", time.Duration(n)) }

// note remembers a key that is about to be written.
func (c *BucketCheck) note(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[key] = true
}

// newKey makes a key under the check's prefix.
func (c *BucketCheck) newKey() (string, error) {
	id, err := newID(nil)
	return c.prefix + id, err
}

// lasting is a context for a write. It outlives an interruption by so much that
// the answer can arrive: only then is it known what there is to take away.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	long, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.NewTimer(replyGrace)
		defer late.Stop()
		select {
		case <-late.C:
			cancel(context.Cause(ctx))
		case <-long.Done():
		}
	})
	return long, func() { stop(); cancel(nil) }
}

// checkBody ends when the check is interrupted, which resets its connection.
type checkBody struct {
	ctx context.Context
	io.Reader
}

func (b checkBody) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	return b.Reader.Read(p)
}

// put writes an object under a new key.
func (c *BucketCheck) put(ctx context.Context, r io.Reader, size int64) (key string, err error) {
	if key, err = c.newKey(); err != nil || ctx.Err() != nil {
		return key, errors.Join(err, context.Cause(ctx))
	}
	c.note(key)
	long, cancel := lasting(ctx)
	defer cancel()
	_, err = c.store.Put(long, key, checkBody{ctx, r}, size)
	return key, err
}

// delete takes an object away, and is done with it.
func (c *BucketCheck) delete(ctx context.Context, key string) error {
	if err := c.b.remove(ctx, key); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, key)
	return nil
}

// pause waits, unless the check is interrupted.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
