package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

const healthRequest = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

func TestOldestIdleConnectionMakesRoom(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.MaxConns = 4 })
	e.client.CloseIdleConnections()
	var conns []raw
	for range 5 {
		c := e.dial()
		_, err := io.WriteString(c, healthRequest)
		e.must(err)
		if a := c.answer(e); a.StatusCode != 200 {
			t.Fatalf("%d", a.StatusCode)
		}
		conns = append(conns, c)
		waitFor(t, func() bool { return e.idleConns() == min(len(conns), 4) }) // so that the order is known
	}
	conns[0].closed(t)
	for _, c := range conns[1:] {
		_, err := io.WriteString(c, healthRequest)
		e.must(err)
		if a := c.answer(e); a.StatusCode != 200 {
			t.Errorf("a younger one: %d", a.StatusCode)
		}
	}
	if n := e.Stats().Conns; n > 4 {
		t.Errorf("%d connections", n)
	}
}

func (e *env) idleConns() int {
	limit := e.conns.Load()
	limit.mu.Lock()
	defer limit.mu.Unlock()
	return limit.idle.Len()
}

func TestBodiesLeaveConnectionsFree(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.MaxConns = 8 })
	e.client.CloseIdleConnections()
	st := e.start()
	for i := range 6 {
		f := e.declareFile(st, fmt.Sprint("f", i), 4)
		c := e.beginPut(st, f, 4, nil, "Expect: 100-continue\r\n")
		if line, err := c.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("body %d: %q, %v", i, line, err)
		}
	}
	f := e.declareFile(st, "one more", 4)
	c := e.beginPut(st, f, 4, nil, "Expect: 100-continue\r\n")
	if p := c.answer(e).problem(t); p.Code != api.Busy {
		t.Errorf("the seventh body of eight connections: %+v", p)
	}
	for range 10 {
		c := e.dial()
		_, err := io.WriteString(c, healthRequest)
		e.must(err)
		if a := c.answer(e); a.StatusCode != 200 {
			t.Errorf("health: %d", a.StatusCode)
		}
	}
}

// What an idle connection may cost: net/http's two buffers of 4 KiB, stacks and
// structures. The own end of each connection is in it too, and so is what the
// race detector adds.
const idleCost = 32 << 10

func TestAThousandIdleConnections(t *testing.T) {
	e := newEnv(t, nil)
	before := memory()
	const count = 1000
	conns := make([]net.Conn, count)
	buf := make([]byte, 4<<10)
	for i := range conns {
		c, err := net.Dial("tcp", strings.TrimPrefix(e.base, "http://"))
		e.must(err)
		defer c.Close()
		_, err = io.WriteString(c, healthRequest)
		e.must(err)
		_, err = c.Read(buf)
		e.must(err)
		conns[i] = c
	}
	cost := (memory() - before) / count
	t.Logf("an idle connection costs %d bytes", cost)
	if cost > idleCost {
		t.Errorf("an idle connection costs %d bytes", cost)
	}
	start := time.Now()
	if a := e.do("GET", "/readyz", "", nil); a.StatusCode != 200 {
		t.Errorf("readyz: %d", a.StatusCode)
	}
	t.Logf("readyz took %v", time.Since(start))
	_, err := io.WriteString(conns[0], healthRequest)
	e.must(err)
	if _, err := conns[0].Read(buf); err != nil {
		t.Errorf("the first is no longer there: %v", err)
	}
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestDrainLetsPartsFinish(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	slow := e.beginPut(st, f, 4, nil, "Expect: 100-continue\r\n")
	_, err := slow.ReadString('\n')
	e.must(err)
	_, _ = slow.ReadString('\n')
	e.stop()
	waitFor(t, func() bool { return e.probes.draining.Load() })
	_, err = io.WriteString(slow, "abcd")
	e.must(err)
	if a := slow.answer(e); a.StatusCode != 200 {
		t.Errorf("the part in flight: %d %s", a.StatusCode, a.body)
	}
	<-e.ended
	if e.serveErr != nil {
		t.Errorf("a clean drain: %v", e.serveErr)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(e.base, "http://")); err == nil {
		t.Error("it still listens")
	}
}

func TestDrainEndsWhatNeverFinishes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.stop()
	<-e.ended
	e.probes.draining.Store(false)
	fresh, err := New(e.options)
	e.must(err)
	e.Server = fresh
	l, err := net.Listen("tcp", strings.TrimPrefix(e.base, "http://"))
	e.must(err)
	e.serve(l, 50*time.Millisecond)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	slow := e.beginPut(st, f, 4, nil, "Expect: 100-continue\r\n")
	_, err = slow.ReadString('\n')
	e.must(err)
	e.stop()
	<-e.ended
	if e.serveErr == nil {
		t.Error("a drain that cut a part was clean")
	}
	slow.closed(t)
}

