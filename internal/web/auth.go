package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// authenticator finds for whom a token of one kind speaks, and the row of a
// studio's own.
type authenticator func(context.Context, *Server, string) (bearerOf, error)

type bearerOf struct {
	access  transfer.Access
	tokenID string
}

// authenticators has a row for each kind of token that is for an account or a
// transfer. A fetch token needs its share beside it: see fetchAccess.
func authenticators() map[account.SecretKind]authenticator {
	ofStudio := func(ctx context.Context, s *Server, secret string) (bearerOf, error) {
		p, err := s.accounts.Authenticate(ctx, secret)
		return bearerOf{transfer.Access{AccountID: p.AccountID}, p.TokenID}, err
	}
	return map[account.SecretKind]authenticator{
		account.SecretUpload: func(ctx context.Context, s *Server, secret string) (bearerOf, error) {
			a, err := s.transfers.AuthUpload(ctx, secret)
			return bearerOf{access: a}, err
		},
		account.SecretAPI:     ofStudio,
		account.SecretSession: ofStudio,
	}
}

// authenticate reads the token that the route takes. None, a malformed one, a
// kind that the route does not take and an unknown one are all the same 401.
func (c *call) authenticate() error {
	if c.route.ownSite {
		if err := c.s.origins.Check(c.r); err != nil {
			return fmt.Errorf("%w: %w", errCrossOrigin, err)
		}
	}
	if len(c.route.tokens) == 0 {
		return nil
	}
	if slices.Contains(c.route.tokens, account.SecretFetch) {
		return c.readFetchToken()
	}
	secret, given := bearer(c.r)
	if !given && slices.Contains(c.route.tokens, account.SecretSession) {
		var err error
		if secret, err = c.sessionSecret(); err != nil {
			return err
		}
	}
	kind, ok := account.ParseSecret(secret)
	if !ok || !slices.Contains(c.route.tokens, kind) {
		return transfer.ErrUnauthenticated
	}
	find, ok := authenticators()[kind]
	if !ok {
		return transfer.ErrUnauthenticated
	}
	who, err := find(c.r.Context(), c.s, secret)
	if err != nil {
		return err
	}
	c.secret, c.kind, c.access, c.tokenID = secret, kind, who.access, who.tokenID
	c.w.account = who.access.AccountID
	return nil
}

// readFetchToken takes the fetch token from the Authorization header, or else
// from the share's own cookie. It may be missing or wrong: the share is looked
// at first, and unlocking needs none.
func (c *call) readFetchToken() error {
	secret, given := bearer(c.r)
	if !given {
		cookie, err := c.r.Cookie(cookieName(c.r.PathValue("token")))
		if err != nil {
			return nil
		}
		if err := c.s.origins.Check(c.r); err != nil {
			return errCrossOrigin
		}
		secret = cookie.Value
	}
	if kind, ok := account.ParseSecret(secret); ok && kind == account.SecretFetch {
		c.secret, c.kind = secret, kind
	}
	return nil
}

// fetchAccess is the right to fetch from the share of the path.
func (c *call) fetchAccess() (transfer.ShareAccess, error) {
	access, err := c.s.transfers.AuthFetch(c.r.Context(), c.r.PathValue("token"), c.secret)
	c.w.account = access.AccountID
	return access, err
}

// bearer reads the Authorization header. given says that there is one, so that
// cookies do not count, whatever it holds.
func bearer(r *http.Request) (secret string, given bool) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	if !ok || len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(secret), true
}

// cookieName names the cookie of one share, so that two can be open in one
// browser, without showing the share's token.
func cookieName(shareToken string) string {
	sum := sha256.Sum256([]byte(shareToken))
	return "lz_d_" + hex.EncodeToString(sum[:8])
}

// fetchCookie keeps a fetch token for the share's page. Its path is / because
// the page and the calls have no other in common.
func (s *Server) fetchCookie(shareToken, secret string, expires time.Time) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(shareToken), Value: secret, Path: "/", Expires: expires.UTC(),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(),
	}
}
