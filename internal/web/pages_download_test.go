package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	intercept "github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// unlock gives the code of a share and waits for its files.
func (b *tab) unlock(s sent) {
	b.t.Helper()
	b.open("/d/" + s.token)
	b.write("#code", s.done.Share.Code)
	b.click("#open")
	b.see("#all")
}

// paste puts a text where the focus is, as a clipboard does.
func (b *tab) paste(selector, text string) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`(() => {
		const field = document.querySelector(%q);
		const data = new DataTransfer();
		data.setData("text/plain", %q);
		const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
		if (field.dispatchEvent(event)) { field.value = %[2]q; field.dispatchEvent(new InputEvent("input", {bubbles: true})); }
	})()`, selector, text))
}

func TestCodeIsTakenFromWhatIsPasted(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.open("/d/" + s.token)
	b.see("#form")
	bare := strings.ReplaceAll(s.done.Share.Code, "-", "")
	for _, message := range []string{
		"Code: " + s.done.Share.Code,
		"Hello Anna,\nthe files are at " + s.done.Share.URL + "\nYour code\n" + strings.ToLower(s.done.Share.Code) + "\nSee you soon",
		" " + bare[:4] + "\n" + bare[4:] + " ",
	} {
		b.eval(`document.querySelector("#code").value = ""`)
		b.paste("#code", message)
		if got := b.eval(`document.querySelector("#code").value`); got != bare {
			t.Errorf("%q leaves %q in the field, want %s", message, got, bare)
		}
	}
	b.look("download-pasted")
	b.click("#open")
	b.see("#all")
	if shown := b.eval(`document.querySelector("#shell").textContent`); !strings.Contains(shown, "--code "+s.done.Share.Code) {
		t.Errorf("the lines for a terminal do not have the code: %s", shown)
	}
}

func TestAllIsOneZIPOfTheSizeThatIsShown(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"Card/a.jpg": pattern(1 << 20), "Card/b.jpg": pattern(5), "c.txt": nil})
	want := e.do("GET", "/api/v1/d/"+s.token+"/archive.zip", e.unlockShare(s).AccessToken, nil).body
	b := e.openTab("en")
	b.unlock(s)
	b.reads("#all-size", "exactly "+grouped(len(want))+" bytes")
	b.click("#all")
	if got := b.download("the ZIP"); !bytes.Equal(got, want) {
		t.Errorf("%d bytes came, want the ZIP of %d", len(got), len(want))
	}
}

func TestTheOnlyFileIsNoZIP(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("film.mov", pattern(12345))
	b := e.openTab("en")
	b.unlock(s)
	b.reads("#all", "Download the file")
	b.reads("#all-size", "12.3 kB: exactly 12,345 bytes")
	b.look("download-one")
	b.click("#all")
	if got := b.download("the file"); !bytes.Equal(got, pattern(12345)) {
		t.Errorf("%d bytes came", len(got))
	}
}

// grouped writes a number as English pages do.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// download waits for one to end, and reads it.
func (b *tab) download(what string) []byte {
	b.t.Helper()
	select {
	case path := <-b.fetched:
		got, err := os.ReadFile(path)
		b.must(err)
		return got
	case <-time.After(patience):
		b.t.Fatalf("%s was not fetched", what)
		return nil
	}
}

