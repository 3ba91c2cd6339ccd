package testenv

import (
	"context"
	"net"
	"testing"
	"time"
)

// OwnRedis is a Redis that one test may stop, fill and empty. It keeps nothing
// on disk, so what it held is lost when it stops.
type OwnRedis struct {
	URL string
	r   *redis
}

// NewOwnRedis starts one.
func NewOwnRedis(t testing.TB) *OwnRedis {
	t.Helper()
	r, err := startRedis()
	if err != nil {
		t.Fatal(err)
	}
	o := &OwnRedis{URL: "redis://:" + r.password + "@" + r.addr + "/0", r: r}
	t.Cleanup(func() { o.Stop(t) })
	return o
}

// Stop kills the server and returns when nobody listens any more.
func (o *OwnRedis) Stop(t testing.TB) {
	t.Helper()
	o.End()
}

// End is Stop for goroutines, which may outlive a test.
func (o *OwnRedis) End() {
	_ = o.r.pipe.Close() // it may be closed already: then nothing listens
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", o.r.addr, time.Second)
		if err != nil {
			return
		}
		_ = conn.Close() // it was opened to see whether it can be
		<-tick.C
	}
}

// Start starts the stopped server again, at the same address.
func (o *OwnRedis) Start(t testing.TB) {
	t.Helper()
	if err := o.Reopen(); err != nil {
		t.Fatal(err)
	}
}

// Reopen is Start for goroutines, which cannot end a test.
func (o *OwnRedis) Reopen() error { return o.r.start() }

// Call sends commands whose answer is OK, such as CONFIG SET.
func (o *OwnRedis) Call(t testing.TB, commands ...string) {
	t.Helper()
	if err := o.Do(context.Background(), commands...); err != nil {
		t.Fatal(err)
	}
}

// Do is Call for goroutines, which cannot end a test.
func (o *OwnRedis) Do(ctx context.Context, commands ...string) error {
	return o.r.call(ctx, commands...)
}
