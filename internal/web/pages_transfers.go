package web

import (
	"net/url"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

const (
	transfersShown = 50 // on one page of the list
	// idleAfter is when a transfer that is still open counts as standing.
	idleAfter = time.Hour
)

// transferFilters are the choices above the list, with the states behind each.
func transferFilters() []transferFilter {
	return []transferFilter{
		{"all", []string{transfer.Receiving, transfer.Complete, transfer.Aborted, transfer.Expired}},
		{"arriving", []string{transfer.Receiving}},
		{"complete", []string{transfer.Complete}},
		{"stopped", []string{transfer.Aborted, transfer.Expired}},
		{"deleted", []string{transfer.Deleted}},
	}
}

type transferFilter struct {
	name   string
	states []string
}

// transfersView fills the page of all transfers.
type transfersView struct {
	studioView
	Query   string
	Show    string // the filter
	Filters []filterChoice
	Rows    []transferRow
	Older   string // address of the next page; "" at the end
	Later   bool   // the page begins further down
	Coming  int64  // transfers that are arriving
	Any     bool   // there is a transfer at all
}

// Secret is not so for the list, which shows no address of a share or a link.
func (v transfersView) Secret() bool { return false }

type filterChoice struct {
	Label, Address string
	Count          *int64 // nil where it is not known
	Current        bool
}

func (s *Server) transfersPage(c *call) error {
	v := transfersView{}
	var err error
	if v.studioView, err = s.studioView(c, "transfers", "transfers.js"); err != nil {
		return err
	}
	q := c.r.URL.Query()
	v.Query = strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(q.Get("q")), "\x00", ""), "")
	chosen := chosenFilter(q.Get("show"))
	v.Show = chosen.name
	counts, err := s.transfers.CountTransfers(c.r.Context(), c.access.AccountID)
	if err != nil {
		return err
	}
	v.Coming, v.Any = counts[transfer.Receiving], len(counts) > 0
	v.Filters = v.filters(counts)
	cursor := q.Get("after")
	list, next, err := s.transfers.Transfers(c.r.Context(), c.access.AccountID,
		transfer.Search{Text: v.Query, States: chosen.states}, transfer.Page{Cursor: cursor, Limit: transfersShown})
	if err != nil {
		return err
	}
	v.Later = cursor != ""
	v.Rows = each(list, func(t transfer.Transfer) transferRow { return v.transferRow(t, s.now()) })
	if next != "" {
		v.Older = v.address(v.Show, next)
	}
	return s.showStudio(c, "transfers", v)
}

func chosenFilter(name string) transferFilter {
	for _, f := range transferFilters() {
		if f.name == name {
			return f
		}
	}
	return transferFilters()[0]
}

// filters counts only where nothing is searched for: a count of all would say
// something else than the list.
func (v transfersView) filters(counts map[string]int64) []filterChoice {
	var out []filterChoice
	for _, f := range transferFilters() {
		var n int64
		for _, state := range f.states {
			n += counts[state]
		}
		choice := filterChoice{Label: v.T("transfers.show_" + f.name), Address: v.address(f.name, ""), Current: f.name == v.Show}
		if v.Query == "" {
			choice.Count = &n
		}
		if f.name == "deleted" && n == 0 && !choice.Current {
			continue
		}
		out = append(out, choice)
	}
	return out
}

// address is that of the list with a filter, the same search, from a cursor on.
func (v transfersView) address(show, after string) string {
	q := url.Values{}
	if show != transferFilters()[0].name {
		q.Set("show", show)
	}
	if v.Query != "" {
		q.Set("q", v.Query)
	}
	if after != "" {
		q.Set("after", after)
	}
	if len(q) == 0 {
		return studioHome
	}
	return studioHome + "?" + q.Encode()
}

// transferRow is a transfer as lists and its own page show it.
type transferRow struct {
	ID, Title, Sender string
	Size, Files       string
	State, Icon, Tone string
	When              when
	Arriving          bool
	Percent           int
}

func (v view) transferRow(t transfer.Transfer, now time.Time) transferRow {
	row := transferRow{
		ID: t.ID, Title: t.Title, Sender: v.senderOf(t), Size: v.size(&t.BytesDeclared),
		Files: v.T("transfers.files", "count", t.FilesTotal), Arriving: t.State == transfer.Receiving,
		Percent: percent(t.BytesReceived, t.BytesDeclared),
	}
	if row.Title == "" {
		row.Title = v.T("transfers.untitled", "sender", row.Sender)
	}
	if row.Arriving && t.FilesTotal > 0 {
		row.Files = v.T("transfers.files_of", "stored", t.FilesStored, "count", t.FilesTotal)
	}
	v.setState(&row, t, now)
	return row
}

// setState says what became of the transfer, and when.
func (v view) setState(row *transferRow, t transfer.Transfer, now time.Time) {
	idle := now.Sub(t.LastPartAt) > idleAfter
	switch {
	case t.State == transfer.Receiving && !t.ExpiresAt.After(now):
		row.Icon, row.Tone, row.When = "warn", "slow", v.at("transfers.when_expired", t.ExpiresAt)
		row.State = v.T("transfers.expired")
	case t.State == transfer.Receiving && t.FilesTotal == 0:
		row.Icon, row.Tone, row.When = "clock", "soft", v.at("transfers.when_begun", t.CreatedAt)
		row.State = v.T("transfers.begun")
	case t.State == transfer.Receiving && idle:
		row.Icon, row.Tone, row.When = "pause", "slow", v.at("transfers.when_idle", t.LastPartAt)
		row.State = v.T("transfers.idle", "percent", row.Percent)
	case t.State == transfer.Receiving:
		row.Icon, row.Tone, row.When = "send", "", v.at("transfers.when_begun", t.CreatedAt)
		row.State = v.T("transfers.arriving", "percent", row.Percent)
	case t.State == transfer.Complete:
		row.Icon, row.Tone, row.When = "done", "good", v.on("transfers.when_kept", t.ExpiresAt)
		row.State = v.T("transfers.complete")
	case t.State == transfer.Deleted && t.RestoreUntil != nil && t.RestoreUntil.After(now):
		row.Icon, row.Tone, row.When = "trash", "soft", v.at("transfers.when_restore", *t.RestoreUntil)
		row.State = v.T("transfers.deleted")
	case t.State == transfer.Expired:
		row.Icon, row.Tone, row.When = "warn", "slow", v.at("transfers.when_expired", t.ExpiresAt)
		row.State = v.T("transfers.expired")
	default:
		row.Icon, row.Tone, row.When = "close", "soft", v.at("transfers.when_begun", t.CreatedAt)
		row.State = v.T("transfers." + t.State)
	}
}

// senderOf names who fills a transfer.
func (v view) senderOf(t transfer.Transfer) string {
	switch {
	case t.SenderName != "":
		return t.SenderName
	case t.SenderEmail != "":
		return t.SenderEmail
	}
	return v.T("transfers.you")
}
