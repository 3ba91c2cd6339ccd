package web

import (
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

func TestStudioBegins(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Greets, o.KeyFile, o.MailToFiles = true, true, true })
	b := e.openTab("en")
	b.open("/")
	b.reads("main", "prints an address that signs you in, on its terminal")
	if page := b.eval(`document.documentElement.outerHTML`); strings.Contains(page, "wedding") || strings.Contains(page, "studio@example.com") {
		t.Error("the front page shows something of an account")
	}
	b.look("home-local")
	address, _, err := e.signIn.Link(t.Context(), e.account.ID)
	e.must(err)
	b.open(strings.Replace(strings.TrimPrefix(address, e.base), "#", "?next=/welcome#", 1))
	b.reads("h1", "Your link is ready")
	b.reads("main", "works on this machine only")
	b.reads("main", "master.keys")
	b.holds(`document.querySelector("img.qr").naturalWidth > 0`)
	b.look("welcome")
	b.click(`.btn[href="/transfers"]`)
	b.see("#none")
	b.open("/signin")
	b.look("signin-already")

	e.patch(transfer.LinkPatch{Closed: given(true)})
	b.open("/welcome")
	b.reads("h1", "Make your first link")
	b.look("welcome-no-link")
	b.click(`.btn[href="/new-link"]`)
	b.see("#edit")
}

func TestOnlyAddressesOfThisMachineAreSaidToBe(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true, "http://127.8.0.1": true,
		"http://192.168.1.20:8080": false, "https://files.example.com": false, "http://localhost.example.com": false,
	} {
		if got := (&Server{publicURL: address}).hereOnly(); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
