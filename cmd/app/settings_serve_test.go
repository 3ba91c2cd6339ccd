package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

const soon = 8 * time.Second // less than any default that these tests shorten

// serveEffects has for every setting of serve a server that was started with it
// and what must be different there.
func serveEffects() map[string]struct {
	settings []string
	check    func(t *testing.T, s *solo)
} {
	type effect = struct {
		settings []string
		check    func(t *testing.T, s *solo)
	}
	set := func(check func(*testing.T, *solo), settings ...string) effect { return effect{settings, check} }
	return map[string]effect{
		"http.addr":                   set(listensWhereItIsTold, "APP_HTTP_ADDR=127.0.0.1:0", "APP_HTTP_PUBLIC_URL=http://files.example"),
		"http.public_url":             set(linksBeginWith("https://files.example/u/"), "APP_HTTP_PUBLIC_URL=https://files.example"),
		"http.trusted_proxies":        set(believesProxies, "APP_HTTP_TRUSTED_PROXIES=127.0.0.0/8"),
		"http.trusted_proxies others": set(believesNobody, "APP_HTTP_TRUSTED_PROXIES=192.0.2.0/24,198.51.100.0/24"),
		"http.cors_origins":           set(letsOriginsCall, "APP_HTTP_CORS_ORIGINS=https://page.example"),
		"http.max_streams":            set(refusesSecondStream, "APP_HTTP_MAX_STREAMS=1", "APP_HTTP_STREAM_WAIT=50ms"),
		"http.stream_wait":            set(refusesSecondStream, "APP_HTTP_MAX_STREAMS=1", "APP_HTTP_STREAM_WAIT=0s"),
		"http.max_waiting":            set(refusesSecondStream, "APP_HTTP_MAX_STREAMS=1", "APP_HTTP_MAX_WAITING=0", "APP_HTTP_STREAM_WAIT=10m"),
		"http.max_conns":              set(closesOneOfNine, "APP_HTTP_MAX_CONNS=8"),
		"http.idle_timeout":           set(endsStalledBodies, "APP_HTTP_IDLE_TIMEOUT=200ms"),
		"http.min_rate":               set(endsSlowBodies, "APP_HTTP_IDLE_TIMEOUT=2s", "APP_HTTP_MIN_RATE=1MiB"),
		"http.min_rate none":          set(keepsSlowBodies, "APP_HTTP_IDLE_TIMEOUT=10s", "APP_HTTP_MIN_RATE=0"),
		"http.drain_timeout":          set(cutsWhatIsInFlight, "APP_HTTP_DRAIN_TIMEOUT=50ms"),
		"http.drain_delay":            set(isUnreadyFirst, "APP_HTTP_DRAIN_DELAY=5s"),
		"http.keep_alive":             set(closesIdleConnections, "APP_HTTP_KEEP_ALIVE=200ms"),
		"http.max_request_line":       set(answers(http.StatusRequestURITooLong, "/healthz?"+strings.Repeat("x", 400)), "APP_HTTP_MAX_REQUEST_LINE=300"),
		"http.max_header_field":       set(answers(http.StatusRequestHeaderFieldsTooLarge, "/healthz", "X-A", strings.Repeat("x", 400)), "APP_HTTP_MAX_HEADER_FIELD=300"),
		"http.max_header_bytes":       set(answers(http.StatusRequestHeaderFieldsTooLarge, "/healthz", "X-A", strings.Repeat("x", 1100)), "APP_HTTP_MAX_HEADER_BYTES=1KiB"),
		"http.max_requests":           set(endsByItself, "APP_HTTP_MAX_REQUESTS=3"),
		"log.format":                  set(logs(`"msg":"listening"`), "APP_LOG_FORMAT=json"),
		"log.format text":             set(logs(" INFO listening "), "APP_LOG_FORMAT=text"),
		"log.level":                   set(logsEveryProbe, "APP_LOG_LEVEL=debug"),
		"data.dir":                    set(func(t *testing.T, s *solo) { isThere(t, filepath.Join(s.dir, "app.db")) }),
		"storage.min_free":            set(isFull, "APP_STORAGE_MIN_FREE=1024TiB"),
		"account.quota":               set(hasQuota(12345), "APP_ACCOUNT_QUOTA=12345"),
		"limits.max_files":            set(takesOneFile, "APP_LIMITS_MAX_FILES=1"),
	}
}

