package web

import (
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

func (s *Server) links(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.transfers.Links(c.r.Context(), c.access.AccountID, p)
	if err != nil {
		return err
	}
	return c.reply(api.Links{Links: each(list, s.wireLink), NextCursor: next(cursor)})
}

func (s *Server) createLink(c *call) error {
	var in api.NewLink
	if err := c.decode(&in); err != nil {
		return err
	}
	l, err := s.transfers.CreateLink(c.r.Context(), c.access.AccountID, transfer.LinkFields{
		Slug: in.Slug, Title: in.Title, Message: in.Message, Password: in.Password,
		MaxBytes: in.MaxBytes.Std(), MaxFileBytes: in.MaxFileBytes.Std(), MaxTransfers: in.MaxTransfers.Std(),
		RetentionDays: in.RetentionDays.Std(), ExpiresAt: in.ExpiresAt.Std(),
	}, c.client())
	if err != nil {
		return err
	}
	return c.made("/api/v1/links/"+l.ID, s.wireLink(l))
}

func (s *Server) link(c *call) error {
	l, err := s.transfers.Link(c.r.Context(), c.access.AccountID, c.id())
	if err != nil {
		return err
	}
	return c.reply(s.wireLink(l))
}

func (s *Server) patchLink(c *call) error {
	var in api.LinkPatch
	if err := c.decode(&in); err != nil {
		return err
	}
	l, err := s.transfers.UpdateLink(c.r.Context(), c.access.AccountID, c.id(), transfer.LinkPatch{
		Slug: value(in.Slug), Title: value(in.Title), Message: value(in.Message), Password: value(in.Password),
		MaxBytes: pointer(in.MaxBytes, intOf), MaxFileBytes: pointer(in.MaxFileBytes, intOf),
		MaxTransfers: pointer(in.MaxTransfers, intOf), RetentionDays: pointer(in.RetentionDays, intOf),
		ExpiresAt: pointer(in.ExpiresAt, func(t api.Time) time.Time { return t.Time }),
		Closed:    value(in.Closed),
	}, c.client())
	if err != nil {
		return err
	}
	return c.reply(s.wireLink(l))
}

func (s *Server) deleteLink(c *call) error {
	if err := s.transfers.DeleteLink(c.r.Context(), c.access.AccountID, c.id(), c.client()); err != nil {
		return err
	}
	return c.done()
}

// value is a patch whose null is the zero value.
func value[T any](p api.Patch[T]) transfer.Field[T] {
	return transfer.Field[T]{Set: p.Set, Value: p.Value}
}

// pointer is a patch whose null is nil.
func pointer[From, To any](p api.Patch[From], of func(From) To) transfer.Field[*To] {
	if !p.Set || p.Null {
		return transfer.Field[*To]{Set: p.Set}
	}
	v := of(p.Value)
	return transfer.Field[*To]{Set: true, Value: &v}
}

func intOf(n api.Int) int64 { return int64(n) }
