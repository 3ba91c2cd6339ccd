package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

// sessionCookieAge is how long a browser keeps the cookie of a session: the
// longest that browsers allow. When a session ends its row decides.
const sessionCookieAge = 400 * 24 * time.Hour

func signInRoutes() []route {
	session := []account.SecretKind{account.SecretSession}
	return []route{
		{method: "POST", pattern: "/api/v1/login", summary: "Ask for a code by mail", ownSite: true,
			request: api.Login{}, response: api.LoginBegun{}, status: http.StatusAccepted, handle: (*Server).login,
			problems: []api.Code{api.EmailInvalid, api.TooManyTries}},
		{method: "POST", pattern: "/api/v1/login/verify", summary: "Sign in with the code", ownSite: true,
			request: api.LoginCode{}, response: api.SignedIn{}, handle: (*Server).verifyLogin,
			problems: []api.Code{api.CodeWrong, api.StorageUnavailable}},
		{method: "POST", pattern: "/api/v1/logout", summary: "Sign out", tokens: session,
			request: api.Empty{}, status: http.StatusNoContent, handle: (*Server).logout},
		{method: "GET", pattern: "/api/v1/sessions", summary: "Where the studio is signed in", tokens: studio(),
			list: true, response: api.Sessions{}, handle: (*Server).sessions},
		{method: "DELETE", pattern: "/api/v1/sessions", summary: "Sign out everywhere else", tokens: studio(),
			status: http.StatusNoContent, handle: (*Server).revokeSessions},
		{method: "DELETE", pattern: "/api/v1/sessions/{id}", summary: "End a session", tokens: studio(),
			status: http.StatusNoContent, handle: (*Server).revokeSession},
	}
}

func (s *Server) login(c *call) error {
	var in api.Login
	if err := c.decode(&in); err != nil {
		return err
	}
	id, err := s.signIn.Begin(c.r.Context(), account.NewLogin{
		Email: in.Email, Client: account.AddressSubject(c.from),
		Language: s.options.Catalog.Match(c.r.Header.Get("Accept-Language")).Tag(),
	})
	if err != nil {
		return err
	}
	return c.reply(api.LoginBegun{LoginID: id})
}

func (s *Server) verifyLogin(c *call) error {
	var in api.LoginCode
	if err := c.decode(&in); err != nil {
		return err
	}
	session, secret, err := s.signIn.Verify(c.r.Context(), in.LoginID, in.Code,
		account.Device{IP: c.ip(), UserAgent: c.r.UserAgent()})
	if err != nil {
		return err
	}
	c.w.account = session.AccountID
	a, err := s.accounts.ByID(c.r.Context(), session.AccountID)
	if err != nil {
		return err
	}
	http.SetCookie(c.w, s.sessionCookie(secret, sessionCookieAge))
	return c.reply(api.SignedIn{Account: wireMe(a)})
}

func (s *Server) logout(c *call) error {
	if err := c.decode(&api.Empty{}); err != nil {
		return err
	}
	if err := s.accounts.RevokeSession(c.r.Context(), c.access.AccountID, c.tokenID, c.origin()); err != nil {
		return err
	}
	http.SetCookie(c.w, s.sessionCookie("", 0))
	return c.done()
}

func (s *Server) sessions(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.accounts.Sessions(c.r.Context(), c.access.AccountID, account.Page(p))
	if err != nil {
		return err
	}
	return c.reply(api.Sessions{NextCursor: next(cursor), Sessions: each(list, func(v account.Session) api.Session {
		return api.Session{
			ID: v.ID, CreatedAt: api.NewTime(v.CreatedAt), LastSeenAt: api.NewTime(v.LastSeenAt),
			ExpiresAt: api.NewTime(v.ExpiresAt), IP: v.Device.IP, UserAgent: v.Device.UserAgent, Current: v.ID == c.tokenID,
		}
	})})
}

func (s *Server) revokeSession(c *call) error {
	if err := s.accounts.RevokeSession(c.r.Context(), c.access.AccountID, c.id(), c.origin()); err != nil {
		return err
	}
	return c.done()
}

// revokeSessions ends all sessions but the caller's own, if it is one.
func (s *Server) revokeSessions(c *call) error {
	if err := s.accounts.RevokeSessions(c.r.Context(), c.access.AccountID, c.tokenID, c.origin()); err != nil {
		return err
	}
	return c.done()
}

// sessionCookieName has the prefix by which browsers hold a cookie to https,
// this host and all of its paths, wherever that can be had.
func (s *Server) sessionCookieName() string {
	if s.secure() {
		return "__Host-lz_s"
	}
	return "lz_s"
}

// sessionCookie keeps a session; no secret takes it back. It is Lax and not
// Strict, so that a link in a mail finds the studio signed in.
func (s *Server) sessionCookie(secret string, age time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: s.sessionCookieName(), Value: secret, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(),
	}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

// sessionSecret reads the session of a browser, which a page of another site
// may not use for anything that changes.
func (c *call) sessionSecret() (string, error) {
	cookie, err := c.r.Cookie(c.s.sessionCookieName())
	if err != nil {
		return "", nil
	}
	if err := c.s.origins.Check(c.r); err != nil {
		return "", fmt.Errorf("%w: %w", errCrossOrigin, err)
	}
	return cookie.Value, nil
}
