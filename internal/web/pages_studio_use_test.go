package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// What fails is said, and a page whose server is away waits for it.
func TestStudioPagesWhenThingsFail(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("d.jpg", pattern(1000))
	if a := e.do("DELETE", "/api/v1/transfers/"+s.ID, e.studio, nil); a.StatusCode != 204 {
		t.Fatalf("delete: %d", a.StatusCode)
	}
	least := int64(10)
	_, err := e.accounts.SetQuota(t.Context(), e.account.ID, &least)
	e.must(err)
	b := e.openTab("en")
	b.excuse("413")
	b.excuse("net::ERR_")
	b.signedIn(e.account.ID)
	b.open("/transfers/" + s.ID)
	b.click("#restore")
	b.reads("#notices", "There is not enough space left. Delete something else first.")
	b.look("transfer-restore-refused")
	b.click("#notices .btn")
	b.holds(`document.getElementById("notices").children.length === 0`)
	b.focused("restore")

	arriving := e.start()
	b.open("/transfers")
	b.reads("#list", "Begun, no files yet")
	b.network(network.Conditions{Offline: true})
	b.sent("")
	b.holds(`performance.getEntriesByType("resource").some((r) => r.name.endsWith("/transfers"))`)
	b.reads("#list", "Begun, no files yet")
	b.network(network.Conditions{})
	_, err = e.accounts.SetQuota(t.Context(), e.account.ID, nil)
	e.must(err)
	e.declareFile(arriving, "a.jpg", 100)
	b.reads("#list", "Arriving, 0 %")
}

// TestWhatIsDoneIsNotCalledFailed: a press that succeeded is no failure when only the
// page does not come anew.
func TestWhatIsDoneIsNotCalledFailed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("d.jpg", pattern(1000))
	for _, agent := range []string{"curl/8.1", "curl/8.2", "curl/8.3"} {
		e.signInAs("studio@example.com", agent)
	}
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/transfers/" + s.ID)
	b.pageComes(`Promise.reject(new TypeError("Failed to fetch"))`)
	b.click("#share-list [data-revoke]")
	b.click("#confirm-yes")
	b.reads("#notices", "Done. The page could not be drawn anew: reload it.")
	b.holds(`document.getElementById("status").textContent === "Done. The page could not be drawn anew: reload it."`)
	b.look("transfer-stale")
	b.press("#notices", "Reload")
	b.reads("#share-list", "Closed")

	b.open("/settings")
	b.pageComes(`new Response(new ReadableStream({ start: (body) => body.error(new TypeError("cut")) }))`)
	for _, agent := range []string{"curl/8.1", "curl/8.2"} {
		b.click(`[aria-label="End the session of ` + agent + `"]`)
		b.reads("#notices", "Done. The page could not be drawn anew")
		if agent == "curl/8.1" {
			b.click("#notices .btn:last-child")
			b.focused("End the session of curl/8.1")
		}
	}
	b.pageComes("")
	b.click(`[aria-label="End the session of curl/8.3"]`)
	b.holds(`!document.getElementById("sessions").innerText.includes("curl")`)
	b.holds(`document.getElementById("notices").children.length === 0`)
	b.holds(`document.activeElement.matches("h1")`) // the button went with its session
}

