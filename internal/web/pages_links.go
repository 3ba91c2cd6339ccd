package web

import (
	"strconv"
	"strings"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

const linksShown = 50 // on one page of the list

// linksView fills the page of links: the list, and beside it a new link or one
// to change.
type linksView struct {
	studioView
	Rows   []linkRow
	Older  string // address of the next page; "" at the end
	Later  bool
	New    bool
	Chosen *linkForm
}

// linkRow is a link in the list.
type linkRow struct {
	ID, Title, Path   string
	State, Icon, Tone string
	Transfers         string
	Until             *when
	Current           bool
}

// linkForm is a link to change.
type linkForm struct {
	linkRow
	URL, Slug, Name, Message    string
	Host                        string // of the address, before the path
	HereOnly                    bool   // nobody reaches it from another machine
	HasPassword, Closed         bool
	Room, Largest               string // GB
	MaxTransfers, RetentionDays string
	Expires                     string // RFC 3339; "" for none
	ExpiresDay                  string
	Received                    string
	Made                        when
	StateText                   string
	Least                       string
}

func (s *Server) linksPage(c *call) error { return s.showLinks(c, linksView{}) }

func (s *Server) newLinkPage(c *call) error {
	return s.showLinks(c, linksView{New: true, Chosen: &linkForm{Least: s.tomorrow()}})
}

func (s *Server) linkPage(c *call) error {
	l, err := s.transfers.Link(c.r.Context(), c.access.AccountID, c.id())
	if err != nil {
		return err
	}
	v := linksView{}
	v.view = s.view(c.r)
	f := v.linkForm(l, s)
	v.Chosen = &f
	return s.showLinks(c, v)
}

// tomorrow is the first day that a date field offers.
func (s *Server) tomorrow() string { return s.now().UTC().AddDate(0, 0, 1).Format("2006-01-02") }

func (s *Server) showLinks(c *call, v linksView) error {
	var err error
	if v.studioView, err = s.studioView(c, "links", "links.js"); err != nil {
		return err
	}
	cursor := c.r.URL.Query().Get("after")
	list, next, err := s.transfers.Links(c.r.Context(), c.access.AccountID, transfer.Page{Cursor: cursor, Limit: linksShown})
	if err != nil {
		return err
	}
	v.Later = cursor != ""
	v.Rows = each(list, func(l transfer.Link) linkRow {
		row := v.linkRow(l)
		row.Current = v.Chosen != nil && v.Chosen.ID == l.ID
		return row
	})
	if next != "" {
		v.Older = "/links?after=" + next
	}
	b := v.studioBoot()
	if v.Chosen != nil {
		b.Link = v.Chosen.ID
	}
	v.Boot = b
	return s.showStudio(c, "links", v)
}

func (v view) linkRow(l transfer.Link) linkRow {
	row := linkRow{
		ID: l.ID, Title: l.Title, Path: "/u/" + l.Slug, State: v.T("links.state_" + l.State), Icon: "done", Tone: "good",
		Transfers: v.T("links.transfers", "count", l.TransfersUsed),
	}
	if row.Title == "" {
		row.Title = v.T("links.untitled")
	}
	switch l.State {
	case transfer.LinkOpen:
		if l.HasPassword {
			row.State, row.Icon = v.T("links.state_locked"), "lock"
		}
	case transfer.LinkClosed:
		row.Icon, row.Tone = "close", "soft"
	default:
		row.Icon, row.Tone = "clock", "slow"
	}
	if l.ExpiresAt != nil {
		until := v.on("links.until", *l.ExpiresAt)
		row.Until = &until
	}
	return row
}

func (v view) linkForm(l transfer.Link, s *Server) linkForm {
	f := linkForm{
		linkRow: v.linkRow(l), URL: s.linkURL(l.Slug), Slug: l.Slug, Name: l.Title, Message: l.Message,
		HasPassword: l.HasPassword, Closed: l.Closed, Room: gigabytes(l.MaxBytes), Largest: gigabytes(l.MaxFileBytes),
		MaxTransfers: digits(l.MaxTransfers), RetentionDays: digits(l.RetentionDays), Received: v.size(&l.ReceivedBytes),
		Made: v.on("transfer.day", l.CreatedAt), StateText: v.T("links.about_" + l.State), Least: s.tomorrow(),
	}
	f.HereOnly = s.hereOnly()
	_, f.Host, _ = strings.Cut(s.publicURL, "://")
	if l.ExpiresAt != nil {
		f.Expires, f.ExpiresDay = l.ExpiresAt.UTC().Format("2006-01-02T15:04:05Z"), l.ExpiresAt.UTC().Format("2006-01-02")
	}
	return f
}

// gigabytes writes a number of bytes as the form takes it, exactly.
func gigabytes(n *int64) string {
	if n == nil {
		return ""
	}
	whole, rest := *n/1e9, *n%1e9
	if rest == 0 {
		return strconv.FormatInt(whole, 10)
	}
	fraction := strconv.FormatInt(1e9+rest, 10)[1:]
	return strconv.FormatInt(whole, 10) + "." + strings.TrimRight(fraction, "0")
}

func digits(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}
