package web

import (
	"encoding/base64"
	"net/http"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

func (s *Server) viewLink(c *call) error {
	v, err := s.transfers.ViewLink(c.r.Context(), c.r.PathValue("slug"))
	if err != nil {
		return err
	}
	return c.reply(wireLinkView(v))
}

func (s *Server) start(c *call) error {
	var in api.Start
	if err := c.decode(&in); err != nil {
		return err
	}
	key, err := idempotencyKey(c.r)
	if err != nil {
		return err
	}
	started, err := s.transfers.Start(c.r.Context(), c.r.PathValue("slug"), transfer.NewTransfer{
		SenderEmail: in.SenderEmail, SenderName: in.SenderName, Message: in.Message, Password: in.Password,
		IdempotencyKey: key, Language: s.options.Catalog.Match(c.r.Header.Get("Accept-Language")).Tag(), Client: c.client(),
	})
	if err != nil {
		return err
	}
	return c.started(started)
}

func (s *Server) startOwn(c *call) error {
	var in api.StartOwn
	if err := c.decode(&in); err != nil {
		return err
	}
	key, err := idempotencyKey(c.r)
	if err != nil {
		return err
	}
	started, err := s.transfers.StartOwn(c.r.Context(), c.access.AccountID, transfer.OwnTransfer{
		Title: in.Title, Message: in.Message, IdempotencyKey: key, Client: c.client(),
	})
	if err != nil {
		return err
	}
	return c.started(started)
}

func (c *call) started(st transfer.Started) error {
	return c.made("/api/v1/transfers/"+st.Transfer.ID, api.Started{
		ID: st.Transfer.ID, UploadToken: st.UploadToken, State: st.Transfer.State,
		ExpiresAt: api.NewTime(st.Transfer.ExpiresAt),
	})
}

// idempotencyKey reads the 32 bytes with which a lost reply can be asked for
// again, or nil.
func idempotencyKey(r *http.Request) ([]byte, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(values[0])
	if err != nil || len(key) != 32 || len(values[0]) != 43 || len(values) > 1 {
		return nil, errIdempotencyKey
	}
	return key, nil
}

func (s *Server) transfer(c *call) error {
	t, err := s.transfers.Transfer(c.r.Context(), c.access, c.id())
	if err != nil {
		return err
	}
	return c.reply(wireTransfer(t))
}

func (s *Server) complete(c *call) error {
	if err := c.decode(&api.Empty{}); err != nil {
		return err
	}
	done, err := s.transfers.CompleteTransfer(c.r.Context(), c.access, c.id(), c.secret, c.client())
	if err != nil {
		return err
	}
	return c.reply(api.Completed{
		Share: api.CompletedShare{
			ID: done.Share.ID, URL: s.shareURL(done.Token), Code: account.FormatCode(done.Code),
			ExpiresAt: api.NewTime(done.Share.ExpiresAt),
		},
		Files: done.Files, Bytes: done.Bytes,
	})
}

// deleteTransfer is a guest's giving up, and a studio's delete.
func (s *Server) deleteTransfer(c *call) error {
	var err error
	if c.kind == account.SecretUpload {
		err = s.transfers.AbortTransfer(c.r.Context(), c.access, c.id(), c.client())
	} else {
		err = s.transfers.DeleteTransfer(c.r.Context(), c.access.AccountID, c.id(), c.client())
	}
	if err != nil {
		return err
	}
	return c.done()
}

func (s *Server) unlock(c *call) error {
	var in api.Unlock
	if err := c.decode(&in); err != nil {
		return err
	}
	token := c.r.PathValue("token")
	got, err := s.transfers.Unlock(c.r.Context(), token, in.Code, c.secret, c.client())
	if err != nil {
		return err
	}
	http.SetCookie(c.w, s.fetchCookie(token, got.Token, got.ExpiresAt))
	return c.reply(api.Unlocked{AccessToken: got.Token, ExpiresAt: api.NewTime(got.ExpiresAt)})
}

func (s *Server) share(c *call) error {
	access, err := c.fetchAccess()
	if err != nil {
		return err
	}
	p, err := c.page()
	if err != nil {
		return err
	}
	v, err := s.transfers.ShareFiles(c.r.Context(), access, p)
	if err != nil {
		return err
	}
	return c.reply(wireShareView(v))
}
