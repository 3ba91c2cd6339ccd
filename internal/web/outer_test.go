package web

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/lenzeye/lenzeye/internal/api"
)

func TestRequestLineAndHeaderLimits(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	room := 4096 - len("GET /healthz? HTTP/1.1")
	if a := e.do("GET", "/healthz?"+strings.Repeat("x", room), "", nil); a.StatusCode != 200 {
		t.Errorf("a line of 4096 bytes: %d", a.StatusCode)
	}
	e.wantProblem(api.URITooLong, "GET", "/healthz?"+strings.Repeat("x", room+1), "", nil)
	field := 8190 - len("X-Test: ")
	if a := e.do("GET", "/healthz", "", nil, "X-Test", strings.Repeat("x", field)); a.StatusCode != 200 {
		t.Errorf("a field of 8190 bytes: %d", a.StatusCode)
	}
	e.wantProblem(api.HeaderTooLarge, "GET", "/healthz", "", nil, "X-Test", strings.Repeat("x", field+1))
	var many []string
	for _, name := range []string{"X-A", "X-B", "X-C", "X-D", "X-E"} {
		many = append(many, name, strings.Repeat("x", 7000))
	}
	e.wantProblem(api.HeaderTooLarge, "GET", "/healthz", "", nil, many...)
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, path := range []string{"/healthz", "/api/v1/me", "/nowhere", "/", "/u/wedding", "/u/nowhere", "/d/nowhere", "/static/nowhere"} {
		a := e.do("GET", path, "", nil)
		for _, name := range []string{"X-Request-Id", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy",
			"Permissions-Policy", "Cross-Origin-Opener-Policy"} {
			if a.Header.Get(name) == "" {
				t.Errorf("%s has no %s", path, name)
			}
		}
		if !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'self';") || a.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
	if a := e.do("GET", "/healthz", "", nil, "X-Request-Id", "mine"); a.Header.Get("X-Request-Id") == "mine" {
		t.Error("a stranger chose the request's id")
	}
}

func TestRoutesThatAreNot(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.wantProblem(api.NotFound, "GET", "/api/v1/nowhere", "", nil)
	e.wantProblem(api.NotFound, "POST", "/api/", "", nil)
	a := e.do("POST", "/api/v1/me", "", nil)
	if p := a.problem(t); p.Code != api.MethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD, PATCH, DELETE, OPTIONS" {
		t.Errorf("%+v, Allow %s", p, a.Header.Get("Allow"))
	}
	if a := e.do("OPTIONS", "/api/v1/me", "", nil); a.StatusCode != 204 || a.Header.Get("Allow") == "" {
		t.Errorf("OPTIONS: %d %v", a.StatusCode, a.Header)
	}
	for _, path := range []string{"/nowhere", "/static/", "/static/nowhere/app.css", "/static/app.css"} {
		if a := e.do("GET", path, "", nil); a.StatusCode != 404 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("a page that is not, %s: %d %s", path, a.StatusCode, a.Header.Get("Content-Type"))
		}
	}
	if a := e.do("GET", "/api/v1/me", "", nil); !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("401 without WWW-Authenticate: %v", a.Header)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.CORSOrigins = []string{"https://app.example"} })
	a := e.do("OPTIONS", "/api/v1/me", "", nil, "Origin", "https://app.example", "Access-Control-Request-Method", "PATCH")
	if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "PATCH") || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", a.StatusCode, a.Header)
	}
	a = e.do("GET", "/api/v1/me", "", nil, "Origin", "https://app.example")
	if a.Header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Retry-After") || a.Header.Get("Vary") != "Origin" {
		t.Errorf("headers %v", a.Header)
	}
	for _, a := range []answer{
		e.do("GET", "/api/v1/me", "", nil, "Origin", "https://evil.example"),
		e.do("OPTIONS", "/api/v1/me", "", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "GET"),
		e.do("GET", "/", "", nil, "Origin", "https://app.example"),
	} {
		if a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("headers %v", a.Header)
		}
	}
}

func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	serve := func(h http.HandlerFunc) (*httptest.ResponseRecorder, any) {
		w := httptest.NewRecorder()
		var left any
		func() {
			defer func() { left = recover() }()
			e.outer(h).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/d/secret-token", nil))
		}()
		return w, left
	}
	w, left := serve(func(http.ResponseWriter, *http.Request) { panic("oops") })
	if p := (answer{w.Result(), w.Body.Bytes()}).problem(t); p.Code != api.Internal || left != nil || strings.Contains(w.Body.String(), "oops") {
		t.Errorf("%+v, panic %v", p, left)
	}
	_, left = serve(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("begun"))
		panic("oops")
	})
	if err, ok := left.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("an answer that had begun ended with %v", left)
	}
	if log := e.log.String(); strings.Count(log, "level=ERROR msg=panic") != 2 || strings.Contains(log, "secret-token") {
		t.Errorf("log: %s", log)
	}
}

