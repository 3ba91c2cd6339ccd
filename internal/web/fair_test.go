package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
)

// behindProxy makes the test's own address a proxy's, so that requests may come
// from many addresses.
func behindProxy(o *Options) {
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// from is the header of a request that comes from an address.
func from(address string) string { return "X-Forwarded-For: " + address + "\r\n" }

// holdStream begins a part that has its slot when this returns, and sends only
// half of it.
func (e *env) holdStream(st api.Started, f api.File, address string) raw {
	e.t.Helper()
	c := e.beginPut(st, f, 4, nil, "Expect: 100-continue\r\n"+from(address))
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := c.ReadString('\n'); err != nil || line != want {
			e.t.Fatalf("%s: %q, %v", f.Path, line, err)
		}
	}
	_, err := io.WriteString(c, "ab")
	e.must(err)
	return c
}

// A guest that holds every stream and hardly moves gives way to another; the
// rest of its parts arrive all the same, and so does the one that gave way when
// it is sent again.
func TestSlowGuestAgainstFastOne(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) {
		behindProxy(o)
		o.Limits.MaxStreams, o.Limits.StreamWait = 4, 4*time.Second
	})
	slow, fast := e.start(), e.start()
	var held []raw
	var last api.File
	for i := range 4 {
		last = e.declareFile(slow, fmt.Sprint("slow", i), 4)
		held = append(held, e.holdStream(slow, last, "198.51.100.1"))
	}
	f := e.declareFile(fast, "fast", 4)
	waitFor(t, func() bool { // on a busy machine the wait may be over before the one that gives way is gone
		a := e.do("PUT", "/api/v1/files/"+f.ID+"/parts/1", fast.UploadToken, []byte("abcd"), "X-Forwarded-For", "198.51.100.2")
		if a.StatusCode != 200 && a.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("the fast guest waits behind one that does not move: %d %s", a.StatusCode, a.body)
		}
		return a.StatusCode == 200
	})
	for i, c := range held {
		_, _ = io.WriteString(c, "cd") // the last one is not read any more
		a := c.answer(e)
		if i == 3 {
			if p := a.problem(t); p.Code != api.Busy {
				t.Errorf("the one that gave way: %+v", p)
			}
		} else if a.StatusCode != 200 {
			t.Errorf("slow part %d: %d %s", i, a.StatusCode, a.body)
		}
	}
	e.put(slow, last, []byte("abcd"))
}

// Guests from as many addresses as there are slots, each with a transfer of its
// own, hold them all and do not move: none is above a share. Part after part of a
// fast guest is taken, on a machine so busy that its wait was over before the slot
// was free at a later try. Who gave way was sent 503, and sends its part again.
func TestSlowGuestsWithinTheirSharesAgainstFastOne(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) {
		behindProxy(o)
		o.Limits.MaxStreams, o.Limits.StreamWait = 4, time.Second
	})
	address := func(i int) string { return fmt.Sprint("198.51.100.", i) }
	var guests []api.Started
	var files []api.File
	var held []raw
	for i := range 4 {
		guests = append(guests, e.start())
		files = append(files, e.declareFile(guests[i], "slow", 4))
		held = append(held, e.holdStream(guests[i], files[i], address(i)))
	}
	fast := e.start()
	for i := range 3 {
		f := e.declareFile(fast, fmt.Sprint("fast", i), 4)
		waitFor(t, func() bool {
			a := e.do("PUT", "/api/v1/files/"+f.ID+"/parts/1", fast.UploadToken, []byte("abcd"), "X-Forwarded-For", address(9))
			if a.StatusCode != 200 && a.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("part %d of the fast guest: %d %s", i, a.StatusCode, a.body)
			}
			return a.StatusCode == 200
		})
	}
	gone := 0
	for i, c := range held {
		_, _ = io.WriteString(c, "cd")
		if a := c.answer(e); a.StatusCode != 200 {
			gone++
			if p := a.problem(t); p.Code != api.Busy {
				t.Errorf("who gave way: %+v", p)
			}
			e.put(guests[i], files[i], []byte("abcd"))
		}
	}
	if gone != 1 {
		t.Errorf("%d gave way, a quarter of the slots is 1", gone)
	}
}

