package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

func studioPageRoutes() []route {
	page := func(pattern, summary string, handle func(*Server, *call) error) route {
		return route{method: "GET", pattern: pattern, summary: summary, page: true, media: "text/html",
			tokens: []account.SecretKind{account.SecretSession}, handle: handle}
	}
	return []route{
		{method: "GET", pattern: signInPath, summary: "The page to sign in", page: true, media: "text/html", handle: (*Server).signInPage},
		{method: "GET", pattern: "/deleted", summary: "The page that says that an account is deleted", page: true, media: "text/html", handle: (*Server).deletedPage},
		page(studioHome, "The page of all transfers", (*Server).transfersPage),
		page("/transfers/{id}", "The page of a transfer", (*Server).transferPage),
		page("/send", "The page on which a studio sends", (*Server).sendPage),
		page("/links", "The page of all upload links", (*Server).linksPage),
		page("/new-link", "The page to make an upload link", (*Server).newLinkPage),
		page("/links/{id}", "The page of an upload link", (*Server).linkPage),
		page("/events", "The page of all that happened", (*Server).eventsPage),
		page("/settings", "The page of settings", (*Server).settingsPage),
		page("/welcome", "The page on which a studio begins", (*Server).welcomePage),
	}
}

// studioView is what every page of a studio that is signed in needs.
type studioView struct {
	view
	Account account.Account
	Here    string // the entry of the navigation that the page belongs to
}

// studioView reads the account anew for each page: nothing of it is kept.
func (s *Server) studioView(c *call, here, script string) (studioView, error) {
	a, err := s.accounts.ByID(c.r.Context(), c.access.AccountID)
	if err != nil {
		return studioView{}, err
	}
	v := studioView{view: s.view(c.r), Account: a, Here: here}
	v.Studio, v.Script = a.Name, script
	v.Boot = v.studioBoot()
	return v, nil
}

// studioBoot is what the script of a studio's page is given.
func (v studioView) studioBoot() boot {
	b := v.boot("studio.", "fetch.")
	b.Keep = v.keep()
	return b
}

// keep names what a browser keeps of the account's sendings. No slug has a dot.
func (v studioView) keep() string { return "studio." + v.Account.ID }

// Kept keeps no copy of a studio's page, so that who signs out leaves nothing
// behind.
func (v studioView) Kept() string { return "private, no-store" }

// Secret is so for a studio's pages: they show addresses of shares and links
// beside what guests wrote.
func (v studioView) Secret() bool { return true }

func (s *Server) showStudio(c *call, name string, data any) error {
	return s.render(c.w, c.r, http.StatusOK, name, data)
}

// usage is how much of its space an account uses.
type usage struct {
	Used, Quota, Coming string
	Percent             int  // of the quota
	Bounded             bool // there is a quota
}

// Usage counts what is stored and what is promised to transfers on their way.
func (v studioView) Usage() usage {
	all := v.Account.Used + v.Account.Reserved
	u := usage{Used: v.size(&all), Quota: v.size(v.Account.Quota)}
	if v.Account.Reserved > 0 {
		u.Coming = v.size(&v.Account.Reserved)
	}
	if q := v.Account.Quota; q != nil {
		u.Bounded, u.Percent = true, percent(all, *q)
	}
	return u
}

// percent is part of whole, rounded down, so that 100 is all of it.
func percent(part, whole int64) int {
	switch {
	case whole <= 0 || part <= 0:
		return 0
	case part >= whole:
		return 100
	}
	return int(float64(part) / float64(whole) * 100)
}

// when is a sentence with a time in it, which the page's script writes as the
// browser's clock has it.
type when struct {
	Before, After  string
	Human, Machine string
	Precision      string // day | minute
}

// at puts a moment into the text of a key, where it says {when}.
func (v view) at(key string, t time.Time) when {
	t = t.UTC()
	w := v.cut(key)
	w.Human = v.T("date.minute", "day", v.day(t).Human, "time", t.Format("15:04"))
	w.Machine, w.Precision = t.Format(time.RFC3339), "minute"
	return w
}

// on puts a day into it.
func (v view) on(key string, t time.Time) when {
	w := v.cut(key)
	w.Human, w.Machine, w.Precision = v.day(t).Human, t.UTC().Format(time.RFC3339), "day"
	return w
}

func (v view) cut(key string) when {
	before, after, _ := strings.Cut(v.T(key), "{when}")
	return when{Before: before, After: after}
}
