package web

import "strings"

// sendView fills the page on which a studio sends.
type sendView struct {
	studioView
	sending
}

// ownWords begin the keys of texts that differ where a studio sends itself.
const ownWords = "own."

// T prefers the words for a studio.
func (v sendView) T(key string, args ...any) string {
	if v.language.Has(ownWords + key) {
		key = ownWords + key
	}
	return v.view.T(key, args...)
}

// Secret is not so for this page: nothing that a guest wrote is on it.
func (v sendView) Secret() bool { return false }

// sendPage is where the studio sends, with the modules of the page for guests.
func (s *Server) sendPage(c *call) error {
	v := sendView{sending: sending{Own: true}}
	var err error
	if v.studioView, err = s.studioView(c, "transfers", "send.js"); err != nil {
		return err
	}
	left, err := s.transfers.RoomOf(c.r.Context(), v.Account)
	if err != nil {
		return err
	}
	v.Room = v.size(left)
	b := v.boot("send.")
	for key, text := range v.language.Messages(ownWords+"send.", ownWords+"error.") {
		b.Texts[strings.TrimPrefix(key, ownWords)] = text
	}
	b.Left, b.Keep = left, v.keep()
	v.Boot = b
	return s.showStudio(c, "send", v)
}
