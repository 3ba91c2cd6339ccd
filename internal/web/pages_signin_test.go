package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/account"
)

// signedIn gives the browser a session of an account.
func (b *tab) signedIn(accountID string) (sessionID string) {
	b.t.Helper()
	id, secret := b.e.newSession(accountID)
	b.cookie(secret)
	return id
}

func (b *tab) cookie(secret string) {
	b.t.Helper()
	yes := true
	_, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: "lz_s", Value: secret, URL: b.e.base, HTTPOnly: &yes})
	b.must(err)
}

// mailedCode is the code of the newest message.
func (e *env) mailedCode() string {
	e.t.Helper()
	all := e.mails.all()
	if len(all) == 0 {
		e.t.Fatal("no mail")
	}
	return all[len(all)-1].Code
}

// otherCode is a code that differs.
func otherCode(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestStudioSignsInByTheCode(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.MailToFiles = true })
	b := e.openTab("en")
	for _, status := range []string{"401", "422", "404"} {
		b.excuse(status)
	}
	b.open("/signin")
	b.reads("h1", "Sign in")
	b.reads("#ask", "writes every message into the folder mail")
	b.look("signin")
	b.click("#send")
	b.reads("#email-wrong", "Type the address")
	b.write("#email", "studio@example")
	b.click("#send")
	b.reads("#email-wrong", "not a whole address")
	b.look("signin-email-wrong")
	b.write("#email", "Studio@Example.com")
	b.click("#send")
	b.reads("#type-text", "a code is on its way")
	b.look("signin-code")
	code := e.mailedCode()
	b.write("#code", "123")
	b.click("#enter")
	b.reads("#code-wrong", "eight digits")
	b.write("#code", otherCode(code))
	b.click("#enter")
	b.reads("#code-wrong", "4 tries left")
	b.look("signin-code-wrong")
	b.do(chromedp.Reload()) // on the way to the mail and back
	b.reads("#type-text", "Studio@Example.com")
	b.click("#again")
	b.holds(`document.getElementById("again").getAttribute("aria-busy") === null`)
	if len(e.mails.all()) != 2 {
		t.Fatalf("%d mails, want a second", len(e.mails.all()))
	}
	code = e.mailedCode()
	b.write("#code", code[:4]+" "+code[4:])
	b.click("#enter")
	b.holds(`location.pathname === "/transfers"`)
}

func TestStudioTriesTooManyCodes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.NoMail = true })
	b := e.openTab("en")
	b.excuse("401")
	b.excuse("429")
	b.open("/signin")
	b.reads("#ask", "app account signin")
	b.write("#email", "nobody@example.com") // what is answered tells nobody who is a studio
	b.click("#send")
	b.see("#code")
	for _, left := range []string{"4 tries left", "3 tries left", "2 tries left", "1 try left", "works no more"} {
		b.write("#code", "00000000")
		b.click("#enter")
		b.reads("#code-wrong", left)
	}
	b.look("signin-over")
	for range 9 { // ten an hour from one address
		b.click("#again")
		b.holds(`document.getElementById("again").getAttribute("aria-busy") === null`)
	}
	b.click("#again")
	b.reads("#code-wrong", "Too many codes were asked for. Try again in")
	b.look("signin-too-many")
}

func TestStudioSignsInByTheMailedAddress(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	address, _, err := e.signIn.Link(t.Context(), e.account.ID)
	e.must(err)
	path := strings.TrimPrefix(address, e.base)
	for range 3 { // what mail scanners do uses nothing up
		if a := e.do("GET", path, "", nil); a.StatusCode != 200 || len(a.Cookies()) != 0 {
			t.Fatalf("GET: %d, cookies %v", a.StatusCode, a.Cookies())
		}
		e.do("HEAD", path, "", nil)
	}
	b := e.openTab("en")
	b.excuse("401")
	b.excuse("404")
	b.open(strings.Replace(path, "/signin#", "/signin?next=%2Flinks#", 1))
	b.holds(`location.pathname === "/links"`)
	if hash := b.eval(`location.hash`); hash != "" {
		t.Errorf("the code stays in the address: %s", hash)
	}
	b.open(path) // again: it is used up, but this browser is signed in
	b.holds(`location.pathname === "/transfers"`)
	b.open("/")
	b.holds(`location.pathname === "/transfers"`)
	b.open("/signin")
	b.reads("#already", "signed in to Studio")
	b.look("signin-already")
	c := b.another()
	c.excuse("401")
	c.open(path)
	c.reads("#link-wrong", "works no more")
	c.look("signin-link-over")
}

func TestAfterSignInNobodyLeavesTheSite(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"": "/transfers", "/": "/transfers", "/links": "/links", "/new-link?x=1": "/new-link?x=1", "/transfers?q=a%20b": "/transfers?q=a%20b",
		"/transfers/../d/x": "/transfers", "/transfers/%2e%2e/d/x": "/transfers",
		"//evil.example/transfers": "/transfers", "https://evil.example/transfers": "/transfers", `/\evil.example`: "/transfers",
		"/transfers\n": "/transfers", "javascript:alert(1)": "/transfers", "/linksX": "/transfers", "transfers": "/transfers",
		"/api/v1/me": "/transfers", "/u/wedding": "/transfers", "%": "/transfers", "//user@host/links": "/transfers",
	} {
		if got := afterSignIn(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestSignInWithoutScriptSaysSo(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("hi")
	b.withoutScript()
	b.open("/signin")
	b.look("signin-noscript")
	if got := b.text("main"); !strings.Contains(got, "JavaScript") || strings.Contains(got, "मुझे कोड भेजें") {
		t.Errorf("without script the page says: %s", got)
	}
}

// A session that has ended, or is none, is no session on pages either.
func TestEndedSessionsOpenNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	id, secret := e.newSession(e.account.ID)
	if resp := e.page("/", secret); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/transfers" {
		t.Errorf("the front page of who is signed in: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	for _, odd := range []string{"", "nonsense", e.studio, "lzs_" + strings.Repeat("A", 43)} {
		if resp := e.page("/", odd); resp.StatusCode != http.StatusOK {
			t.Errorf("the front page with %q: %d", odd, resp.StatusCode)
		}
	}
	e.must(e.accounts.RevokeSession(t.Context(), e.account.ID, id, account.Origin{}))
	if resp := e.page("/", secret); resp.StatusCode != http.StatusOK {
		t.Errorf("a revoked session: %d", resp.StatusCode)
	}
	_, late := e.newSession(e.account.ID)
	e.clock.advance(account.SessionLife + time.Minute)
	if resp := e.page("/", late); resp.StatusCode != http.StatusOK {
		t.Errorf("a session that was not used for long: %d", resp.StatusCode)
	}
}
