package web

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// leftBehind sends a small file and the first part of a film, and opens the page again.
func (b *tab) leftBehind() {
	b.t.Helper()
	content := map[string][]byte{"film.mov": pattern(40 << 20), "still.jpg": pattern(5000)}
	gate, first := make(chan struct{}), make(chan struct{}, 1)
	first <- struct{}{}
	b.e.fault.set(func(op blob.Op, when blob.When) error {
		if op == blob.OpPutPart && when == blob.Before {
			select {
			case <-first:
			case <-gate:
				return fmt.Errorf("held: %w", blob.ErrUnavailable)
			}
		}
		return nil
	})
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(fill(b.t, b.t.TempDir(), []string{"film.mov", "still.jpg"}, func(name string) []byte { return content[name] })...)
	b.send()
	b.reads("#fact-sent", "10.5 MB of 41.9 MB")
	b.reads("#fact-files", "1 of 2")
	b.do(chromedp.Navigate("about:blank"))
	b.e.fault.set(nil)
	close(gate)
	b.open("/u/wedding")
	b.reads("#drop-title", "Go on where you stopped")
}

// answer lets the page's next calls of a method be answered by an expression.
func (b *tab) answer(method, expression string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const { fetch } = window;
		window.fetch = async (url, options) => (options?.method === "` + method + `" ? ` + expression + ` : fetch(url, options));
	}`))
}

// TestFinishingWithoutIsSeenAndDoneByOneTab: what is left out is told, with figures that
// are those of the server, and a second tab watches.
func TestFinishingWithoutIsSeenAndDoneByOneTab(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	one := e.openTab("en")
	one.leftBehind()
	two := one.sibling()
	two.open("/u/wedding")
	two.see("#recall-finish")
	one.answer("DELETE", `new Promise((go) => { window.go = go; }).then(() => fetch(url, options))`)
	one.click("#recall-finish")
	one.reads("#notices", "Finishing without what did not arrive. 0 of 1 file is taken out.")
	one.reads("#fact-sent", "10.5 MB of 41.9 MB")
	one.look("upload-leaving")
	two.reads("#notices", "Another tab of this browser is sending.")
	two.reads("#fact-sent", "10.5 MB of 41.9 MB")
	one.eval(`window.go()`)
	one.see("#done")
	two.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"still.jpg": pattern(5000)})
}

// TestFailureThatNobodyExpectedIsTold: a press that is refused, and whatever else fails
// without a place of its own.
func TestFailureThatNobodyExpectedIsTold(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.leftBehind()
	b.answer("DELETE", `new Response('{"code":"cross_origin","request_id":"r"}', { status: 403 })`)
	b.click("#recall-new")
	b.press("#question", "Delete it")
	b.reads("#drop-notices", "That did not work. Another site tried to act in your name.")
	b.reads("#drop-notices", "Load the page again")
	b.look("upload-trouble")
	b.click("#recall-new")
	b.holds(`document.getElementById("drop-notices").children.length === 0`)
	b.press("#question", "Cancel")
	b.excuse("the unexpected")
	b.do(chromedp.Evaluate[chromedp.Void](`{ Promise.reject(new Error("the unexpected")); }`))
	b.reads("#drop-notices", "That did not work. Everything sent so far is safe.")
}