func TestServeHoldsItsSettings(t *testing.T) {
	t.Parallel()
	for name, e := range serveEffects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e.check(t, newSolo(t, e.settings...))
		})
	}
}

func listensWhereItIsTold(t *testing.T, s *solo) {
	if r := s.asks("GET", "/healthz", "", ""); r.StatusCode != http.StatusOK || !strings.HasPrefix(s.base, "http://127.0.0.1:") {
		t.Errorf("%s: %d", s.base, r.StatusCode)
	}
}

func linksBeginWith(want string) func(*testing.T, *solo) {
	return func(t *testing.T, s *solo) {
		if !strings.HasPrefix(s.link, want) {
			t.Errorf("the link is %s", s.link)
		}
	}
}

// believesProxies wants the address that the last proxy was called from: what
// stands left of it was the caller's to say.
func believesProxies(t *testing.T, s *solo) {
	s.seesFrom("203.0.113.7, 198.51.100.9", "198.51.100.9")
	s.seesFrom("203.0.113.7, 198.51.100.9, 127.0.0.2", "198.51.100.9")
	if r := s.asks("GET", "/healthz", "", "", "X-Request-Id", "mine"); r.Header.Get("X-Request-Id") != "mine" {
		t.Errorf("headers %v", r.Header)
	}
}

// believesNobody wants the connection's address where it is no proxy's, also of
// one who names a proxy.
func believesNobody(t *testing.T, s *solo) {
	s.seesFrom("203.0.113.7", "127.0.0.1")
	s.seesFrom("203.0.113.7, 198.51.100.9", "127.0.0.1")
	if r := s.asks("GET", "/healthz", "", "", "X-Request-Id", "mine"); r.Header.Get("X-Request-Id") == "mine" {
		t.Errorf("headers %v", r.Header)
	}
}

// seesFrom makes a link and wants its event to show the address.
func (s *solo) seesFrom(forwardedFor, want string) {
	s.t.Helper()
	r := s.asks("POST", "/api/v1/links", s.token, `{"title": "Wedding"}`, "X-Forwarded-For", forwardedFor)
	if r.StatusCode != http.StatusCreated {
		s.t.Fatalf("make a link: %d %s", r.StatusCode, r.body)
	}
	var events api.Events
	s.read(s.asks("GET", "/api/v1/events?limit=1", s.token, ""), &events)
	if len(events.Events) != 1 || events.Events[0].Kind != "link_created" || events.Events[0].IP != want {
		s.t.Errorf("%q: %+v, want it from %s", forwardedFor, events.Events, want)
	}
}

// letsOriginsCall asks as a page of the origin that may call, and as pages that
// may not.
func letsOriginsCall(t *testing.T, s *solo) {
	for origin, want := range map[string]string{
		"https://page.example": "https://page.example", "https://other.example": "",
		"https://page.example.other.example": "", "http://page.example": "", "null": "",
	} {
		for method, headers := range map[string][]string{
			"GET": {"Origin", origin}, "OPTIONS": {"Origin", origin, "Access-Control-Request-Method", "PUT"},
		} {
			r := s.asks(method, "/api/v1/me", s.token, "", headers...)
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != want || (r.Header.Get("Access-Control-Allow-Methods") != "") != (want != "" && method == "OPTIONS") {
				t.Errorf("%s from %s: headers %v", method, origin, r.Header)
			}
		}
	}
}

func refusesSecondStream(t *testing.T, s *solo) {
	u := s.upload(2)
	s.holds(u, 0)
	if r := s.asks("PUT", u.parts[1], u.token, "abcd"); r.StatusCode != http.StatusServiceUnavailable || r.took > soon || !bytes.Contains(r.body, []byte(`"busy"`)) {
		t.Errorf("%d %s after %v", r.StatusCode, r.body, r.took)
	}
}