// One transfer with many parts waiting gets no more than a quarter of the slots
// as they become free, while others wait.
func TestOneTransferAgainstMany(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) {
		behindProxy(o)
		o.Limits.MaxStreams, o.Limits.StreamWait = 4, time.Hour // nobody tires, however busy the machine is
	})
	greedy := e.start()
	var held []raw
	for i := range 4 {
		held = append(held, e.holdStream(greedy, e.declareFile(greedy, fmt.Sprint("g", i), 4), "198.51.100.1"))
	}
	// Who has its part in the bucket still holds its slot: the youngest that is
	// held, since all waited for it. Answers may overtake each other on their way.
	var mu sync.Mutex
	var order []string
	e.fault.set(func(op blob.Op, when blob.When) error {
		if op == blob.OpPut && when == blob.After {
			e.streams.mu.Lock()
			youngest := e.streams.held[len(e.streams.held)-1].transfer
			e.streams.mu.Unlock()
			mu.Lock()
			order = append(order, youngest)
			mu.Unlock()
		}
		return nil
	})
	served := make(chan error, 20)
	put := func(name string, st api.Started, address string) {
		f := e.declareFile(st, name, 4)
		req := e.request("PUT", "/api/v1/files/"+f.ID+"/parts/1", st.UploadToken, []byte("abcd"), "X-Forwarded-For", address)
		_, before := e.streams.count()
		go func() {
			res, err := e.client.Do(req)
			if err == nil {
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s: %s", name, res.Status)
				}
			}
			served <- err
		}()
		waitFor(t, func() bool { _, now := e.streams.count(); return now > before })
	}
	for i := range 6 {
		put(fmt.Sprint("more", i), greedy, "198.51.100.1")
	}
	others := map[string]bool{}
	for i := range 3 {
		other := e.start()
		others[other.ID] = true
		put(fmt.Sprint("other", i), other, fmt.Sprint("198.51.100.1", i))
	}
	_, err := io.WriteString(held[0], "cd") // one slot, through which all must go
	e.must(err)
	for range 9 {
		if err := <-served; err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	got := slices.Clone(order)
	mu.Unlock()
	if len(got) != 10 {
		t.Fatalf("%d parts went through the slot, want 10: %v", len(got), got)
	}
	for i, id := range got { // first the one that made room
		if others[id] != (i >= 1 && i <= 3) {
			t.Errorf("served in the order %v, want the others %v before more of %s", got, others, greedy.ID)
			break
		}
	}
	for _, c := range held[1:] {
		_, err := io.WriteString(c, "cd")
		e.must(err)
		if a := c.answer(e); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
}

// With every slot held by bodies that stand still and the queue full, all that
// carries no part is answered without waiting for either: no slot ever frees.
func TestAnswersDoNotWaitForAStream(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64
	e := newEnv(t, func(o *Options) {
		o.Checks = []Check{{Name: "database", Run: func(context.Context) error { looks.Add(1); return nil }}}
		o.Limits.MaxStreams, o.Limits.MaxWaiting, o.Limits.StreamWait = 2, 3, time.Hour
	})
	done := e.send("done.jpg", []byte("done"))
	st := e.start()
	for i := range 2 {
		e.holdStream(st, e.declareFile(st, fmt.Sprint("held", i), 4), "")
	}
	for i := range 3 {
		f := e.declareFile(st, fmt.Sprint("waits", i), 4)
		e.beginPut(st, f, 4, []byte("abcd"), "")
	}
	waitFor(t, func() bool { held, waiting := e.streams.count(); return held == 2 && waiting == 3 })
	f := e.declareFile(st, "one too many", 4)
	e.wantProblem(api.Busy, "PUT", "/api/v1/files/"+f.ID+"/parts/1", st.UploadToken, []byte("abcd"))

	unlocked := e.unlockShare(done)
	for _, call := range []struct{ method, path, token, body string }{
		{"GET", "/healthz", "", ""}, {"GET", "/readyz", "", ""}, {"GET", "/readyz", "", ""}, {"GET", "/version", "", ""}, {"GET", "/api/v1/openapi.json", "", ""},
		{"GET", "/", "", ""}, {"GET", "/u/wedding", "", ""}, {"GET", "/d/" + done.token, "", ""},
		{"GET", e.pages.base + "/css/lenzeye.css", "", ""},
		{"GET", "/api/v1/u/wedding", "", ""}, {"POST", "/api/v1/u/wedding/transfers", "", `{"sender_email": "anna@example.com"}`},
		{"POST", "/api/v1/transfers/" + st.ID + "/files", st.UploadToken, `{"files": [{"path": "small", "size": 4}]}`},
		{"POST", "/api/v1/transfers/" + st.ID + "/files", st.UploadToken, `{"files": [{"path": "large", "size": 4}]` + strings.Repeat(" ", smallBody) + "}"},
		{"POST", "/api/v1/login", "", `{"email": "nobody@example.com"}`},
		{"GET", "/api/v1/transfers/" + st.ID, st.UploadToken, ""}, {"GET", "/api/v1/transfers/" + st.ID + "/files", st.UploadToken, ""},
		{"GET", "/api/v1/files/" + f.ID + "/parts", st.UploadToken, ""}, {"DELETE", "/api/v1/files/" + f.ID, st.UploadToken, ""},
		{"GET", "/api/v1/me", e.studio, ""}, {"GET", "/api/v1/transfers", e.studio, ""},
		{"GET", "/api/v1/d/" + done.token + "/files/" + done.file.ID, unlocked.AccessToken, ""},
	} {
		var body any
		if call.body != "" {
			body = call.body
		}
		e.clock.advance(6 * time.Second) // longer than an answer of /readyz is kept
		if a := e.do(call.method, call.path, call.token, body); a.StatusCode >= 300 {
			t.Errorf("%s %s while every stream is held: %d %s", call.method, call.path, a.StatusCode, a.body)
		}
	}
	if held, waiting := e.streams.count(); held != 2 || waiting != 3 {
		t.Errorf("meanwhile %d held and %d waited", held, waiting)
	}
	if looks.Load() != 2 {
		t.Errorf("/readyz looked %d times, want at each", looks.Load())
	}
}

// Connections on which strangers do not send what they announced keep nobody out.
func TestSlowSendersGiveTheirConnections(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"a small body":             "POST /api/v1/u/wedding/transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
		"a header":                 "GET /healthz HTTP/1.1\r\nHost: x\r\n",
		"a body that nobody reads": "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n",
		"no request":               "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(o *Options) { o.Limits.MaxConns = 8 })
			e.client.CloseIdleConnections()
			for range 8 {
				c := e.dial()
				_, err := io.WriteString(c, begin)
				e.must(err)
			}
			for range 12 {
				c := e.dial()
				_, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				e.must(err)
				if a := c.answer(e); a.StatusCode != 200 {
					t.Errorf("health: %d", a.StatusCode)
				}
			}
		})
	}
}