// TestRefusedDownloadsSaySo walks what can become of a share while its page is open.
func TestRefusedDownloadsSaySo(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"a.jpg": pattern(10), "b.jpg": pattern(20)})
	access := e.unlockShare(s).AccessToken
	b := e.openTab("en")
	for _, status := range []string{"401", "410", "500"} {
		b.excuse(status)
	}
	b.unlock(s)
	b.reads("#all-size", "exactly")
	e.damage(10, seal.SealedSize(10, 10)-1)
	b.click(`a[aria-label="Download a.jpg"]`)
	b.reads("#notices", "Not fetched: a.jpg.")
	b.reads("#notices", "The stored file is damaged.")
	b.look("download-refused")
	b.click(`a[aria-label="Download b.jpg"]`)
	if got := b.download("b.jpg"); !bytes.Equal(got, pattern(20)) {
		t.Errorf("%d bytes of b.jpg came", len(got))
	}
	// Who goes to the address itself gets a page, and a program a problem.
	archive := "/api/v1/d/" + s.token + "/archive.zip"
	b.forget()
	b.open(archive)
	b.reads("main", "The code is needed first")
	b.look("problem-download")
	b.do(chromedp.Click(chromedp.CSS("main a.btn")))
	b.see("#form")
	b.unlock(s)

	e.revoke(s)
	b.click(`a[aria-label="Download b.jpg"]`)
	b.reads("#ended-title", "This link was taken back")
	b.look("download-ended")

	b.open(archive)
	b.reads("main", "This link was taken back")
	p := e.do("GET", archive, access, nil, "Accept", "*/*").problem(t)
	if p.Code != api.ShareRevoked {
		t.Errorf("a program is told %s", p.Code)
	}
}

// TestAProxyDoesNotEndAShare lets something on the way answer in the server's place:
// the page keeps what it has, and says who answers.
func TestAProxyDoesNotEndAShare(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"a.jpg": pattern(10), "b.jpg": pattern(20)})
	b := e.openTab("en")
	b.unlock(s)
	for _, status := range []int64{http.StatusUnauthorized, http.StatusNotFound, http.StatusGone} {
		b.excuse(fmt.Sprint(status))
		stop := b.answerInstead("*/files/*", status, "<h1>Squid</h1>")
		b.click(`a[aria-label="Download a.jpg"]`)
		b.reads("#notices", "Something between you and the server answers in its place.")
		b.see("#all")
		stop()
		b.click("#notices .btn")
		b.focused("title")
		b.download("a.jpg")
	}
	// A file that is gone is no end of the others.
	b.eval(`document.querySelector('a[aria-label="Download b.jpg"]').href = "/api/v1/d/` + s.token + `/files/0192e4a0-0000-7000-8000-000000000000"`)
	b.click(`a[aria-label="Download b.jpg"]`)
	b.reads("#notices", "Not fetched: b.jpg.")
	b.see("#all")
}

// answerInstead answers requests in the server's place until it is stopped.
func (b *tab) answerInstead(pattern string, status int64, body string) (stop func()) {
	b.t.Helper()
	listen, cancel := context.WithCancel(b.ctx)
	b.must(chromedp.Listen(listen, func(event any) {
		e, ok := event.(*intercept.EventRequestPaused)
		if !ok {
			return
		}
		go func() {
			_, _ = chromedp.Call(b.ctx, intercept.FulfillRequest, intercept.FulfillRequestParams{
				RequestID: e.RequestID, ResponseCode: status, Body: []byte(body),
				ResponseHeaders: []*intercept.HeaderEntry{{Name: "Content-Type", Value: "text/html"}},
			})
		}()
	}))
	_, err := chromedp.Call(b.ctx, intercept.Enable, intercept.EnableParams{Patterns: []*intercept.RequestPattern{{URLPattern: pattern}}})
	b.must(err)
	return func() {
		b.t.Helper()
		cancel()
		_, err := chromedp.Call(b.ctx, intercept.Disable, cdp.Empty{})
		b.must(err)
	}
}

