package web

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// newestLink is the newest link of the studio.
func (e *env) newestLink() api.Link {
	e.t.Helper()
	return ask[api.Links](e, 200, "GET", "/api/v1/links", e.studio, nil).Links[0]
}

func TestStudioMakesAndChangesALink(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	if a := e.do("DELETE", "/api/v1/links/"+e.link.ID, e.studio, nil); a.StatusCode != 204 {
		t.Fatalf("delete: %d", a.StatusCode)
	}
	b := e.openTab("en")
	for _, status := range []string{"409", "422"} {
		b.excuse(status)
	}
	b.signedIn(e.account.ID)
	b.open("/links")
	b.reads("main", "No links yet")
	b.look("links-none")
	b.click(`main a[href="/new-link"]`)
	b.reads("h1", "New link")
	b.look("link-new")
	b.write("#title", "Anna & Jonas, wedding, 14 June")
	b.write("#message", "Please send every card just as it is.")
	b.write("#password", "open sesame")
	b.click("details.more > summary")
	b.write("#max_bytes", "many")
	b.click("#save")
	b.reads("#edit-wrong", "no number from 1 on: Room in all, GB")
	b.write("#max_bytes", "0,5")
	b.write("#max_transfers", "12")
	b.write("#slug", "Wedding!")
	b.click("#save")
	b.reads("#edit-wrong", "3 to 64 small letters")
	b.look("link-slug-wrong")
	b.write("#slug", "wedding") // that of a deleted one stays taken
	b.click("#save")
	b.reads("#edit-wrong", "This address is taken")
	b.write("#slug", "anna-jonas")
	b.click("#save")
	b.reads("#saved", "The link is ready")
	b.look("link-made")
	l := e.newestLink()
	got := []any{l.Title, l.Message, l.Slug, l.HasPassword, *l.MaxBytes, *l.MaxTransfers, l.ExpiresAt == nil, l.RetentionDays == nil}
	if diff := cmp.Diff([]any{"Anna & Jonas, wedding, 14 June", "Please send every card just as it is.", "anna-jonas", true, int64(500_000_000), int64(12), true, true}, got); diff != "" {
		t.Error(diff)
	}
	b.holds(`document.querySelector("img.qr").naturalWidth > 0`)

	until := e.clock.time().AddDate(0, 1, 0).Format(time.DateOnly)
	b.eval(`document.getElementById("expires_at").value = "` + until + `"`)
	b.write("#title", "Anna and Jonas")
	b.click("#no-password")
	b.click("details.more > summary")
	b.write("#max_bytes", "1.25")
	b.write("#max_transfers", " ")
	b.write("#retention_days", "90")
	b.click("#save")
	b.reads("#saved", "Saved.")
	b.reads("h1", "Anna and Jonas")
	if day := b.eval(`document.getElementById("expires_at").value`); day != until {
		t.Errorf("the form shows %s, want %s", day, until)
	}
	l = e.newestLink()
	got = []any{l.Title, l.Message, l.HasPassword, *l.MaxBytes, l.MaxTransfers == nil, *l.RetentionDays, l.ExpiresAt.Format(time.DateOnly)}
	if diff := cmp.Diff([]any{"Anna and Jonas", "Please send every card just as it is.", false, int64(1_250_000_000), true, int64(90), until}, got); diff != "" {
		t.Error(diff)
	}

	b.click("#close")
	b.reads("#saved", "The link is closed.")
	b.reads("#about", "Closed")
	b.look("link-closed")
	e.wantProblem(api.LinkClosed, "GET", "/api/v1/u/anna-jonas", "", nil)
	b.click("#close")
	b.reads("#saved", "open again")
	b.click("#delete")
	b.reads("#confirm", "Delete this link?")
	b.look("link-delete")
	b.click("#confirm .btn:not(.stop)")
	b.click("#delete")
	b.click("#confirm-yes")
	b.reads("main", "No links yet")
	e.wantProblem(api.LinkNotFound, "GET", "/api/v1/u/anna-jonas", "", nil)
}

func TestStudioSeesAndPrintsItsLinks(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	soon, one := e.clock.time().AddDate(0, 0, 1), int64(1)
	make := func(title, slug string, f transfer.LinkFields) transfer.Link {
		f.Title, f.Slug = title, slug
		l, err := e.Server.transfers.CreateLink(t.Context(), e.account.ID, f, transfer.Client{})
		e.must(err)
		return l
	}
	make("Lookbook autumn", "lookbook-autumn", transfer.LinkFields{Password: "x"})
	make("Used up", "used-up", transfer.LinkFields{MaxTransfers: &one})
	f := ask[api.Started](e, 201, "POST", "/api/v1/u/used-up/transfers", "", api.Start{SenderEmail: "a@example.com"})
	e.declareFile(f, "a.jpg", 4)
	make("Over", "over", transfer.LinkFields{ExpiresAt: &soon})
	make("", "", transfer.LinkFields{})
	harbour := make("Harbour festival", "harbour", transfer.LinkFields{})
	_, err := e.Server.transfers.UpdateLink(t.Context(), e.account.ID, harbour.ID, transfer.LinkPatch{Closed: given(true)}, transfer.Client{})
	e.must(err)
	e.clock.advance(48 * time.Hour)
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/links")
	list := b.text("#list")
	for _, want := range []string{"Closed", "Without a title", "Expired", "Used up", "Open, with password", "/u/wedding", "1 transfer"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in %s", want, list)
		}
	}
	b.look("links")
	b.click(`#list a[href="/links/` + e.link.ID + `"]`)
	b.reads("h1", "Wedding")
	b.look("link")
	b.holds(`[...document.querySelectorAll('img[src$=".svg"]')].every((i) => i.complete && i.naturalWidth > 0)`)
	_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	e.must(err)
	b.see(".poster")
	if b.eval(`document.querySelector(".bar").checkVisibility() || document.querySelector("#edit").checkVisibility()`) != "false" {
		t.Error("the print shows more than the poster")
	}
	b.shot("link-print")
}

func TestLinkFormsShowSizesExactly(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{1: "0.000000001", 500_000_000: "0.5", 1_000_000_000: "1", 1_250_000_001: "1.250000001", 1<<53 - 1: "9007199.254740991"} {
		if got := gigabytes(&n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	if gigabytes(nil) != "" || digits(nil) != "" {
		t.Error("none is not empty")
	}
}
