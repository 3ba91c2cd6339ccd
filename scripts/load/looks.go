package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// look is something that has to be answered while streams are held.
type look struct {
	name string
	ask  func(context.Context, *http.Client) error
}

// looks are what an operator, a browser and a guest ask. /readyz is the answer of
// a moment ago most of the time; the page, the transfer and what is declared are
// read and written anew each time.
func looks(base, slug string, g *guest) []look {
	var declared atomic.Int64
	get := func(path, token string) func(context.Context, *http.Client) error {
		return func(ctx context.Context, client *http.Client) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
			if err != nil {
				return err
			}
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("GET %s: %s", path, resp.Status)
			}
			return nil
		}
	}
	return []look{
		{"/readyz", get("/readyz", "")},
		{"upload page", get("/u/"+slug, "")},
		{"GET of a transfer", get("/api/v1/transfers/"+g.id, g.token)},
		{"declare", func(ctx context.Context, client *http.Client) error {
			other := *g
			other.client = client
			_, err := other.declare(ctx, []string{fmt.Sprintf("looked/%d.jpg", declared.Add(1))}, mib)
			return err
		}},
	}
}

// probe asks five times a second until ctx ends, each time on a new connection,
// and gives how long the answers took, shortest first.
func (l look) probe(ctx context.Context) (took []time.Duration, err error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		began := time.Now()
		if err := l.ask(context.WithoutCancel(ctx), client); err != nil {
			return took, fmt.Errorf("%s: %w", l.name, err)
		}
		took = append(took, time.Since(began))
		select {
		case <-ctx.Done():
			slices.Sort(took)
			return took, nil
		case <-tick.C:
		}
	}
}

// probed is what many looks at once came to.
type probed struct {
	looks []look
	took  [][]time.Duration
	errs  []error
	stop  context.CancelFunc
	all   sync.WaitGroup
}

// startProbes asks all of it, side by side, until end is called.
func startProbes(ctx context.Context, all []look) *probed {
	ctx, stop := context.WithCancel(ctx)
	p := &probed{looks: all, took: make([][]time.Duration, len(all)), errs: make([]error, len(all)), stop: stop}
	for i, l := range all {
		p.all.Go(func() { p.took[i], p.errs[i] = l.probe(ctx) })
	}
	return p
}

// end stops the asking.
func (p *probed) end() []error {
	p.stop()
	p.all.Wait()
	return p.errs
}

// figures prints how long the answers took.
func (p *probed) figures(suffix string) {
	for i, l := range p.looks {
		took := p.took[i]
		at := func(share float64) time.Duration {
			return took[int(share*float64(len(took)-1))].Round(100 * time.Microsecond)
		}
		figure(fmt.Sprintf("%s%s, half of %d", l.name, suffix, len(took)), at(0.5).String(), "50ms")
		figure(l.name+", 99 of 100; slowest", fmt.Sprintf("%v; %v", at(0.99), at(1)), "")
	}
}
