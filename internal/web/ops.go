package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
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
	r := s.ready.look(c.r.Context())
	if s.draining.Load() {
		r.Status = "draining"
	}
	status := http.StatusOK
	if r.Status != "ready" {
		status = http.StatusServiceUnavailable
		c.w.Header().Set("Retry-After", "2")
	}
	return c.json(status, r)
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
}

func newReadiness(checks []Check, now func() time.Time, log *slog.Logger) *readiness {
	return &readiness{checks: checks, now: now, log: log}
}

// look gives the last look, or a new one when that is too old. The checks run
// beside each other, apart from the request that asked: its end is not theirs.
func (r *readiness) look(ctx context.Context) api.Readiness {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.until) {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	states := make([]api.PartState, len(r.checks))
	var all sync.WaitGroup
	for i, check := range r.checks {
		all.Go(func() { states[i] = r.run(ctx, check) })
	}
	all.Wait()
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
