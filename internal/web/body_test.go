package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

// beginPut sends a part's header and the first bytes of its body.
func (e *env) beginPut(st api.Started, f api.File, length int, first []byte, more string) raw {
	e.t.Helper()
	c := e.dial()
	_, err := fmt.Fprintf(c, "PUT /api/v1/files/%s/parts/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s\r\n%s",
		f.ID, st.UploadToken, length, more, first)
	e.must(err)
	return c
}

// closed waits until the server has closed the connection.
func (r raw) closed(t *testing.T) {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, r.Reader); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stayed open")
	}
}

func TestCutBody(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 100_000)
	body := pattern(100_000)
	c := e.beginPut(st, f, len(body), body[:70_000], "")
	e.must(c.Conn.(*net.TCPConn).CloseWrite())
	if p := c.answer(e).problem(t); p.Code != api.BodyCut {
		t.Errorf("%+v", p)
	}
	if got := ask[api.File](e, 200, "GET", "/api/v1/files/"+f.ID, st.UploadToken, nil); len(got.Received) != 0 {
		t.Errorf("a cut part counts: %+v", got)
	}
	e.put(st, f, body)
}

func TestStalledBody(t *testing.T) {
	t.Parallel()
	// Long enough for a body that a busy machine sends.
	e := newEnv(t, func(o *Options) { o.Limits.IdleTimeout = 3 * time.Second })
	st := e.start()
	f := e.declareFile(st, "a", 300_000)
	body := pattern(300_000)
	c := e.beginPut(st, f, len(body), body[:100_000], "")
	if p := c.answer(e).problem(t); p.Code != api.Stalled {
		t.Errorf("%+v", p)
	}
	c.closed(t)
	if used, _ := e.streams.count(); used != 0 || e.bodies.Load() != 0 {
		t.Errorf("%d slots and %d bodies are held", used, e.bodies.Load())
	}
	e.put(st, f, body)
}

func TestSlowJSON(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.BodyWait = 100 * time.Millisecond })
	c := e.dial()
	_, err := io.WriteString(c, "POST /api/v1/u/wedding/transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
	e.must(err)
	if p := c.answer(e).problem(t); p.Code != api.Stalled {
		t.Errorf("%+v", p)
	}
	c.closed(t)
}

func TestBodyThatNobodyReads(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.BodyWait = 100 * time.Millisecond })
	c := e.dial()
	_, err := io.WriteString(c, "DELETE /api/v1/links/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n")
	e.must(err)
	if p := c.answer(e).problem(t); p.Code != api.Unauthenticated {
		t.Errorf("%+v", p)
	}
	c.closed(t)
}

func TestRefusedPartIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	body := pattern(3 << 20)
	c := e.beginPut(st, f, len(body), nil, "")
	_, err := c.Conn.Write(body)
	e.must(err)
	if p := c.answer(e).problem(t); p.Code != api.PartSizeMismatch {
		t.Errorf("%+v", p)
	}
	_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	e.must(err)
	if a := c.answer(e); a.StatusCode != 200 {
		t.Errorf("the connection is of no further use: %d", a.StatusCode)
	}
}

func TestUnauthorisedPartIsNotRead(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 100_000)
	st.UploadToken = "lzu_" + strings.Repeat("A", 43)
	c := e.beginPut(st, f, 100_000, []byte("some"), "")
	a := c.answer(e)
	if p := a.problem(t); p.Code != api.Unauthenticated || !a.Close {
		t.Errorf("%+v, close %v", p, a.Close)
	}
	c.closed(t)
}

func TestPartWithoutLength(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	c := e.dial()
	_, err := fmt.Fprintf(c, "PUT /api/v1/files/%s/parts/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", f.ID, st.UploadToken)
	e.must(err)
	if p := c.answer(e).problem(t); p.Code != api.LengthRequired || p.Status != 411 {
		t.Errorf("%+v", p)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	c := e.beginPut(st, f, 4, nil, "Expect: 100-continue\r\n")
	line, err := c.ReadString('\n')
	if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = c.ReadString('\n')
	_, err = io.WriteString(c, "abcd")
	e.must(err)
	if a := c.answer(e); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	refused := e.beginPut(st, f, 5, nil, "Expect: 100-continue\r\n")
	if p := refused.answer(e).problem(t); p.Code != api.PartSizeMismatch {
		t.Errorf("refused before it is sent: %+v", p)
	}
}

func TestBusyAndFreeAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.MaxStreams, o.Limits.StreamWait = 1, 50*time.Millisecond })
	st := e.start()
	a, b := e.declareFile(st, "a", 4), e.declareFile(st, "b", 4)
	slow := e.beginPut(st, a, 4, []byte("ab"), "Expect: 100-continue\r\n")
	_, err := slow.ReadString('\n') // it has its slot
	e.must(err)
	_, _ = slow.ReadString('\n')
	e.wantProblem(api.Busy, "PUT", "/api/v1/files/"+b.ID+"/parts/1", st.UploadToken, []byte("abcd"))
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/u/wedding", "/u/wedding"} {
		if got := e.do("GET", path, "", nil); got.StatusCode != 200 {
			t.Errorf("%s while all slots are held: %d", path, got.StatusCode)
		}
	}
	if s := e.Stats(); s.Streams != 1 || s.Conns == 0 {
		t.Errorf("stats %+v", s)
	}
	_, err = io.WriteString(slow, "cd")
	e.must(err)
	if got := slow.answer(e); got.StatusCode != 200 {
		t.Errorf("the slow one: %d %s", got.StatusCode, got.body)
	}
	waitFor(t, func() bool { held, _ := e.streams.count(); return held == 0 })
	e.put(st, b, []byte("abcd"))
}

func TestReaderThatStandsStill(t *testing.T) {
	t.Parallel()
	broken := make(chan bool, 1)
	e := newEnv(t, func(o *Options) {
		o.Limits.IdleTimeout = 3 * time.Second // a busy machine has to send the file within it
		o.Observe.Broken = func(_ string, theirs bool) { broken <- theirs }
	})
	s := e.send("a", pattern(10<<20))
	c := e.dial()
	e.must(c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10))
	_, err := fmt.Fprintf(c, "GET /api/v1/files/%s/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.file.ID, e.studio)
	e.must(err)
	if !<-broken {
		t.Error("a client that does not read is not our failure")
	}
	waitFor(t, func() bool {
		used, _ := e.downloads.count()
		return used == 0 && e.bodies.Load() == 0
	})
}

func TestBigDeclaresTakeTurns(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.StreamWait = 50 * time.Millisecond })
	st := e.start()
	var held []raw
	for range maxDeclares {
		c := e.dial()
		_, err := fmt.Fprintf(c, "POST /api/v1/transfers/%s/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n", st.ID, st.UploadToken)
		e.must(err)
		_, err = c.ReadString('\n')
		e.must(err)
		held = append(held, c)
	}
	big := bytes.Repeat([]byte(" "), 100_000)
	e.wantProblem(api.Busy, "POST", "/api/v1/transfers/"+st.ID+"/files", st.UploadToken, string(big))
	e.declareFile(st, "small ones pass", 1)
	for _, c := range held {
		_ = c.Close()
	}
}