func TestDraining(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	e.drain()
	if r := ask[api.Readiness](e, 503, "GET", "/readyz", "", nil); r.Status != "draining" {
		t.Errorf("%+v", r)
	}
	e.wantProblem(api.Draining, "PUT", "/api/v1/files/"+f.ID+"/parts/1", st.UploadToken, []byte("abcd"))
	if a := e.do("GET", "/healthz", "", nil); a.StatusCode != 200 {
		t.Errorf("health: %d", a.StatusCode)
	}
}

// While those who hand out requests look, parts, downloads and views go on as
// before; only then nothing further is taken.
func TestDrainDelayIsForAllRequests(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.DrainDelay = 15 * time.Second })
	s := e.send("done.jpg", []byte("done"))
	st := e.start()
	f := e.declareFile(st, "a", 4)
	e.stop()
	waitFor(t, func() bool { return e.probes.draining.Load() })
	e.put(st, f, []byte("abcd"))
	if a := e.do("GET", "/api/v1/files/"+s.file.ID+"/content", e.studio, nil); a.StatusCode != 200 {
		t.Errorf("a download: %d %s", a.StatusCode, a.body)
	}
	if a := e.do("GET", "/api/v1/transfers/"+st.ID, st.UploadToken, nil); a.StatusCode != 200 {
		t.Errorf("a call: %d %s", a.StatusCode, a.body)
	}
	<-e.ended
	if e.serveErr != nil {
		t.Errorf("a clean drain: %v", e.serveErr)
	}
}

// Who reads a connection whose end was written can still be written to, and
// gets no reset for it.
func TestConnectionsCloseByHalves(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limit := newConnLimit(l, 1)
	defer func() { _ = limit.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	server, err := limit.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	half, ok := server.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("net/http cannot send the end before it closes")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); len(got) != 0 || err != nil {
		t.Errorf("%q, %v, want the end", got, err)
	}
	if _, err := io.WriteString(client, "late"); err != nil {
		t.Fatal(err)
	}
	late := make([]byte, 4)
	if _, err := io.ReadFull(server, late); err != nil || string(late) != "late" {
		t.Errorf("%q, %v", late, err)
	}
}

// A listener that fails ends the serving, but not under handlers that run.
func TestServeWaitsForHandlersWhenItsListenerFails(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	e.must(err)
	fresh, err := New(e.options)
	e.must(err)
	ended := make(chan error, 1)
	go func() { ended <- fresh.Serve(e.t.Context(), l, drainFor) }()
	st := e.start()
	f := e.declareFile(st, "a", 4)
	conn, err := net.Dial("tcp", l.Addr().String())
	e.must(err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "PUT /api/v1/files/%s/parts/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 4\r\n\r\nab",
		f.ID, st.UploadToken)
	e.must(err)
	waitFor(t, func() bool { used, _ := fresh.streams.count(); return used == 1 })
	e.must(l.Close()) // its Accept fails
	waitFor(t, func() bool { return fresh.probes.draining.Load() || len(ended) == 1 })
	_, err = io.WriteString(conn, "cd")
	e.must(err)
	if a := (raw{conn, bufio.NewReader(conn)}).answer(e); a.StatusCode != 200 {
		t.Errorf("the part in flight: %d %s", a.StatusCode, a.body)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	e.must(err)
	e.must(l.Close())
	if err := e.Serve(t.Context(), l, time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// waitFor yields until something becomes true that has no channel to tell.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it did not happen within a minute")
		}
	}
}

// TestServeEndsAfterEnoughRequests drains by itself, without an error, for a
// platform to start the process anew.
func TestServeEndsAfterEnoughRequests(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.MaxRequests = 3 })
	for i := range 3 {
		if a := e.do("GET", "/healthz", "", nil); a.StatusCode != 200 {
			t.Fatalf("request %d: %d", i+1, a.StatusCode)
		}
	}
	<-e.ended
	if e.serveErr != nil {
		t.Errorf("Serve: %v", e.serveErr)
	}
}
