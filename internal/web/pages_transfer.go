package web

import (
	"strings"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

const (
	filesShown  = 100 // in the page itself; its script loads all
	sharesShown = 100
	eventsShown = 30
)

// transferView fills the page of one transfer.
type transferView struct {
	studioView
	Row       transferRow
	From      string // name and address of the sender
	Message   []string
	Completed *when
	Until     when
	UndoUntil when
	State     string
	Complete  bool // it can be fetched and shared
	Going     bool // it has not ended
	Own       bool // the studio sent it
	Undo      bool // its delete can be undone
	Received  string
	Files     []fileRow
	MoreFiles string // address of the next files; "" at the end
	Shares    []shareView
	Events    []eventRow
	Least     string // the first day on which it may end, for the field
	HereOnly  bool   // nobody reaches its shares from another machine
}

// eventRow is a thing that happened, as the studio reads it.
type eventRow struct {
	ID, Text, IP string
	When         when
}

// fileRow is a file as the page shows it without script.
type fileRow struct {
	ID, Path, Size, State string
	Ready                 bool
}

// shareView is a share as its studio sees it.
type shareView struct {
	ID, URL, Title, State, Tone, Icon string
	QR                                string // address of its QR code, without the kind; "" for one that opens nothing
	Fetched                           string
	Until                             when
	Active, Guest                     bool
}

func (s *Server) transferPage(c *call) error {
	ctx := c.r.Context()
	t, err := s.transfers.Transfer(ctx, c.access, c.id())
	if err != nil {
		return err
	}
	v := transferView{State: t.State}
	if v.studioView, err = s.studioView(c, "transfers", "transfer.js"); err != nil {
		return err
	}
	v.fill(t, s)
	files, next, err := s.transfers.Files(ctx, c.access, t.ID, transfer.Page{Cursor: c.r.URL.Query().Get("after"), Limit: filesShown})
	if err != nil {
		return err
	}
	v.Files = each(files, func(f transfer.File) fileRow { return v.fileRow(f, t.State) })
	if next != "" {
		v.MoreFiles = studioHome + "/" + t.ID + "?after=" + next
	}
	shares, _, err := s.transfers.Shares(ctx, c.access.AccountID, t.ID, transfer.Page{Limit: sharesShown})
	if err != nil {
		return err
	}
	v.Shares = each(shares, func(sh transfer.Share) shareView { return v.shareView(sh, s) })
	if v.Events, err = s.eventRows(c, v.view, t.ID); err != nil {
		return err
	}
	b := v.studioBoot()
	b.Transfer = &bootTransfer{ID: t.ID, State: t.State, Files: t.FilesTotal, Bytes: t.BytesReceived, Whole: t.BytesDeclared}
	v.Boot = b
	return s.showStudio(c, "transfer", v)
}

// eventRows are what happened to a transfer and its shares of late.
func (s *Server) eventRows(c *call, v view, transferID string) (rows []eventRow, err error) {
	list, err := s.accounts.EventsOf(c.r.Context(), c.access.AccountID, transferID, eventsShown)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		row := eventRow{ID: e.ID, Text: v.T("event." + string(e.Kind)), When: v.at("transfer.day", e.At)}
		if e.Actor == account.ActorGuest {
			row.IP = e.IP
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// bootTransfer is where a transfer was when its page was made.
type bootTransfer struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
	Whole int64  `json:"whole"`
}

func (v *transferView) fill(t transfer.Transfer, s *Server) {
	now := s.now()
	v.Row = v.transferRow(t, now)
	v.From = v.Row.Sender
	if t.SenderName != "" && t.SenderEmail != "" {
		v.From = t.SenderName + ", " + t.SenderEmail
	}
	v.Message = paragraphs(t.Message)
	v.Complete = t.State == transfer.Complete && t.ExpiresAt.After(now)
	v.Own = t.LinkID == ""
	v.Going = v.Complete || t.State == transfer.Receiving && t.ExpiresAt.After(now)
	v.Undo = t.State == transfer.Deleted && t.RestoreUntil != nil && t.RestoreUntil.After(now)
	if v.Undo {
		v.UndoUntil = v.at("transfer.undo", *t.RestoreUntil)
	}
	v.Until = v.on("transfer.day", t.ExpiresAt)
	v.Received = v.size(&t.BytesReceived)
	v.Least = s.tomorrow()
	v.HereOnly = s.hereOnly()
	if t.CompletedAt != nil {
		at := v.at("transfer.completed", *t.CompletedAt)
		v.Completed = &at
	}
}

// fileRow shows a file of a transfer in a state: of one that has ended nothing
// can be fetched.
func (v view) fileRow(f transfer.File, state string) fileRow {
	stored := f.State == transfer.Stored
	row := fileRow{ID: f.ID, Path: f.Path, Size: v.size(&f.Size), Ready: stored && (state == transfer.Receiving || state == transfer.Complete)}
	switch {
	case f.State == transfer.Damaged:
		row.State = v.T("transfer.file_damaged")
	case !stored:
		row.State = v.T("transfer.file_coming")
	case state == transfer.Receiving:
		row.State = v.T("transfer.file_there")
	}
	return row
}

func (v transferView) shareView(sh transfer.Share, s *Server) shareView {
	out := shareView{
		ID: sh.ID, Active: sh.State == transfer.ShareActive, Guest: sh.Token == "", State: v.T("transfer.share_" + sh.State),
		Title: strings.Join(sh.Recipients, ", "), Until: v.on("transfer.day", sh.ExpiresAt), Tone: "soft", Icon: "close",
	}
	if out.Active {
		out.Tone, out.Icon = "good", "done"
	}
	if sh.Token != "" {
		out.URL = s.shareURL(sh.Token)
		if out.Active {
			out.QR = "/api/v1/d/" + sh.Token + "/qr"
		}
	}
	switch {
	case out.Title != "":
	case out.Guest && v.Own:
		out.Title = v.T("transfer.share_own")
	case out.Guest:
		out.Title = v.T("transfer.share_guest")
	default:
		out.Title = v.T("transfer.share_plain")
	}
	out.Fetched = v.T("transfer.fetched", "count", sh.Downloads)
	if sh.MaxDownloads != nil {
		out.Fetched = v.T("transfer.fetched_of", "n", sh.Downloads, "count", *sh.MaxDownloads)
	}
	return out
}