// pageComes lets the page have an expression for itself where it asks to be drawn anew; "" ends that.
func (b *tab) pageComes(answer string) {
	b.t.Helper()
	if answer == "" {
		answer = "fetch(url, options)"
	}
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const fetch = window.own ??= window.fetch;
		window.fetch = async (url, options) => (url === location.href ? ` + answer + ` : fetch(url, options));
	}`))
}

func TestStudioPagesInHindi(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	b := e.openTab("hi-IN,hi;q=0.9")
	b.cookie(th.session)
	for _, rt := range studioPages() {
		b.open(th.path(rt.pattern))
		b.reads(".nav", "ट्रांसफ़र")
		b.look("hindi" + strings.ReplaceAll(strings.NewReplacer("{", "", "}", "").Replace(rt.pattern), "/", "-"))
		// Words of the catalogue that nobody translated would be English ones.
		if text := b.text("main h1, main .title"); strings.Contains(text, "Transfers") || strings.Contains(text, "Links") || strings.Contains(text, "Settings") {
			t.Errorf("%s is headed %s", rt.pattern, text)
		}
	}
}

// All of a studio's pages can be used without a mouse.
func TestStudioPagesByKeyboard(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("d.jpg", pattern(1000))
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.see("#list")
	reached := b.tabThrough(30)
	for _, want := range []string{"Skip to content", "Transfers", "Links", "Settings", "Sign out", "All", "New link", "Wedding"} {
		if !strings.Contains(reached, want) {
			t.Errorf("%s is not reached by Tab: %s", want, reached)
		}
	}
	b.eval(`document.querySelector("#list a").focus()`)
	b.do(chromedp.KeyEvent("\r"))
	b.holds(`location.pathname === "/transfers/` + s.ID + `"`)
	b.holds(`document.readyState === "complete"`)
	b.eval(`document.querySelector("[data-revoke]").focus()`)
	b.do(chromedp.KeyEvent("\r"))
	b.see("#confirm")
	b.holds(`document.activeElement.textContent === "Cancel"`)
	b.do(chromedp.KeyEvent("\u001b")) // Escape
	b.holds(`!document.getElementById("confirm").open && document.activeElement.hasAttribute("data-revoke")`)
}

// tabThrough presses Tab and names what gets the focus, which must be visible.
func (b *tab) tabThrough(times int) string {
	b.t.Helper()
	var reached []string
	for range times {
		b.do(chromedp.KeyEvent("\t"))
		name := b.eval(`(() => { const e = document.activeElement; return e === document.body ? "" : (e.getAttribute("aria-label") ?? e.innerText ?? e.name).trim() })()`)
		if name == "" {
			continue
		}
		reached = append(reached, name)
		if b.eval(`(() => { const e = document.activeElement, after = getComputedStyle(e, "::after");
			return [getComputedStyle(e), after].some((s) => s.outlineStyle !== "none" && s.outlineWidth !== "0px") || e.matches(".code-input") })()`) != "true" {
			b.t.Errorf("the focus on %q is not seen", name)
		}
	}
	return strings.Join(reached, "; ")
}

func TestStudioPagesWithoutScript(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("d.jpg", pattern(1000))
	b := e.openTab("hi")
	b.withoutScript()
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.look("transfers-noscript")
	if got := b.text("main"); !strings.Contains(got, "Wedding") || !strings.Contains(got, "JavaScript") {
		t.Errorf("without script the list says: %s", got)
	}
	b.open("/transfers/" + s.ID)
	b.look("transfer-noscript")
	if got := b.text("main"); !strings.Contains(got, "d.jpg") {
		t.Errorf("without script the transfer says: %s", got)
	}
	if b.eval(`document.querySelector('a[href$="/content"]') !== null`) != "true" {
		t.Error("no file can be fetched")
	}
}

func TestStudioPagesAreLight(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	for i := range transfersShown {
		e.patch(transfer.LinkPatch{Title: given(fmt.Sprintf("Anna & Jonas, wedding, day %d", i))})
		e.start()
	}
	for _, rt := range append(studioPages(), route{pattern: "/signin"}) {
		b := e.openTab("hi")
		b.cookie(th.session)
		b.open(th.path(rt.pattern))
		b.holds(`document.readyState === "complete"`)
		b.mu.Lock()
		if b.weight > 100_000 || b.weight < 1000 {
			t.Errorf("%s weighs %.0f bytes", rt.pattern, b.weight)
		}
		t.Logf("%s weighs %.0f bytes", rt.pattern, b.weight)
		b.mu.Unlock()
	}
}

func TestStudioSignsOut(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.click("[data-sign-out]")
	b.reads("#out", "You are signed out.")
	b.look("signin-out")
	b.open("/transfers")
	b.holds(`location.search === "?next=%2Ftransfers"`)
	if list, _, err := e.accounts.Sessions(t.Context(), e.account.ID, account.Page{}); err != nil || len(list) != 0 {
		t.Errorf("sessions %v, %v", list, err)
	}
}
