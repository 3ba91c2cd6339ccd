package web

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// sips reads so many bytes at every tick until a time has passed or the answer
// has ended, which it tells.
func sips(t *testing.T, from io.Reader, into io.Writer, bytes int64, during time.Duration) error {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(during); time.Now().Before(end); <-tick.C {
		if _, err := io.CopyN(into, from, bytes); err != nil {
			return err
		}
	}
	return nil
}

// fetches asks for a file on a connection that holds little by itself.
func (e *env) fetches(s sent) (raw, *http.Response) {
	e.t.Helper()
	c := e.dial()
	e.must(c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10))
	_, err := fmt.Fprintf(c, "GET /api/v1/files/%s/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.file.ID, e.studio)
	e.must(err)
	res, err := http.ReadResponse(c.Reader, nil)
	e.must(err)
	return c, res
}

// A reader that is slow all the time, and above the least rate, gets the whole of
// its file: it is eight times as fast as it must be. What the system holds for it
// does not count as standing still.
func TestSlowReaderGetsItsFile(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) {
		o.Limits.IdleTimeout, o.Limits.MinRate = 3*time.Second, 20<<10
	})
	s := e.send("a", pattern(10<<20))
	_, res := e.fetches(s)
	defer func() { _ = res.Body.Close() }()
	var got bytes.Buffer
	if err := sips(t, res.Body, &got, 16<<10, 5*time.Second); err != nil {
		t.Fatalf("given up after %d bytes: %v", got.Len(), err)
	}
	if _, err := io.Copy(&got, res.Body); err != nil || !bytes.Equal(got.Bytes(), s.body) {
		t.Errorf("%d bytes of %d, %v", got.Len(), len(s.body), err)
	}
}

// One below the least rate is given up, though it never stands still.
func TestReaderBelowTheLeastRate(t *testing.T) {
	t.Parallel()
	broken := make(chan bool, 1)
	e := newEnv(t, func(o *Options) {
		// Eight times what is read, and a rate at which a busy machine still sends.
		o.Limits.IdleTimeout, o.Limits.MinRate = 2*time.Second, 160<<10
		o.Observe.Broken = func(_ string, theirs bool) { broken <- theirs }
	})
	_, res := e.fetches(e.send("a", pattern(10<<20)))
	defer func() { _ = res.Body.Close() }()
	if err := sips(t, res.Body, io.Discard, 1<<10, time.Minute); err == nil {
		t.Error("it is served for a minute")
	}
	if !<-broken {
		t.Error("a client that hardly reads is not our failure")
	}
}
