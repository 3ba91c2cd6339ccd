package web

import (
	"net/http"
	"strings"

	"github.com/lenzeye/lenzeye/internal/account"
)

// settingsShown is how many sessions and tokens the page lists.
const settingsShown = 100

// settingsView fills the page of settings.
type settingsView struct {
	studioView
	Sessions []sessionRow
	Tokens   []tokenRow
	Least    string
}

// sessionRow is where a studio is signed in.
type sessionRow struct {
	ID, Device, IP string
	Seen           when
	Current        bool
}

// tokenRow is an API token.
type tokenRow struct {
	ID, Name string
	Made     when
	Used     *when
	Until    *when
}

func (s *Server) settingsPage(c *call) error {
	v := settingsView{Least: s.tomorrow()}
	var err error
	if v.studioView, err = s.studioView(c, "settings", "settings.js"); err != nil {
		return err
	}
	sessions, _, err := s.accounts.Sessions(c.r.Context(), c.access.AccountID, account.Page{Limit: settingsShown})
	if err != nil {
		return err
	}
	v.Sessions = each(sessions, func(n account.Session) sessionRow {
		return sessionRow{
			ID: n.ID, Device: v.device(n.Device.UserAgent), IP: n.Device.IP, Seen: v.at("settings.seen", n.LastSeenAt),
			Current: n.ID == c.tokenID,
		}
	})
	tokens, _, err := s.accounts.Tokens(c.r.Context(), c.access.AccountID, account.Page{Limit: settingsShown})
	if err != nil {
		return err
	}
	v.Tokens = each(tokens, func(n account.Token) tokenRow {
		row := tokenRow{ID: n.ID, Name: n.Name, Made: v.on("settings.made", n.CreatedAt)}
		if n.LastUsedAt != nil {
			used := v.at("settings.used", *n.LastUsedAt)
			row.Used = &used
		}
		if n.ExpiresAt != nil {
			until := v.on("settings.until", *n.ExpiresAt)
			row.Until = &until
		}
		return row
	})
	return s.showStudio(c, "settings", v)
}

// deletedPage is where a studio ends that deleted its account.
func (s *Server) deletedPage(c *call) error {
	v := problemView{view: s.view(c.r)}
	v.Problem = problemNotice{Title: v.T("settings.deleted"), Text: v.T("settings.deleted_text"), Icon: "done"}
	return s.render(c.w, c.r, http.StatusOK, "error", v)
}

// device names a browser and its system, as far as what it says of itself tells.
func (v view) device(agent string) string {
	browser := firstIn(agent, [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	})
	system := firstIn(agent, [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"},
	})
	switch {
	case browser != "" && system != "":
		return v.T("settings.browser_on", "browser", browser, "system", system)
	case agent != "":
		return agent
	}
	return v.T("settings.unknown_device")
}

// firstIn is the name of the first mark that the text has.
func firstIn(text string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(text, m[0]) {
			return m[1]
		}
	}
	return ""
}
