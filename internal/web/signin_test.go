package web

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// mailbox runs jobs that mail at once and keeps what was sent.
type mailbox struct {
	jobs []mail.Job
	mu   sync.Mutex
	sent []mail.Envelope
}

func (m *mailbox) send(_ context.Context, e mail.Envelope) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, e)
	return nil
}

func (m *mailbox) hint(ctx context.Context, kind, id string) error {
	for _, j := range m.jobs {
		if j.Kind == kind {
			return j.Run(ctx, id)
		}
	}
	return fmt.Errorf("no job %s", kind)
}

func (m *mailbox) all() []mail.Envelope {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]mail.Envelope{}, m.sent...)
}

// login asks for a code and reads it from the mail.
func (e *env) login(email string) api.LoginCode {
	e.t.Helper()
	begun := ask[api.LoginBegun](e, 202, "POST", "/api/v1/login", "", api.Login{Email: email})
	sent := e.mails.all()
	if len(sent) == 0 {
		e.t.Fatal("no mail")
	}
	last := sent[len(sent)-1]
	if last.To != email || !strings.Contains(last.Text, last.Code) || len(last.Code) != account.LoginDigits {
		e.t.Fatalf("mail to %s with code %q: %s", last.To, last.Code, last.Text)
	}
	if want := e.base + "/signin#" + begun.LoginID + "." + last.Code; !strings.Contains(last.Text, want) {
		e.t.Errorf("no %s in %s", want, last.Text)
	}
	return api.LoginCode{LoginID: begun.LoginID, Code: last.Code}
}

// signInAs signs in and gives the cookie as a header has it.
func (e *env) signInAs(email, agent string) (cookie string) {
	e.t.Helper()
	a := e.do("POST", "/api/v1/login/verify", "", e.login(email), "User-Agent", agent)
	if a.StatusCode != 200 || len(a.Cookies()) != 1 {
		e.t.Fatalf("sign in: %d %s, cookies %v", a.StatusCode, a.body, a.Cookies())
	}
	c := a.Cookies()[0]
	return c.Name + "=" + c.Value
}

// newSession signs an account in without mail, which is limited.
func (e *env) newSession(accountID string) (id, secret string) {
	e.t.Helper()
	address, _, err := e.signIn.Link(e.t.Context(), accountID)
	e.must(err)
	_, fragment, _ := strings.Cut(address, "#")
	login, code, _ := strings.Cut(fragment, ".")
	s, secret, err := e.signIn.Verify(e.t.Context(), login, code, account.Device{})
	e.must(err)
	return s.ID, secret
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	code := e.login("studio@example.com")
	spaced := code
	spaced.Code = code.Code[:4] + " " + code.Code[4:]
	a := e.do("POST", "/api/v1/login/verify", "", spaced)
	if a.StatusCode != 200 || len(a.Cookies()) != 1 {
		t.Fatalf("verify: %d %s %v", a.StatusCode, a.body, a.Cookies())
	}
	c := a.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Name != "lz_s" || !strings.HasPrefix(c.Value, "lzs_") || c.MaxAge < 86400*30 {
		t.Errorf("cookie %+v", c)
	}
	if strings.Contains(string(a.body), c.Value) {
		t.Error("the body has the secret too")
	}
	cookie := c.Name + "=" + c.Value
	me := e.do("GET", "/api/v1/me", "", nil, "Cookie", cookie)
	if me.StatusCode != 200 || !strings.Contains(string(me.body), e.account.ID) {
		t.Errorf("me by cookie: %d %s", me.StatusCode, me.body)
	}
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", "nonsense", nil, "Cookie", cookie) // a header wins
	if p := e.wantProblem(api.CodeWrong, "POST", "/api/v1/login/verify", "", code); p.TriesLeft == nil || *p.TriesLeft != 0 {
		t.Errorf("a used code: %+v", p)
	}
	out := e.do("POST", "/api/v1/logout", "", "{}", "Cookie", cookie)
	if out.StatusCode != 204 || len(out.Cookies()) != 1 || out.Cookies()[0].MaxAge >= 0 || out.Cookies()[0].Value != "" {
		t.Errorf("logout: %d %v", out.StatusCode, out.Cookies())
	}
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", "", nil, "Cookie", cookie)
	e.wantProblem(api.Unauthenticated, "POST", "/api/v1/logout", e.studio, "{}") // a token is no session
	if found := regexp.MustCompile(code.Code + "|" + c.Value).FindString(e.log.String()); found != "" {
		t.Errorf("the log holds %q", found)
	}
}

func TestSecureCookieIsHeldToItsHost(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.PublicURL = "https://files.example.com" })
	c := e.sessionCookie("lzs_x", time.Hour)
	if c.Name != "__Host-lz_s" || !c.Secure || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
}