func TestLogTellsNoSecret(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("private-name.jpg", []byte("a"))
	u := e.unlockShare(s)
	e.do("GET", "/api/v1/d/"+s.token+"/files/"+s.file.ID, u.AccessToken, nil)
	e.do("GET", "/d/"+s.token, "", nil, "Cookie", cookieName(s.token)+"="+u.AccessToken)
	e.do("GET", "/api/v1/me?x="+e.studio, e.studio, nil)
	log := e.log.String()
	for _, secret := range []string{s.token, s.UploadToken, u.AccessToken, e.studio, "private-name", s.done.Share.Code, strings.ReplaceAll(s.done.Share.Code, "-", "")} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	if !strings.Contains(log, "route=/api/v1/d/{token}/files/{id}") || !strings.Contains(log, "account="+e.account.ID) {
		t.Errorf("log: %s", log)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	s := &Server{options: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "1.2.3.4:5", nil, "1.2.3.4"},
		{"a stranger's header", "1.2.3.4:5", []string{"9.9.9.9"}, "1.2.3.4"},
		{"behind a proxy", "10.0.0.1:5", []string{"9.9.9.9"}, "9.9.9.9"},
		{"invented left", "10.0.0.1:5", []string{"8.8.8.8, 9.9.9.9"}, "9.9.9.9"},
		{"two proxies", "10.0.0.1:5", []string{"9.9.9.9, 10.0.0.2"}, "9.9.9.9"},
		{"two headers", "10.0.0.1:5", []string{"8.8.8.8", "9.9.9.9,10.0.0.2"}, "9.9.9.9"},
		{"proxies only", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no header", "10.0.0.1:5", nil, "10.0.0.1"},
		{"nonsense", "10.0.0.1:5", []string{"9.9.9.9, unknown"}, "10.0.0.1"},
		{"with port", "10.0.0.1:5", []string{"9.9.9.9:1234"}, "9.9.9.9"},
		{"IPv6", "[fd00::1]:5", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"IPv6 bare", "[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5", []string{"::ffff:9.9.9.9"}, "9.9.9.9"},
	}
	for _, tc := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.peer
		r.Header["X-Forwarded-For"] = tc.forwarded
		if got := s.clientAddr(r).String(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestClientAddressOnRender holds the networks that the files for Render trust to
// a header as it comes there: client, Cloudflare, Render's own proxy.
func TestClientAddressOnRender(t *testing.T) {
	t.Parallel()
	example := proxiesIn(t, "../../configs/render.env.example", `(?m)^APP_HTTP_TRUSTED_PROXIES=(.*)$`)
	if got := proxiesIn(t, "../../render.yaml", `- key: APP_HTTP_TRUSTED_PROXIES\n +value: >-\n((?: {10}.*\n)+)`); !slices.Equal(got, example) {
		t.Errorf("render.yaml trusts %v, and render.env.example %v", got, example)
	}
	s := &Server{options: Options{TrustedProxies: example}}
	for forwarded, want := range map[string]string{
		"203.0.113.7, 172.70.92.14, 10.21.157.68":          "203.0.113.7",
		"8.8.8.8, 203.0.113.7, 172.70.92.14, 10.21.157.68": "203.0.113.7", // the first is invented
		"203.0.113.7, 104.22.17.40":                        "203.0.113.7",
		"2001:db8::7, 2400:cb00:1:2::3, 10.21.157.68":      "2001:db8::7",
		"203.0.113.7, 198.51.100.9, 10.21.157.68":          "198.51.100.9", // a stranger's proxy
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.17.2.3:41234"
		r.Header.Set("X-Forwarded-For", forwarded)
		if got := s.clientAddr(r).String(); got != want {
			t.Errorf("%s: %s, want %s", forwarded, got, want)
		}
	}
}

func proxiesIn(t *testing.T, file, pattern string) (all []netip.Prefix) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s says nothing of proxies", file)
	}
	for _, network := range strings.FieldsFunc(string(found[1]), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			t.Error(err)
		}
		all = append(all, prefix)
	}
	return all
}

// raw is a connection on which a test writes bytes as it likes.
type raw struct {
	net.Conn
	*bufio.Reader
}

func (e *env) dial() raw {
	e.t.Helper()
	c, err := (&net.Dialer{}).DialContext(e.t.Context(), "tcp", strings.TrimPrefix(e.base, "http://"))
	e.must(err)
	e.t.Cleanup(func() { _ = c.Close() })
	return raw{c, bufio.NewReader(c)}
}

func (r raw) Read(p []byte) (int, error) { return r.Reader.Read(p) }

func (r raw) answer(e *env) answer {
	e.t.Helper()
	resp, err := http.ReadResponse(r.Reader, nil)
	e.must(err)
	defer resp.Body.Close()
	body := make([]byte, max(0, resp.ContentLength))
	for n := 0; n < len(body); {
		m, err := resp.Body.Read(body[n:])
		n += m
		if err != nil {
			break
		}
	}
	return answer{resp, body}
}
