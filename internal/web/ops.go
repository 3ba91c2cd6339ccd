package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

func (s *Server) healthz(c *call) error { return c.reply(api.Health{Status: "ok"}) }

func (s *Server) version(c *call) error { return c.reply(s.options.Build) }

func (s *Server) metrics(c *call) error {
	s.options.Metrics.ServeHTTP(c.w, c.r)
	return nil
}

func (s *Server) openAPIDocument(c *call) error {
	c.w.Header().Set("Cache-Control", "no-cache")
	c.w.json(http.StatusOK, "application/json", s.openAPI)
	return nil
}

// readyz answers 503 while a part fails or the server is ending, so that
// nobody sends it more.
func (s *Server) readyz(c *call) error {
	status, r := s.probes.look(c.r.Context())
	if status != http.StatusOK {
		c.w.Header().Set("Retry-After", retrySoon)
	}
	return c.json(status, r)
}

// Probes tell those who watch over the process how it is.
type Probes struct {
	ready    *readiness
	draining atomic.Bool
}

// NewProbes makes probes of a process that has no Server. A nil log is none.
func NewProbes(checks []Check, log *slog.Logger) *Probes {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Probes{ready: newReadiness(checks, time.Now, log)}
}

// Drain makes the process unready for good.
func (p *Probes) Drain() { p.draining.Store(true) }

// look is the status and the body of /readyz.
func (p *Probes) look(ctx context.Context) (status int, r api.Readiness) {
	r = p.ready.look(ctx)
	if p.draining.Load() {
		r.Status = "draining"
	}
	if r.Status != "ready" {
		return http.StatusServiceUnavailable, r
	}
	return http.StatusOK, r
}

// Parts tells of each part whether it answers, for metrics.
func (p *Probes) Parts(ctx context.Context) map[string]bool {
	parts := map[string]bool{}
	for name, state := range p.ready.look(ctx).Parts {
		parts[name] = state.OK
	}
	return parts
}

const retrySoon = "2" // seconds

// Handler answers GET /healthz and GET /readyz as a Server does, for a listener
// beside it or without it.
func (p *Probes) Handler() http.Handler {
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // who asked has left
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Health{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, state := p.look(r.Context())
		if status != http.StatusOK {
			w.Header().Set("Retry-After", retrySoon)
		}
		answer(w, status, state)
	})
	return mux
}

const (
	goodFor   = 5 * time.Second // how long a good look is kept
	badFor    = time.Second     // and a bad one
	lookLimit = 3 * time.Second // a check that takes longer has failed
)

// readiness looks at the parts of the system, one look at a time, and keeps
// what it saw for a moment so that probes cost nothing.
type readiness struct {
	checks []Check
	now    func() time.Time
	log    *slog.Logger

	mu    sync.Mutex
	until time.Time
	last  api.Readiness
	under []chan api.PartState // a check that runs still, by its place; nil where none does
}

func newReadiness(checks []Check, now func() time.Time, log *slog.Logger) *readiness {
	return &readiness{checks: checks, now: now, log: log, under: make([]chan api.PartState, len(checks))}
}

// look gives the last look, or a new one when that is too old. The checks run
// beside each other, apart from the request that asked: its end is not theirs. A
// check that does not even end with its context, as on a disk that hangs, is
// waited for no longer, and not begun a second time.
func (r *readiness) look(ctx context.Context) api.Readiness {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.until) {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	for i, check := range r.checks {
		if r.under[i] == nil {
			r.under[i] = make(chan api.PartState, 1)
			go func(ended chan<- api.PartState) { ended <- r.run(ctx, check) }(r.under[i])
		}
	}
	states := r.await(ctx)
	cancel()
	r.last = api.Readiness{Status: "ready", Parts: map[string]api.PartState{}}
	keep := goodFor
	for i, check := range r.checks {
		r.last.Parts[check.Name] = states[i]
		if !states[i].OK {
			r.last.Status, keep = "unready", badFor
		}
	}
	r.until = r.now().Add(keep)
	return r.last
}

// lastGrace is for checks that end with their context, to say how they failed.
const lastGrace = 100 * time.Millisecond

// await waits for all checks until ctx ends.
func (r *readiness) await(ctx context.Context) []api.PartState {
	states := make([]api.PartState, len(r.checks))
	late := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lastGrace, func() { close(late) }) })
	defer stop()
	for i, ended := range r.under {
		select {
		case states[i] = <-ended:
			r.under[i] = nil
			continue
		case <-late:
		}
		select {
		case states[i] = <-ended: // it has ended while another was waited for
			r.under[i] = nil
		default:
			class := "timeout"
			states[i] = api.PartState{MS: lookLimit.Milliseconds(), Error: &class}
			r.log.WarnContext(ctx, "not ready", "part", r.checks[i].Name, "error", "it does not answer at all")
		}
	}
	return states
}

// run looks at one part. The cause goes to the log; who asks learns the class.
func (r *readiness) run(ctx context.Context, check Check) api.PartState {
	start := time.Now()
	err := check.Run(ctx)
	took := time.Since(start)
	state := api.PartState{OK: err == nil, MS: took.Milliseconds()}
	if err == nil {
		return state
	}
	class := "unavailable"
	if ctx.Err() != nil {
		class = "timeout"
	}
	state.Error = &class
	r.log.WarnContext(ctx, "not ready", "part", check.Name, "error", err)
	return state
}
