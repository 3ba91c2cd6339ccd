package web

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// focused waits until an element has the focus, told by its id or its label.
func (b *tab) focused(name string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`[document.activeElement.id, document.activeElement.getAttribute("aria-label")].includes(%q)`, name))
}

// TestFocusStaysWhereTheEyeIs: a control that vanishes by its own press leaves the focus
// to what is seen in its place, and no title tells of what is over.
func TestFocusStaysWhereTheEyeIs(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	paths := fill(t, t.TempDir(), []string{"a.jpg", "b.jpg", "c.jpg"}, func(name string) []byte { return []byte(name) })
	b := e.openTab("en")
	b.open("/u/wedding")
	title := b.eval("document.title")
	b.choose(paths...)
	b.focused("chosen")
	b.click("#unchoose")
	b.focused("drop-title")

	b.choose(paths...)
	b.click("#ready-files > summary")
	takeOut := func(name, next string) {
		b.click(fmt.Sprintf(`#ready-list button[aria-label="Take out %s"]`, name))
		b.focused(next)
	}
	takeOut("b.jpg", "Take out c.jpg")
	takeOut("c.jpg", "Take out a.jpg")
	takeOut("a.jpg", "drop-title")

	b.choose(paths...)
	b.send()
	b.see("#done")
	b.focused("done-title")
	b.holds(`document.title === "Everything has arrived"`)
	b.click("#again")
	b.focused("drop-title")
	b.holds(fmt.Sprintf("document.title === %q", title))
	b.press("#earlier", "Show the receipt")
	b.focused("done-title")
}

func TestFocusAfterStartingAnew(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.leftBehind()
	b.click("#recall-new")
	b.press("#question", "Keep it for later")
	b.focused("drop-title")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#earlier button").focus()`))
	b.press("#earlier", "Go on")
	b.reads("#drop-title", "Go on where you stopped")
	b.focused("drop-title")
}

// TestFocusAfterTheListCameAfterAll: the button that asks for it again goes with its notice.
func TestFocusAfterTheListCameAfterAll(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("d.jpg", pattern(1000))
	b := e.openTab("en")
	b.excuse("502")
	b.signedIn(e.account.ID)
	stop := b.answerInstead("*/files?limit=*", http.StatusBadGateway, "<h1>Squid</h1>")
	b.open("/transfers/" + s.ID)
	b.reads("#file-notices", "The list of files could not be loaded to its end.")
	stop()
	b.click("#file-notices .btn")
	b.focused("list")
}
