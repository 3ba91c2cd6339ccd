package web

import (
	"github.com/lenzeye/lenzeye/internal/account"
)

const activityShown = 50 // on one page

// eventsView fills the page of all that happened in an account.
type eventsView struct {
	studioView
	Rows  []activityRow
	Older string // address of the next page; "" at the end
	Later bool   // the page begins further down
}

// activityRow is a thing that happened, and to what.
type activityRow struct {
	eventRow
	About string // name of what it happened to; "" where nothing is left to say
	Href  string // its page; "" for none
	Who   string
}

func (s *Server) eventsPage(c *call) error {
	v := eventsView{}
	var err error
	if v.studioView, err = s.studioView(c, "settings", "plain.js"); err != nil {
		return err
	}
	cursor := c.r.URL.Query().Get("after")
	list, next, err := s.accounts.Events(c.r.Context(), c.access.AccountID, account.Page{Cursor: cursor, Limit: activityShown})
	if err != nil {
		return err
	}
	titles := s.titles(c, v.view, list)
	v.Later = cursor != ""
	v.Rows = each(list, func(e account.Event) activityRow { return v.activityRow(e, titles) })
	if next != "" {
		v.Older = "/events?after=" + next
	}
	return s.showStudio(c, "events", v)
}

// titles are the names of the transfers that events tell of, as far as they are
// still there.
func (s *Server) titles(c *call, v view, list []account.Event) map[string]string {
	titles := map[string]string{}
	for _, e := range list {
		if _, known := titles[e.TransferID]; known || e.TransferID == "" {
			continue
		}
		titles[e.TransferID] = ""
		if t, err := s.transfers.Transfer(c.r.Context(), c.access, e.TransferID); err == nil {
			titles[e.TransferID] = v.transferRow(t, s.now()).Title
		}
	}
	return titles
}

func (v eventsView) activityRow(e account.Event, titles map[string]string) activityRow {
	row := activityRow{eventRow: eventRow{ID: e.ID, Text: v.T("event." + string(e.Kind)), When: v.at("transfer.day", e.At), IP: e.IP}}
	switch e.Actor {
	case account.ActorGuest:
		row.Who = v.T("events.guest")
	case account.ActorStudio:
		row.Who = v.T("events.studio")
	}
	detail := func(name string) string {
		text, _ := e.Detail[name].(string)
		return text
	}
	switch {
	case e.TransferID != "":
		if row.About = titles[e.TransferID]; row.About != "" {
			row.Href = studioHome + "/" + e.TransferID
		}
	case detail("slug") != "":
		row.About, row.Href = "/u/"+detail("slug"), "/links/"+detail("link_id")
	case e.Kind == account.EventQuotaChanged:
		if quota, ok := e.Detail["quota_bytes"].(float64); ok {
			n := int64(quota)
			row.About = v.size(&n)
		} else {
			row.About = v.T("events.no_quota")
		}
	case e.Kind == account.EventSignedIn:
		row.About = v.device(detail("user_agent"))
	case detail("recipient") != "":
		row.About = detail("recipient")
	default:
		row.About = detail("name")
	}
	return row
}
