package web

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
)

// sibling opens a second tab that shares cookies and memory with this one.
func (b *tab) sibling() *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	c := &tab{t: b.t, ctx: ctx, e: b.e, fetched: b.fetched}
	b.must(chromedp.Do(c.ctx))
	b.must(chromedp.Listen(c.ctx, c.watch))
	b.t.Cleanup(c.wantNoFaults)
	return c
}

// shut closes the tab as a person does.
func (b *tab) shut() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.Close, cdp.Empty{})
	if err != nil && !strings.Contains(err.Error(), "closed") && !strings.Contains(err.Error(), "canceled") {
		b.must(err)
	}
}

// mainThread is how long the page's main thread has worked.
func (b *tab) mainThread() time.Duration {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	b.must(err)
	metrics, err := chromedp.Call(b.ctx, performance.GetMetrics, cdp.Empty{})
	b.must(err)
	for _, m := range metrics.Metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second))
		}
	}
	b.t.Fatal("the browser does not tell how long its tasks took")
	return 0
}

func TestSecondTabWatchesAndTakesOver(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"film.mov": pattern(60 << 20), "still.jpg": pattern(5000), "late.jpg": pattern(6000)}
	content := func(name string) []byte { return want[name] }
	paths := fill(t, t.TempDir(), []string{"film.mov", "still.jpg"}, content)
	release := e.hold(3)
	one := e.openTab("en")
	one.excuse("503")
	one.open("/u/wedding")
	one.choose(paths...)
	one.send()
	one.holds(`parseFloat(document.getElementById("fact-sent").textContent) >= 20`)

	two := one.sibling()
	two.excuse("503")
	two.open("/u/wedding")
	two.reads("#notices", "Another tab of this browser is sending.")
	two.holds(`parseFloat(document.getElementById("fact-sent").textContent) >= 20`)
	two.look("upload-watching")
	two.do(chromedp.SetUploadFiles(chromedp.CSS("#sending input[data-pick]:not([webkitdirectory])"), fill(t, t.TempDir(), []string{"late.jpg"}, content)))
	two.reads("#notices", "1 file was handed to the tab that sends.")
	one.reads("#count-all", "3")
	two.reads("#fact-files", "of 3")

	two.sent("")
	one.shut()
	release()
	two.see("#done")
	wantSame(t, e.arrived(), want)
	if parts := two.sent("PUT "); len(parts) == 0 {
		t.Error("the second tab has sent nothing")
	}
}

func TestSecondTabAddsToTheFirst(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"film.mov": pattern(30 << 20), "other.jpg": pattern(5000)}
	content := func(name string) []byte { return want[name] }
	release := e.hold(1)
	one := e.openTab("en")
	one.excuse("503")
	one.open("/u/wedding")
	two := one.sibling()
	two.open("/u/wedding")
	two.choose(fill(t, t.TempDir(), []string{"other.jpg"}, content)...)
	two.see("#ready")
	one.choose(fill(t, t.TempDir(), []string{"film.mov"}, content)...)
	one.send()
	one.reads("#fact-sent", "10.5 MB")
	two.send()
	two.reads("#notices", "1 file was handed to the tab that sends. What you typed here did not go along")
	one.reads("#count-all", "2")
	release()
	one.press("#notices", "Try now")
	one.see("#done")
	two.see("#done")
	if one.text("#share-code") != two.text("#share-code") {
		t.Error("the tabs show different codes")
	}
	wantSame(t, e.arrived(), want)
}

// TestTabThatSendsSaysNothing: a second tab shows no figures of which it knows nothing,
// and takes over when it is told to.
func TestTabThatSendsSaysNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	one := e.openTab("en")
	one.open("/")
	one.do(chromedp.Evaluate[chromedp.Void](`{ navigator.locks.request("lenzeye.upload.wedding", () => { window.mine = true; return new Promise(() => {}); }).catch(() => {}); }`))
	one.holds("window.mine")
	two := one.sibling()
	two.before(`{ let now = Date.now(); Date.now = () => now; window.pass = (ms) => { now += ms; }; }`)
	two.open("/u/wedding")
	two.reads("#notices", "This one waits until it says how far it is.")
	two.holds(`document.title === "Another tab of this browser is sending."`)
	if shown := two.eval(`document.getElementById("meter").checkVisibility()`); shown != "false" {
		t.Error("figures are shown that nobody told")
	}
	two.look("upload-waits-for-tab")
	two.eval(`window.pass(10000)`)
	two.reads("#notices", "does not answer")
	two.look("upload-silent")
	two.picks(brokenFolder)
	two.click("#sending [data-folder]")
	two.reads("#notices", "1 file was handed to the tab that sends.")
	two.reads("#notices", "1 file could not be read from your disk.")
	two.press("#notices", "Send from here")
	two.reads("#chosen", "1 file") // nothing is lost that the other tab never took
	two.send()
	two.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"Card/a.jpg": []byte("bytes")})
}

// TestStreamOfEventsLeavesFourParts: all tabs share six connections, and the page of a
// transfer that arrives has one of them for as long as it is looked at.
func TestStreamOfEventsLeavesFourParts(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	e.declareFile(st, "film.mov", 390_000)
	release := e.hold(0)
	watches := e.openTab("en")
	watches.excuse("503")
	watches.signedIn(e.account.ID)
	watches.open("/transfers/" + st.ID)
	e.wantLives(1)
	sends := watches.sibling()
	sends.excuse("503")
	sends.open("/u/wedding")
	sends.choose(alone(t, "film.mov", pattern(70<<20)))
	sends.do(chromedp.Evaluate[chromedp.Void](`{ import(document.querySelector("script[type=module]").src).then((page) => { window.sender = page.sender; }); }`))
	sends.holds(`Boolean(window.sender)`)
	sends.send()
	sends.holds(`sender.pieces.length === 4`)
	watches.open("/transfers")
	sends.holds(`sender.pieces.length === 5`)
	release()
	sends.see("#done")
}
