package web

import (
	"net"
	"net/url"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

// welcomeView fills the page on which a studio begins.
type welcomeView struct {
	studioView
	Link        *linkForm // nil where there is none that takes a transfer
	HereOnly    bool
	KeyFile     bool
	MailNotSent bool
}

// welcomePage shows a studio its link and what to do next. It is where the
// address leads that a first start prints.
func (s *Server) welcomePage(c *call) error {
	v := welcomeView{HereOnly: s.hereOnly(), KeyFile: s.options.KeyFile, MailNotSent: s.options.MailToFiles || s.options.NoMail}
	var err error
	if v.studioView, err = s.studioView(c, "links", "plain.js"); err != nil {
		return err
	}
	links, _, err := s.transfers.Links(c.r.Context(), c.access.AccountID, transfer.Page{Limit: linksShown})
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.State == transfer.LinkOpen {
			f := v.linkForm(l, s)
			v.Link = &f
			break
		}
	}
	return s.showStudio(c, "welcome", v)
}

// hereOnly says that the public address leads nowhere from another machine.
func (s *Server) hereOnly() bool {
	u, err := url.Parse(s.publicURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
