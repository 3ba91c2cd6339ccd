package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// signInPath is the page on which a studio signs in; a mailed link goes there.
const signInPath = "/signin"

// asksToSignIn sends a person without a session from a studio's page to the
// one that signs in, which leads back. It is the one place where pages do so.
func (c *call) asksToSignIn(err error) bool {
	if !c.route.page || !isUnauthenticated(err) {
		return false
	}
	c.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(c.w, c.r, signInPath+"?next="+url.QueryEscape(c.r.URL.RequestURI()), http.StatusSeeOther)
	return true
}

func isUnauthenticated(err error) bool {
	return errors.Is(err, account.ErrUnauthenticated) || errors.Is(err, transfer.ErrUnauthenticated)
}

// signedIn is the account whose session a page without need of one is opened
// with; ok is false where there is none.
func (c *call) signedIn() (a account.Account, ok bool, err error) {
	secret, err := c.sessionSecret()
	if err != nil {
		return a, false, nil //nolint:nilerr // a page of another site has no session here
	}
	if kind, valid := account.ParseSecret(secret); !valid || kind != account.SecretSession {
		return a, false, nil
	}
	who, err := c.s.accounts.Authenticate(c.r.Context(), secret)
	if isUnauthenticated(err) {
		return a, false, nil
	}
	if err != nil {
		return a, false, err
	}
	a, err = c.s.accounts.ByID(c.r.Context(), who.AccountID)
	return a, err == nil, err
}

// homePage says what this is to everybody, and shows nothing of any account. A
// studio that is signed in goes to its transfers.
func (s *Server) homePage(c *call) error {
	_, ok, err := c.signedIn()
	if err != nil {
		return err
	}
	if ok {
		c.w.Header().Set("Cache-Control", "no-store")
		c.w.Header().Add("Vary", "Cookie")
		http.Redirect(c.w, c.r, afterSignIn(""), http.StatusSeeOther)
		return nil
	}
	return s.render(c.w, c.r, http.StatusOK, "home", homeView{view: s.view(c.r), Greets: s.options.Greets})
}

// homeView fills the front page.
type homeView struct {
	view
	Greets bool
}

// signInView fills the page that signs in.
type signInView struct {
	view
	Name string // of the studio that is signed in already
	Next string // where to go then

	MailToFiles, NoMail bool
}

// signInPage asks for an address, then for the code. Opening it changes nothing
// and uses nothing up: what the mailed link holds stands behind the #, which
// only the page's script sees.
func (s *Server) signInPage(c *call) error {
	a, _, err := c.signedIn()
	if err != nil {
		return err
	}
	v := signInView{
		view: s.view(c.r), Name: a.Name, Next: afterSignIn(c.r.URL.Query().Get("next")),
		MailToFiles: s.options.MailToFiles, NoMail: s.options.NoMail,
	}
	v.Script = "signin.js"
	b := v.boot("login.")
	b.Next, b.SignedIn = v.Next, v.Name != ""
	v.Boot = b
	return s.render(c.w, c.r, http.StatusOK, "signin", v)
}

// afterSignIn is where a person goes who has signed in: a page of a studio on
// this site, and never anywhere else.
func afterSignIn(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsFunc(next, isOdd) {
		return studioHome
	}
	for _, page := range []string{studioHome, "/links", "/new-link", "/settings", "/welcome", "/send"} {
		if u.Path == page || strings.HasPrefix(u.Path, page+"/") && !strings.Contains(u.Path, "..") {
			return u.RequestURI()
		}
	}
	return studioHome
}

// studioHome is the first page of a studio.
const studioHome = "/transfers"

// isOdd tells of what browsers read in a way of their own in an address.
func isOdd(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }
