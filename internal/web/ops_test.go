package web

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64
	var broken atomic.Bool
	e := newEnv(t, func(o *Options) {
		o.Checks = []Check{{Name: "database", Run: func(context.Context) error {
			looks.Add(1)
			if broken.Load() {
				return errors.New("password=secret")
			}
			return nil
		}}, {Name: "bucket", Run: func(context.Context) error { return nil }}}
	})
	look := func(status int, want string, times int64) api.Readiness {
		t.Helper()
		r := ask[api.Readiness](e, status, "GET", "/readyz", "", nil)
		if r.Status != want || looks.Load() != times {
			t.Errorf("%+v after %d looks, want %s after %d", r, looks.Load(), want, times)
		}
		return r
	}
	look(200, "ready", 1)
	broken.Store(true)
	e.clock.advance(4900 * time.Millisecond)
	look(200, "ready", 1) // a good answer is kept 5 s
	e.clock.advance(200 * time.Millisecond)
	r := look(503, "unready", 2)
	if p := r.Parts["database"]; p.OK || p.Error == nil || strings.Contains(*p.Error, "secret") || !r.Parts["bucket"].OK {
		t.Errorf("%+v", r)
	}
	broken.Store(false)
	e.clock.advance(900 * time.Millisecond)
	look(503, "unready", 2)
	e.clock.advance(200 * time.Millisecond)
	look(200, "ready", 3) // a bad one 1 s
}

func TestReadinessOfAPartThatHangs(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) {
		o.Checks = []Check{{Name: "bucket", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
	})
	r := ask[api.Readiness](e, 503, "GET", "/readyz", "", nil)
	if p := r.Parts["bucket"]; p.OK || *p.Error != "timeout" {
		t.Errorf("%+v", r)
	}
}

// A disk that hangs holds up a check for good, whatever its context says.
func TestReadinessOfAPartThatNeverEnds(t *testing.T) {
	t.Parallel()
	never := make(chan struct{})
	var begun atomic.Int64
	e := newEnv(t, func(o *Options) {
		o.Checks = []Check{
			{Name: "bucket", Run: func(context.Context) error { begun.Add(1); <-never; return nil }},
			{Name: "database", Run: func(context.Context) error { return nil }},
		}
	})
	for range 2 {
		r := ask[api.Readiness](e, 503, "GET", "/readyz", "", nil)
		if p := r.Parts["bucket"]; p.OK || *p.Error != "timeout" || !r.Parts["database"].OK || begun.Load() != 1 {
			t.Errorf("%+v after %d checks were begun", r, begun.Load())
		}
		e.clock.advance(2 * time.Second)
	}
	close(never)
	waitFor(t, func() bool {
		e.clock.advance(2 * time.Second)
		return e.do("GET", "/readyz", "", nil).StatusCode == 200
	})
}

func TestVersionAndObserver(t *testing.T) {
	t.Parallel()
	seen := make(chan Request, 10)
	e := newEnv(t, func(o *Options) {
		o.Observe.Request = func(r Request) { seen <- r }
		o.Build = api.Version{Version: "1.2.3", Commit: "abc", Go: "go1.26"}
	})
	if v := ask[api.Version](e, 200, "GET", "/version", "", nil); v.Version != "1.2.3" || v.Commit != "abc" {
		t.Errorf("%+v", v)
	}
	if r := <-seen; r.Route != "/version" || r.Status != 200 || r.Sent == 0 || r.Method != "GET" {
		t.Errorf("%+v", r)
	}
	e.do("GET", "/api/v1/d/some-token", "", nil)
	if r := <-seen; r.Route != "/api/v1/d/{token}" || r.Status != 404 {
		t.Errorf("%+v", r)
	}
	e.do("BREW", "/version", "", nil)
	if r := <-seen; r.Method != "other" || r.Status != 405 { // or a caller makes a counter for each word
		t.Errorf("%+v", r)
	}
}

func TestOptionsThatDoNotDo(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, bad := range []string{"", "example.com", "ftp://example.com", "http://"} {
		o := e.options
		o.PublicURL = bad
		if _, err := New(o); err == nil {
			t.Errorf("public URL %q was taken", bad)
		}
	}
	if _, err := New(Options{PublicURL: "http://x.example"}); err == nil {
		t.Error("a server without services")
	}
}
