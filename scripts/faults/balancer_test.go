package faults_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// balancer hands each request to the next process in turn, so that the parts of
// one file go to all of them. It asks /readyz as a platform does, and leaves out
// who is not ready; where nobody is, it takes whoever answers at all.
type balancer struct {
	near *httptest.Server
	http *http.Transport
	book *book

	mu    sync.Mutex
	doors []*door
	turn  int
	spray map[string]map[string]bool // the processes that parts of a file went to
}

// door is one process as the balancer sees it.
type door struct {
	addr        string
	alive, good bool // answers at all; is ready
}

func newBalancer(t *testing.T, b *book) *balancer {
	t.Helper()
	l := &balancer{book: b, spray: map[string]map[string]bool{}, http: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 16,
	}}
	l.near = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetXForwarded() },
		Transport:    l,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	})
	t.Cleanup(func() {
		l.near.CloseClientConnections()
		l.near.Close()
		l.http.CloseIdleConnections()
	})
	return l
}

// address is where guests come in.
func (l *balancer) address() string { return strings.TrimPrefix(l.near.URL, "http://") }

// join adds a process; leave takes it out.
func (l *balancer) join(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doors = append(l.doors, &door{addr: addr})
}

func (l *balancer) leave(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doors = slices.DeleteFunc(l.doors, func(d *door) bool { return d.addr == addr })
}

// watch looks at every process again and again until ctx ends.
func (l *balancer) watch(ctx context.Context) {
	probe := &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for rest(ctx, 200*time.Millisecond) {
		l.mu.Lock()
		doors := slices.Clone(l.doors)
		l.mu.Unlock()
		var wg sync.WaitGroup
		for _, d := range doors {
			wg.Go(func() {
				status := 0
				if resp, err := probe.Get("http://" + d.addr + "/readyz"); err == nil {
					_ = resp.Body.Close()
					status = resp.StatusCode
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				d.alive, d.good = status != 0, status == http.StatusOK
			})
		}
		wg.Wait()
	}
}

// next is the next process in turn, of those that are ready if any is.
func (l *balancer) next() (addr string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fits := range []func(*door) bool{
		func(d *door) bool { return d.good }, func(d *door) bool { return d.alive },
	} {
		for range l.doors {
			l.turn++
			if d := l.doors[l.turn%len(l.doors)]; fits(d) {
				return d.addr, true
			}
		}
	}
	return "", false
}

func (l *balancer) dead(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.doors {
		if d.addr == addr {
			d.alive, d.good = false, false
		}
	}
}

var errNobody = errors.New("no process answers")

// RoundTrip sends a request to the next process; where nobody listens any more,
// to the one after it. What broke after that is for the guest to see.
func (l *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body io.ReadCloser
	if r.Body != nil {
		body = io.NopCloser(r.Body) // a failed dial closes it; who called does so later
	}
	for {
		addr, ok := l.next()
		if !ok {
			return nil, errNobody
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.Body = "http", addr, body
		resp, err := l.http.RoundTrip(out)
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && r.Context().Err() == nil {
			l.dead(addr)
			continue
		}
		if err == nil {
			l.note(r, addr)
		}
		return resp, err
	}
}

// note remembers which processes took parts of a file.
func (l *balancer) note(r *http.Request, addr string) {
	file, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/files/"), "/parts/")
	if !ok || r.Method != http.MethodPut {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spray[file] == nil {
		l.spray[file] = map[string]bool{}
	}
	if l.spray[file][addr] {
		return
	}
	l.spray[file][addr] = true
	if len(l.spray[file]) == 2 {
		l.book.add(filesSprayed, 1)
	}
}