func TestShareEndsInTheMiddleOfTheList(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		name, title string
		do          func(e *env, s sent, b *tab)
	}{
		{"revoked", "This link was taken back", func(e *env, s sent, _ *tab) { e.revoke(s) }},
		{"expired", "These files are no longer here", func(e *env, _ sent, _ *tab) { e.clock.advance(31 * 24 * time.Hour) }},
		{"forgotten", "Type the code", func(_ *env, _ sent, b *tab) { b.forget() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil)
			files := map[string][]byte{}
			for i := range 1001 {
				files[fmt.Sprintf("%04d.txt", i)] = nil
			}
			s := e.sendFolder(files)
			b := e.openTab("en")
			b.excuse("401")
			b.excuse("410")
			gate := b.stopAt("*cursor=*")
			b.unlock(s)
			gate.reached()
			end.do(e, s, b)
			gate.open()
			b.holds(fmt.Sprintf(`document.querySelector("main").innerText.includes(%q)`, end.title))
			if end.name == "forgotten" {
				b.reads("#code-wrong", "Give the code again")
			}
			b.look("download-list-" + end.name)
		})
	}
}

func TestUsedUpAndExpiredShares(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.excuse("410")
	one := api.Int(1)
	made := ask[api.Share](e, http.StatusCreated, "POST", "/api/v1/transfers/"+s.ID+"/shares", e.studio, api.NewShare{MaxDownloads: &one})
	once := sent{token: strings.TrimPrefix(*made.URL, e.base+"/d/")}
	once.done.Share.Code = made.Code
	b.unlock(once)
	b.do(chromedp.Reload())
	b.reads("#title", "Wedding") // who gave the code in time goes on

	c := b.another()
	c.excuse("410")
	c.open("/d/" + once.token)
	c.reads("main", "This link has been used up")
	c.look("problem-used-up")
	e.clock.advance(31 * 24 * time.Hour)
	b.open("/d/" + s.token)
	b.reads("main", "These files are no longer here")
	b.look("problem-expired")
}

// TestLoadingHasTheShapeOfThePage looks at what a browser that knows the code shows
// until the list is there.
func TestLoadingHasTheShapeOfThePage(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.unlock(s)
	gate := b.stopAt("*/api/v1/d/*")
	go func() { _ = chromedp.Do(b.ctx, chromedp.Reload()) }()
	gate.reached()
	b.see(`#loading [aria-busy="true"]`)
	if b.eval(`document.querySelector("#locked").checkVisibility()`) == "true" {
		t.Error("the code is asked for again")
	}
	b.look("download-loading")
	gate.open()
	b.see("#all")
}

// revoke takes a transfer's first share back.
func (e *env) revoke(s sent) {
	e.t.Helper()
	shares := ask[api.Shares](e, 200, "GET", "/api/v1/transfers/"+s.ID+"/shares", e.studio, nil).Shares
	if a := e.do("DELETE", "/api/v1/shares/"+shares[0].ID, e.studio, nil); a.StatusCode != http.StatusNoContent {
		e.t.Fatalf("revoke: %d %s", a.StatusCode, a.body)
	}
}

// forget takes the browser's cookies away.
func (b *tab) forget() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{})
	b.must(err)
}

// gate holds requests back.
type gate struct {
	b    *tab
	held chan intercept.RequestID
}

// stopAt holds the requests whose address fits, until the gate opens.
func (b *tab) stopAt(pattern string) *gate {
	b.t.Helper()
	g := &gate{b: b, held: make(chan intercept.RequestID, 100)}
	b.must(chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*intercept.EventRequestPaused); ok {
			g.held <- e.RequestID
		}
	}))
	params := intercept.EnableParams{Patterns: []*intercept.RequestPattern{{URLPattern: pattern}}}
	_, err := chromedp.Call(b.ctx, intercept.Enable, params)
	b.must(err)
	return g
}

// reached waits until a request stands at the gate.
func (g *gate) reached() {
	g.b.t.Helper()
	select {
	case id := <-g.held:
		g.held <- id
	case <-time.After(patience):
		g.b.t.Fatal("no request came to the gate")
	}
}

// open lets go what was held, and what comes later.
func (g *gate) open() {
	g.b.t.Helper()
	_, err := chromedp.Call(g.b.ctx, intercept.Disable, cdp.Empty{})
	g.b.must(err)
}
