package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fleet is several processes of the program, serving and working, on one
// database, queue and bucket. They are killed at random, and rolled: another
// build starts beside one of them, and the old one drains when it is ready.
type fleet struct {
	app   *app // what all have in common; its build is the new one
	old   string
	front *balancer
	plan  plan
	book  *book
	kills atomic.Int64
	quiet sync.RWMutex // read by who kills, written by who looks at an outage

	mu      sync.Mutex
	members map[*member]bool
}

// member is one process of a fleet.
type member struct {
	*life
	role, addr string
	isOld      bool
	since      int64  // where its life begins in the log
	masters    string // the master keys that it was started with
	stale      <-chan struct{}
	settled    atomic.Bool // took part once
}

// sharing are the settings of a process that shares everything and keeps nothing,
// as in production, where only the grace of the sweep may not be so short. Its
// times are short too, so that all of them pass in a run.
func sharing() []string {
	return []string{
		"APP_DB_AUTO_MIGRATE=false",
		"APP_HTTP_PUBLIC_URL=http://127.0.0.1", "APP_HTTP_TRUSTED_PROXIES=127.0.0.1", "APP_HTTP_STREAM_WAIT=5s",
		"APP_HTTP_DRAIN_TIMEOUT=15s", "APP_DB_MAX_CONNS=3",
	}
}

// answerLimit is within what time an answer begins under these settings and those
// of newRun: the wait for a stream, for the database and for the bucket.
const answerLimit = 40 * time.Second

func newFleet(t *testing.T, p plan, a *app, old string) *fleet {
	t.Helper()
	f := &fleet{app: a, old: old, plan: p, book: a.book, members: map[*member]bool{}, front: newBalancer(t, a.book)}
	t.Cleanup(func() { // where the run failed
		f.mu.Lock()
		defer f.mu.Unlock()
		for m := range f.members {
			_ = m.cmd.Process.Kill() // an error: it has ended
			<-m.gone
		}
	})
	migrate := a.command(t.Context(), nil, "migrate", "up")
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("app migrate up: %v\n%s", err, out)
	}
	return f
}

// begin starts a process, the old build or the new one.
func (f *fleet) begin(role, addr string, isOld bool, extra ...string) (*member, error) {
	a := *f.app
	if isOld {
		a.bin = f.old
	}
	var since int64
	if info, err := os.Stat(a.logFile()); err == nil {
		since = info.Size()
	}
	masters, stale := a.masters.now()
	l, err := a.start(role, append([]string{"APP_HTTP_ADDR=" + addr, "MASTER_KEYS=" + masters}, extra...)...)
	if err != nil {
		return nil, err
	}
	m := &member{life: l, role: role, addr: addr, isOld: isOld, since: since, masters: masters, stale: stale}
	f.mu.Lock()
	f.members[m] = true
	f.mu.Unlock()
	if role == serve {
		f.front.join(addr)
	}
	return m, nil
}

// forget takes a process out that has ended.
func (f *fleet) forget(m *member) {
	f.mu.Lock()
	delete(f.members, m)
	f.mu.Unlock()
	if m.role == serve {
		f.front.leave(m.addr)
	}
}

// settle waits until a process that has just started takes part, and tells
// whether it lived to.
func (f *fleet) settle(ctx context.Context, m *member) bool {
	for began := time.Now(); time.Since(began) < 30*time.Second; {
		select {
		case <-m.gone:
			return false
		default:
		}
		if f.takesPart(ctx, m) {
			m.settled.Store(true)
			return true
		}
		if !rest(ctx, 50*time.Millisecond) {
			return false
		}
	}
	return true // it lives, and something that it needs does not
}

// takesPart asks a process that serves; one that works says it in the log.
func (f *fleet) takesPart(ctx context.Context, m *member) bool {
	if m.role == serve {
		got, err := look(ctx, m.addr)
		return err == nil && got.Status == "ready"
	}
	log, err := os.Open(f.app.logFile())
	if err != nil {
		return false
	}
	defer func() { _ = log.Close() }()
	text, err := io.ReadAll(io.NewSectionReader(log, m.since, 1<<40))
	return err == nil && bytes.Contains(text, fmt.Appendf(nil, `"msg":"working","pid":%d,`, m.cmd.Process.Pid))
}

