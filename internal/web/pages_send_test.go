package web

import (
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

// TestStudioSendsItself walks the page on which a studio sends, up to the page of the
// transfer, where it makes shares.
func TestStudioSendsItself(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"film.mov": pattern(30 << 20), "still.jpg": pattern(5000)}
	paths := fill(t, t.TempDir(), []string{"film.mov", "still.jpg"}, func(name string) []byte { return want[name] })
	b := e.openTab("en")
	b.excuse("503")
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.click(`.btn[href="/send"]`)
	b.reads("h1", "Send files")
	b.see("#drop")
	b.look("send")
	b.choose(paths...)
	b.write("#own-title", "Anna & Jonas, finished pictures")
	b.write("#message", "For the album, not for print")
	b.look("send-ready")
	release := e.hold(1)
	b.click("#send")
	b.see("#sending-title")
	b.reads("#sending-title", "Sending your files")
	b.holds(`parseFloat(document.getElementById("fact-sent").textContent) > 0`)
	b.look("send-sending")

	// It goes on after a reload, with the same transfer.
	b.open("/send")
	b.see("#recall-new")
	b.look("send-recall")
	b.choose(paths...)
	release()
	b.click("#send")
	b.see("#done")
	b.reads("#done-text", "2 files")
	b.click("#share-qr > summary")
	b.holds(`document.querySelector("#share-qr img").naturalWidth > 0`)
	b.look("send-done")
	wantSame(t, e.arrived(), want)
	link, code := b.eval(`document.getElementById("share-link").href`), b.text("#share-code")
	s := sent{token: strings.TrimPrefix(link, e.base+"/d/")}
	s.done.Share.Code = code
	view := ask[api.ShareView](e, 200, "GET", "/api/v1/d/"+s.token, e.unlockShare(s).AccessToken, nil)
	if view.Title != "Anna & Jonas, finished pictures" || view.TotalFiles != 2 {
		t.Errorf("the share shows %+v", view)
	}

	b.click("#done-transfer")
	b.reads("h1", "Anna & Jonas, finished pictures")
	b.reads("main", "For the album, not for print")
	b.click("#share-make")
	b.see("#made")
	b.click("#made-done")
	b.click("#share-list details > summary")
	b.holds(`document.querySelector("#share-list img.qr").naturalWidth > 0`)
	b.look("transfer-own")
}

func TestStudioThatIsSignedOutKeepsWhatItChose(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.excuse("401")
	id := b.signedIn(e.account.ID)
	b.open("/send")
	b.choose(alone(t, "a.jpg", pattern(10)))
	b.see("#own-title")
	e.must(e.accounts.RevokeSession(t.Context(), e.account.ID, id, account.Origin{}))
	b.click("#send")
	b.reads("#form-wrong", "Sign in in another tab")
	b.look("send-signed-out")
	b.signedIn(e.account.ID)
	b.click("#send")
	b.see("#done")
}

// TestSigningOutForgetsSendings: what the browser keeps would open them to whoever
// comes next.
func TestSigningOutForgetsSendings(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	release := e.hold(0)
	b := e.openTab("en")
	b.excuse("503")
	b.excuse("401")
	b.signedIn(e.account.ID)
	b.open("/send")
	b.choose(alone(t, "a.jpg", pattern(10)))
	b.click("#send")
	b.see("#sending-title")
	b.click("[data-sign-out]")
	b.reads("#question", "Sign out while files are being sent?")
	b.look("send-leave")
	b.click("#question .stop")
	b.see("#out")
	release()
	b.signedIn(e.account.ID)
	b.open("/send")
	b.see("#drop-hint")
	b.holds(`document.getElementById("recall-new").checkVisibility() === false`)

	b.choose(alone(t, "b.jpg", pattern(10)))
	b.click("#send")
	b.see("#done")
	b.open("/settings")
	b.click(".bar [data-sign-out]")
	b.see("#out")
	b.signedIn(e.account.ID)
	b.open("/send")
	b.see("#drop")
	b.holds(`document.getElementById("earlier").hidden`)
}
