package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is the lines between the program and what it talks to. Each is a
// proxy that can be cut and slowed.
type network struct {
	book  *book
	api   *toxiproxy.ApiServer
	lines []*toxiproxy.Proxy
}

func newNetwork(b *book) *network {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics do not ask the server for a logger
	return &network{book: b, api: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// connect lays a line and gives the address of its near end.
func (n *network) connect(t *testing.T, name, far string) string {
	t.Helper()
	p := toxiproxy.NewProxy(n.api, name, freeAddress(t), far)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	n.lines = append(n.lines, p)
	return p.Listen
}

// ailment is one way in which a line suffers for a while.
type ailment struct {
	name       string
	kind       string // of toxic; empty cuts every connection
	attributes string
}

func ailments() []ailment {
	return []ailment{
		{name: "cut"},
		{name: "cut"},
		{"reset", "reset_peer", `{"timeout": 30}`},
		{"slow", "bandwidth", `{"rate": 4000}`}, // KB a second
		{"late", "latency", `{"latency": 40, "jitter": 40}`},
		{"dead", "timeout", `{"timeout": 0}`}, // loses what is sent, and says nothing
		{"cut after some bytes", "limit_data", `{"bytes": 300000}`},
	}
}

// suffer lets one line after another suffer until ctx ends, and leaves all of
// them well.
func (n *network) suffer(ctx context.Context, random *rand.Rand, pause time.Duration) error {
	for rest(ctx, pause/4+rand.N(2*pause)) {
		line := n.lines[random.IntN(len(n.lines))]
		all := ailments()
		a := all[random.IntN(len(all))]
		if err := n.inflict(ctx, line, a, random); err != nil {
			return fmt.Errorf("%s of the line to %s: %w", a.name, line.Name, err)
		}
		n.book.fault(line.Name + " " + a.name)
	}
	return nil
}

func (n *network) inflict(ctx context.Context, line *toxiproxy.Proxy, a ailment, random *rand.Rand) error {
	if a.kind == "" {
		line.Stop()
		rest(ctx, time.Duration(random.IntN(300))*time.Millisecond)
		return line.Start()
	}
	stream := []string{"upstream", "downstream"}[random.IntN(2)]
	text := fmt.Sprintf(`{"name": %q, "type": %q, "stream": %q, "attributes": %s}`, a.name, a.kind, stream, a.attributes)
	if _, err := line.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		return err
	}
	rest(ctx, time.Duration(50+random.IntN(1500))*time.Millisecond)
	// Removing waits for the line's own goroutines, not for the far end.
	return line.Toxics.RemoveToxic(context.WithoutCancel(ctx), a.name)
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