func closesOneOfNine(t *testing.T, s *solo) {
	ended := make(chan error, 9)
	for range 9 {
		c := s.dials("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		s.status(c)
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
	}
	if err := <-ended; err != nil {
		t.Errorf("all of nine connections stay open: %v", err)
	}
}

func endsStalledBodies(t *testing.T, s *solo) {
	if code := s.problem(s.holds(s.upload(1), 0)); code != "stalled" {
		t.Errorf("the answer is %s", code)
	}
}

// trickles sends a part in pieces, ten a second, for as long as anybody takes them.
func trickles(t *testing.T, c *bufio.ReadWriter, size, piece int) {
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for sent := 0; sent < size; sent += piece {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				return
			}
			if _, err := c.Write(bytes.Repeat([]byte("x"), piece)); err != nil || c.Flush() != nil {
				return
			}
		}
	}()
}

// endsSlowBodies sends without a pause, much faster than the default asks and
// much slower than is set: it takes 20 s, and neither the standstill nor the
// default ends it.
func endsSlowBodies(t *testing.T, s *solo) {
	const size, piece = 800_000, 4000
	c := s.holds(s.uploadOf(1, size), 0)
	trickles(t, c, size, piece)
	if code := s.problem(c); code != "stalled" {
		t.Errorf("the answer is %s", code)
	}
}

// keepsSlowBodies sends for longer than one window, and less than any rate.
func keepsSlowBodies(t *testing.T, s *solo) {
	const size = 120
	c := s.holds(s.uploadOf(1, size), 0)
	trickles(t, c, size, 1)
	if status := s.status(c); status != http.StatusOK {
		t.Errorf("%d", status)
	}
}

func cutsWhatIsInFlight(t *testing.T, s *solo) {
	s.holds(s.upload(1), 0)
	began := time.Now()
	s.stop()
	if code, took := s.exit(), time.Since(began); code != exitOurs || took > soon+lastWordsOfServe {
		t.Errorf("exit %d after %v\n%s", code, took, s.log)
	}
}

// lastWordsOfServe is how long handlers may take to end when they were cut.
const lastWordsOfServe = 5 * time.Second

func isUnreadyFirst(t *testing.T, s *solo) {
	s.stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		c := s.dials("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // a new connection each time
		if got, err := io.ReadAll(c); err == nil && strings.Contains(string(got), " 503 ") && strings.Contains(string(got), `"draining"`) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it accepts connections and is never draining")
		}
	}
}

func closesIdleConnections(t *testing.T, s *solo) {
	c := s.dials("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	s.status(c)
	if _, err := io.Copy(io.Discard, c); err != nil { // the test's own deadline
		t.Errorf("an idle connection stays open: %v", err)
	}
}

func answers(status int, path string, headers ...string) func(*testing.T, *solo) {
	return func(t *testing.T, s *solo) {
		if r := s.asks("GET", path, "", "", headers...); r.StatusCode != status {
			t.Errorf("%d, want %d", r.StatusCode, status)
		}
	}
}

func endsByItself(t *testing.T, s *solo) {
	for range 2000 { // until nobody listens
		res, err := http.Get(s.base + "/healthz")
		if err != nil {
			break
		}
		_ = res.Body.Close()
	}
	if code := s.exit(); code != exitOK {
		t.Errorf("exit %d\n%s", code, s.log)
	}
}

func logs(want string) func(*testing.T, *solo) {
	return func(t *testing.T, s *solo) { says(t, s.log.String(), want) }
}

func logsEveryProbe(t *testing.T, s *solo) {
	s.asks("GET", "/healthz", "", "")
	s.stop()
	s.exit()
	says(t, s.log.String(), `"route":"/healthz"`)
}

func isThere(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func isFull(t *testing.T, s *solo) {
	if r := s.declares(s.starts(), 1); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func hasQuota(want int64) func(*testing.T, *solo) {
	return func(t *testing.T, s *solo) {
		var me api.Me
		s.read(s.asks("GET", "/api/v1/me", s.token, ""), &me)
		if me.QuotaBytes == nil || int64(*me.QuotaBytes) != want {
			t.Errorf("%+v", me)
		}
	}
}

func takesOneFile(t *testing.T, s *solo) {
	if r := s.declares(s.starts(), 2); r.StatusCode != http.StatusBadRequest || !bytes.Contains(r.body, []byte("too_many_files")) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}