// live keeps one process of each place of the plan running until ctx ends, and
// leaves them running. Until bad ends they are killed and rolled.
func (f *fleet) live(ctx, bad context.Context, t *testing.T, enough func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watching, over := context.WithCancel(t.Context())
	t.Cleanup(over)
	go f.front.watch(watching)
	var all sync.WaitGroup
	for n := range f.plan.instances + f.plan.workers {
		p := place{
			role: serve, addresses: [2]string{freeAddress(t), freeAddress(t)}, steps: n,
			random: mathrand.New(mathrand.NewPCG(f.plan.seed, 1000+uint64(n))),
		}
		if n >= f.plan.instances {
			p.role = worker
		}
		all.Go(func() {
			if err := f.keep(ctx, bad, p, enough); err != nil {
				stop(fmt.Errorf("%s %d: %w", p.role, n, err))
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// place is where one process after another runs: at one of its addresses while
// another one takes over at the other.
type place struct {
	role      string
	addresses [2]string
	random    *mathrand.Rand
	steps     int // every third is a roll
}

// keep keeps one process running through kills and rolls, and when they are over.
func (f *fleet) keep(ctx, bad context.Context, p place, enough func()) error {
	var m *member
	var next <-chan time.Time // not put off by deploys
	isOld := p.random.IntN(2) == 0
	for turn := 0; ; {
		if m == nil {
			var err error
			if m, err = f.begin(p.role, p.addresses[turn%2], isOld); err != nil {
				return err
			}
			f.settle(ctx, m)
		}
		if next == nil && bad.Err() == nil {
			next = time.After(time.Duration(f.plan.instances+f.plan.workers) * f.plan.untilKill(p.random))
		}
		select {
		case <-m.gone:
			f.lost(m)
			m = nil
			rest(ctx, 100*time.Millisecond)
		case <-m.stale:
			rest(ctx, time.Duration(p.random.Int64N(int64(time.Second)))) // not all at once
			f.quiet.RLock()
			if fresh := f.roll(ctx, m, p.addresses[(turn+1)%2]); fresh != m {
				m, turn = fresh, turn+1
			}
			f.quiet.RUnlock()
		case <-next:
			next = nil
			f.quiet.RLock()
			if p.steps++; bad.Err() != nil { // it ended in the meantime
			} else if p.steps%3 == 0 {
				if fresh := f.roll(ctx, m, p.addresses[(turn+1)%2]); fresh != m {
					m, turn = fresh, turn+1
				}
			} else {
				f.kill(m, enough)
				m = nil
			}
			isOld = p.random.IntN(2) == 0
			f.quiet.RUnlock()
		case <-ctx.Done():
			return nil
		}
	}
}

// lost is for a process that ended by itself: while it starts it may.
func (f *fleet) lost(m *member) {
	f.forget(m)
	if m.settled.Load() {
		f.book.wrong(endedAlone, 1, "%s at %s: %v", m.role, m.addr, m.err)
	}
	f.book.add("starts that failed", 1)
}

// kill ends a process as power does.
func (f *fleet) kill(m *member, enough func()) {
	select {
	case <-m.gone:
		f.lost(m)
		return
	default:
	}
	_ = m.cmd.Process.Kill() // an error: it has just ended by itself
	<-m.gone
	f.forget(m)
	n := f.kills.Add(1)
	if f.plan.kills == 0 || n <= int64(f.plan.kills) { // else it ended with the rest
		f.book.add(kills, 1)
	}
	if n == int64(f.plan.kills) {
		enough()
	}
}

// roll starts the other build beside a process, lets both work for a moment and
// ends the one before. Where the new one does not come up, the old one stays.
func (f *fleet) roll(ctx context.Context, m *member, addr string) *member {
	fresh, err := f.begin(m.role, addr, !m.isOld)
	if err != nil {
		return m
	}
	if !f.settle(ctx, fresh) {
		_ = fresh.cmd.Process.Kill()
		<-fresh.gone
		f.forget(fresh)
		f.book.add("starts that failed", 1)
		return m
	}
	rest(ctx, time.Second)
	f.book.add(rolls, 1)
	err = m.stop()
	if errors.Is(err, os.ErrProcessDone) { // it was not there any more to be told
		f.lost(m)
		return fresh
	}
	f.forget(m)
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() == 1: // it says that it had to cut something
		f.book.add("drains that cut something", 1)
	default:
		f.book.wrong(endedAlone, 1, "%s at %s, when it was told to drain: %v", m.role, m.addr, err)
	}
	return fresh
}

// stop drains all processes.
func (f *fleet) stop() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for m := range f.members {
		errs = append(errs, m.stop())
		f.front.leave(m.addr)
	}
	clear(f.members)
	return errors.Join(errs...)
}

// oldBuild is the program as it was before, to run beside the new one: that of
// a commit, or this one again.
func oldBuild(t *testing.T, p plan, bin string) string {
	t.Helper()
	if p.old == "" {
		return bin
	}
	folder := filepath.Join(t.TempDir(), "old")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	script := `git -C "$(git rev-parse --show-toplevel)" archive "$1" | tar -x -C "$2"`
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script, "sh", p.old, folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("read the program as of %s: %v\n%s", p.old, err, out)
	}
	migrations, err := filepath.Glob(filepath.Join(folder, "migrations", "*.up.sql"))
	if err != nil || len(migrations) == 0 {
		t.Fatalf("the program as of %s has no migrations: %v", p.old, err)
	}
	t.Logf("the old program is that of %s, whose newest migration is %s", p.old,
		strings.TrimSuffix(filepath.Base(migrations[len(migrations)-1]), ".up.sql"))
	return buildIn(t, p, folder)
}
