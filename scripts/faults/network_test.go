package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is the lines between the program and what it talks to.
type network struct {
	book  *book
	api   *toxiproxy.ApiServer
	lines []*line
	mu    sync.Mutex // held while a line suffers
}

// line leads through a proxy, of which there is a new one after each ailment:
// toxics that are taken out of a proxy in use can hold it up for good.
type line struct {
	name, near, far string
	proxy           *toxiproxy.Proxy
}

func newNetwork(b *book) *network {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics do not ask the server for a logger
	return &network{book: b, api: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// connect lays a line and gives the address of its near end.
func (n *network) connect(t *testing.T, name, far string) string {
	t.Helper()
	l := &line{name: name, near: freeAddress(t), far: far}
	if err := n.renew(l, ailment{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.proxy.Stop() })
	n.lines = append(n.lines, l)
	return l.near
}

// renew gives a line a new proxy, from now on ailing or well. All connections
// through the old one break.
func (n *network) renew(l *line, a ailment) error {
	if l.proxy != nil {
		l.proxy.Stop()
	}
	l.proxy = toxiproxy.NewProxy(n.api, l.name, l.near, l.far)
	if a.kind != "" {
		text := fmt.Sprintf(`{"type": %q, "stream": %q, "attributes": %s}`, a.kind, a.stream, a.attributes)
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
			return err
		}
	}
	for tries := 1; ; tries++ { // the port may be held for a moment by what leads through the old proxy
		err := l.proxy.Start()
		if err == nil || tries == 50 {
			return err
		}
		rest(context.Background(), 100*time.Millisecond)
	}
}

// ailment is one way in which a line suffers for a while.
type ailment struct {
	name       string
	kind       string // of toxic; empty only cuts every connection
	stream     string
	attributes string
}

func ailments() []ailment {
	const up, down = "upstream", "downstream"
	return []ailment{
		{name: "cut"},
		{"reset", "reset_peer", up, `{"timeout": 100}`},
		{"slow", "bandwidth", up, `{"rate": 3000}`}, // KB a second
		{"slow", "bandwidth", down, `{"rate": 3000}`},
		{"late", "latency", up, `{"latency": 30, "jitter": 30}`},
		{"late", "latency", down, `{"latency": 30, "jitter": 30}`},
		{"dead", "timeout", up, `{"timeout": 700}`}, // loses what is sent, and says nothing for so long
		{"dead", "timeout", down, `{"timeout": 700}`},
		{"cut after some bytes", "limit_data", up, `{"bytes": 2000000}`},
		{"cut after some bytes", "limit_data", down, `{"bytes": 30000}`},
	}
}

// suffer lets one line after another suffer until ctx ends, and leaves all of
// them well.
func (n *network) suffer(ctx context.Context, random *rand.Rand, pause time.Duration) error {
	for rest(ctx, pause/4+rand.N(3*pause/2)) {
		l := n.lines[random.IntN(len(n.lines))]
		all := ailments()
		a := all[random.IntN(len(all))]
		if err := n.ail(ctx, l, a, time.Duration(100+random.IntN(1200))*time.Millisecond); err != nil {
			return fmt.Errorf("%s of the line to %s: %w", a.name, l.name, err)
		}
	}
	return nil
}

// ail lets one line suffer for a while.
func (n *network) ail(ctx context.Context, l *line, a ailment, while time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.book.fault(l.name + " " + a.name)
	err := n.renew(l, a)
	if err == nil && a.kind != "" {
		rest(ctx, while)
		err = n.renew(l, ailment{})
	}
	return err
}

// find gives a line that was laid.
func (n *network) find(name string) *line {
	return n.lines[slices.IndexFunc(n.lines, func(l *line) bool { return l.name == name })]
}

// silence makes a line swallow what both sides say, on the connections that
// there are too, until end is called. Meanwhile no other line suffers.
func (n *network) silence(name string) (end func() error, err error) {
	n.mu.Lock()
	l := n.find(name)
	for _, stream := range []string{"upstream", "downstream"} {
		text := fmt.Sprintf(`{"type": "timeout", "stream": %q, "attributes": {"timeout": 0}}`, stream)
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
			n.mu.Unlock()
			return nil, err
		}
	}
	return func() error {
		defer n.mu.Unlock()
		return n.renew(l, ailment{})
	}, nil
}

// rest waits, and tells whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