// Nothing that is answered tells a known address from an unknown one.
func TestLoginTellsNobodyWhoIsAStudio(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	type seen struct {
		Status []int
		Codes  []api.Code
		Left   []int
	}
	look := func(email string) (s seen) {
		begun := ask[api.LoginBegun](e, 202, "POST", "/api/v1/login", "", api.Login{Email: email})
		for range account.LoginTries + 1 {
			p := e.do("POST", "/api/v1/login/verify", "", api.LoginCode{LoginID: begun.LoginID, Code: "123"}).problem(t)
			s.Status, s.Codes, s.Left = append(s.Status, p.Status), append(s.Codes, p.Code), append(s.Left, *p.TriesLeft)
		}
		return s
	}
	known, unknown := look("studio@example.com"), look("nobody@example.com")
	if diff := cmp.Diff(known, unknown); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{4, 3, 2, 1, 0, 0}, known.Left); diff != "" {
		t.Error(diff)
	}
	if n := len(e.mails.all()); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

func TestLoginRefusals(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.wantProblem(api.EmailInvalid, "POST", "/api/v1/login", "", api.Login{Email: "nobody"})
	for _, odd := range []string{"", "x", "00000000-0000-7000-8000-000000000000", "\x00"} {
		e.wantProblem(api.CodeWrong, "POST", "/api/v1/login/verify", "", api.LoginCode{LoginID: odd, Code: "12345678"})
	}
	evil := []string{"Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site"}
	e.wantProblem(api.CrossOrigin, "POST", "/api/v1/login", "", api.Login{Email: "studio@example.com"}, evil...)
	e.wantProblem(api.CrossOrigin, "POST", "/api/v1/login/verify", "", api.LoginCode{}, evil...)
	for range 10 {
		ask[api.LoginBegun](e, 202, "POST", "/api/v1/login", "", api.Login{Email: "nobody@example.com"})
	}
	e.wantProblem(api.TooManyTries, "POST", "/api/v1/login", "", api.Login{Email: "other@example.com"})
}

func TestSessionFromAnotherSite(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	cookie := e.signInAs("studio@example.com", "Test")
	for _, rt := range routes() {
		if rt.method == "GET" || !strings.Contains(fmt.Sprint(rt.tokens), string(account.SecretSession)) {
			continue
		}
		path := strings.NewReplacer("{id}", e.link.ID).Replace(rt.pattern)
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example.com"}} {
			p := e.wantProblem(api.CrossOrigin, rt.method, path, "", "{}", append(from, "Cookie", cookie)...)
			if p.Status != 403 {
				t.Errorf("%s %s: %d", rt.method, path, p.Status)
			}
		}
	}
	a := e.do("PATCH", "/api/v1/me", "", `{"name":"New"}`, "Cookie", cookie, "Sec-Fetch-Site", "same-origin", "Origin", e.base)
	if a.StatusCode != 200 {
		t.Errorf("from our own page: %d %s", a.StatusCode, a.body)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	one, two := e.signInAs("studio@example.com", "One"), e.signInAs("studio@example.com", "Two")
	theirs := e.signInAs("other@example.com", "Theirs")
	list := func(cookie string) (agents []string, ids map[string]string) {
		ids = map[string]string{}
		_, secret, _ := strings.Cut(cookie, "=")
		for _, s := range ask[api.Sessions](e, 200, "GET", "/api/v1/sessions", secret, nil).Sessions {
			agents = append(agents, fmt.Sprint(s.UserAgent, s.Current, s.IP))
			ids[s.UserAgent] = s.ID
		}
		return agents, ids
	}
	agents, ids := list(one)
	if diff := cmp.Diff([]string{"Twofalse127.0.0.1", "Onetrue127.0.0.1"}, agents); diff != "" {
		t.Error(diff)
	}
	e.wantProblem(api.NotFound, "DELETE", "/api/v1/sessions/"+ids["Two"], "", nil, "Cookie", theirs)
	for range 2 {
		if a := e.do("DELETE", "/api/v1/sessions/"+ids["Two"], "", nil, "Cookie", one); a.StatusCode != 204 {
			t.Errorf("end another: %d %s", a.StatusCode, a.body)
		}
	}
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", "", nil, "Cookie", two)
	three := e.signInAs("studio@example.com", "Three")
	if a := e.do("DELETE", "/api/v1/sessions", "", nil, "Cookie", three); a.StatusCode != 204 {
		t.Errorf("end all others: %d %s", a.StatusCode, a.body)
	}
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", "", nil, "Cookie", one)
	for _, cookie := range []string{three, theirs} {
		if a := e.do("GET", "/api/v1/me", "", nil, "Cookie", cookie); a.StatusCode != 200 {
			t.Errorf("a session that stays: %d", a.StatusCode)
		}
	}
	// The API token of the studio sees sessions too, and is none of them.
	for _, s := range ask[api.Sessions](e, 200, "GET", "/api/v1/sessions", e.studio, nil).Sessions {
		if s.Current || s.UserAgent != "Three" {
			t.Errorf("session %+v", s)
		}
	}
}
