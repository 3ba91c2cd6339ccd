package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

func (s *Server) me(c *call) error {
	a, err := s.accounts.ByID(c.r.Context(), c.access.AccountID)
	if err != nil {
		return err
	}
	return c.reply(wireMe(a))
}

func (s *Server) patchMe(c *call) error {
	var in api.MePatch
	if err := c.decode(&in); err != nil {
		return err
	}
	if !in.Name.Set {
		return s.me(c)
	}
	a, err := s.accounts.Rename(c.r.Context(), c.access.AccountID, in.Name.Value)
	if err != nil {
		return err
	}
	return c.reply(wireMe(a))
}

// deleteMe destroys the account's keys. Once that is done it is deleted, whatever
// becomes of the rest, which the sweep does too.
func (s *Server) deleteMe(c *call) error {
	if err := s.accounts.Delete(c.r.Context(), c.access.AccountID); err != nil {
		return err
	}
	if err := s.transfers.EndAccount(c.r.Context(), c.access.AccountID); err != nil {
		c.w.cause = fmt.Errorf("the account is deleted, its transfers end with the next sweep: %w", err)
	}
	http.SetCookie(c.w, s.sessionCookie("", 0))
	return c.done()
}

func (s *Server) transferList(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	what, err := c.searched()
	if err != nil {
		return err
	}
	list, cursor, err := s.transfers.Transfers(c.r.Context(), c.access.AccountID, what, p)
	if err != nil {
		return err
	}
	return c.reply(api.Transfers{Transfers: each(list, wireTransfer), NextCursor: next(cursor)})
}

// searched reads what a list of transfers is narrowed to: q, and state, which
// may be several with commas.
func (c *call) searched() (what transfer.Search, err error) {
	q := c.r.URL.Query()
	what.Text = q.Get("q")
	if !utf8.ValidString(what.Text) || strings.ContainsRune(what.Text, 0) {
		return what, &queryError{"q", "text is due"}
	}
	if q.Get("state") == "" {
		return what, nil
	}
	for state := range strings.SplitSeq(q.Get("state"), ",") {
		if !slices.Contains(transfer.States(), state) {
			return what, &queryError{"state", "states of transfers are due, with commas between them"}
		}
		what.States = append(what.States, state)
	}
	return what, nil
}

func (s *Server) patchTransfer(c *call) error {
	var in api.TransferPatch
	if err := c.decode(&in); err != nil {
		return err
	}
	if !in.ExpiresAt.Set {
		return s.transfer(c)
	}
	if in.ExpiresAt.Null {
		return &transfer.FieldError{Field: "expires_at", Reason: "a transfer always ends"}
	}
	t, err := s.transfers.ExtendTransfer(c.r.Context(), c.access.AccountID, c.id(), in.ExpiresAt.Value.Time, c.client())
	if err != nil {
		return err
	}
	return c.reply(wireTransfer(t))
}

func (s *Server) restoreTransfer(c *call) error {
	if err := c.decode(&api.Empty{}); err != nil {
		return err
	}
	t, err := s.transfers.RestoreTransfer(c.r.Context(), c.access.AccountID, c.id(), c.client())
	if err != nil {
		return err
	}
	return c.reply(wireTransfer(t))
}

func (s *Server) shares(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.transfers.Shares(c.r.Context(), c.access.AccountID, c.id(), p)
	if err != nil {
		return err
	}
	return c.reply(api.Shares{Shares: each(list, s.wireShare), NextCursor: next(cursor)})
}

func (s *Server) createShare(c *call) error {
	var in api.NewShare
	if err := c.decode(&in); err != nil {
		return err
	}
	share, code, err := s.transfers.CreateShare(c.r.Context(), c.access.AccountID, c.id(), transfer.NewShare{
		Code: in.Code, ExpiresAt: in.ExpiresAt.Std(), MaxDownloads: in.MaxDownloads.Std(),
		Recipients: in.Recipients, Client: c.client(),
	})
	if err != nil {
		return err
	}
	out := s.wireShare(share)
	out.Code = account.FormatCode(code)
	return c.made("/api/v1/shares/"+share.ID, out)
}

func (s *Server) revokeShare(c *call) error {
	if err := s.transfers.RevokeShare(c.r.Context(), c.access.AccountID, c.id(), c.client()); err != nil {
		return err
	}
	return c.done()
}

func (s *Server) tokens(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.accounts.Tokens(c.r.Context(), c.access.AccountID, account.Page(p))
	if err != nil {
		return err
	}
	return c.reply(api.Tokens{Tokens: each(list, wireToken), NextCursor: next(cursor)})
}

func (s *Server) createToken(c *call) error {
	var in api.NewToken
	if err := c.decode(&in); err != nil {
		return err
	}
	t, secret, err := s.accounts.CreateToken(c.r.Context(), c.access.AccountID, in.Name, in.ExpiresAt.Std(), c.origin())
	if err != nil {
		return err
	}
	out := wireToken(t)
	out.Token = secret
	return c.made("/api/v1/tokens/"+t.ID, out)
}

func (s *Server) revokeToken(c *call) error {
	if err := s.accounts.RevokeToken(c.r.Context(), c.access.AccountID, c.id(), c.origin()); err != nil {
		return err
	}
	return c.done()
}

func (s *Server) events(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.accounts.Events(c.r.Context(), c.access.AccountID, account.Page(p))
	if err != nil {
		return err
	}
	return c.reply(api.Events{Events: each(list, wireEvent), NextCursor: next(cursor)})
}
