package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// studioPages are the routes of pages that need a session.
func studioPages() (out []route) {
	for _, rt := range routes() {
		if rt.page && len(rt.tokens) > 0 {
			out = append(out, rt)
		}
	}
	return out
}

// withoutScript keeps the browser from running scripts.
func (b *tab) withoutScript() {
	b.t.Helper()
	b.scriptless = true
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.must(err)
}

// page fetches a page by a session and follows no redirect.
func (e *env) page(path, secret string) answer {
	e.t.Helper()
	follows := e.client
	defer func() { e.client = follows }()
	e.client = &http.Client{Transport: follows.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return e.do("GET", path, "", nil, "Cookie", "lz_s="+secret)
}

func TestStudioPagesAskWhoeverIsNotSignedIn(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	for _, rt := range studioPages() {
		path := th.path(rt.pattern) + "?x=1"
		for _, secret := range []string{"", "nonsense", e.studio, "lzs_" + strings.Repeat("A", 43)} {
			a := e.page(path, secret)
			want := "/signin?next=" + strings.NewReplacer("/", "%2F", "?", "%3F", "=", "%3D").Replace(path)
			if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
				t.Errorf("%s with %q: %d to %s, want %s", path, secret, a.StatusCode, a.Header.Get("Location"), want)
			}
			if strings.Contains(string(a.body), "Wedding") || strings.Contains(string(a.body), "example.com") {
				t.Errorf("%s shows something: %s", path, a.body)
			}
		}
		a := e.page(path, th.session)
		if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s signed in: %d %s", path, a.StatusCode, a.Header.Get("Cache-Control"))
		}
		if !strings.Contains(string(a.body), "Studio") {
			t.Errorf("%s does not name its studio", path)
		}
	}
}

func TestStudioPagesShowNothingOfOthers(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	_, theirs := e.newSession(e.otherAcc.ID)
	for _, rt := range studioPages() {
		there := e.page(th.path(rt.pattern), theirs)
		if strings.Contains(rt.pattern, "{id}") {
			never := e.page(replaceID(rt.pattern, "0192e4a0-0000-7000-8000-000000000000"), theirs)
			odd := e.page(replaceID(rt.pattern, "no-id"), theirs)
			if there.StatusCode != 404 || never.StatusCode != 404 || odd.StatusCode != 404 {
				t.Errorf("%s: %d, never %d, odd %d", rt.pattern, there.StatusCode, never.StatusCode, odd.StatusCode)
			}
		}
		for _, secret := range []string{th.ID, th.open.ID, th.link, th.token, th.sessionID, e.account.ID, "wedding", "anna@example.com"} {
			if strings.Contains(string(there.body), secret) {
				t.Errorf("%s shows %s to another studio", rt.pattern, secret)
			}
		}
	}
}

// library fills a studio with transfers in every state.
func (e *env) library() (arriving api.Started) {
	e.t.Helper()
	titled := func(title string) {
		e.patch(transfer.LinkPatch{Title: given(title)})
	}
	titled("Portraits for the annual report")
	idle := e.start()
	e.put(idle, e.declareFile(idle, "a.jpg", 100), pattern(100))
	e.declareFile(idle, "b.jpg", 900)
	e.clock.advance(3 * 24 * time.Hour)
	titled("Harbour festival, drone")
	gone := e.start()
	e.declareFile(gone, "x.jpg", 5)
	if a := e.do("DELETE", "/api/v1/transfers/"+gone.ID, gone.UploadToken, nil); a.StatusCode != 204 {
		e.t.Fatalf("abort: %d", a.StatusCode)
	}
	titled("")
	e.start()
	titled("Concert, three cameras, with a title that goes on and on until nobody can read it any more on a phone")
	deleted := e.send("c.mov", pattern(70_000))
	if a := e.do("DELETE", "/api/v1/transfers/"+deleted.ID, e.studio, nil); a.StatusCode != 204 {
		e.t.Fatalf("delete: %d", a.StatusCode)
	}
	titled("Anna & Jonas, wedding, 14 June")
	e.send("d.jpg", pattern(1_423_000))
	titled("Lookbook autumn, second day")
	arriving = e.start()
	e.put(arriving, e.declareFile(arriving, "Card A/one.jpg", 610_000), pattern(610_000))
	return arriving
}

func TestStudioSeesItsTransfers(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	quota := int64(20_000_000)
	_, err := e.accounts.SetQuota(t.Context(), e.account.ID, &quota)
	e.must(err)
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.reads("#none", "No transfers yet")
	b.look("transfers-none")

	arriving := e.library()
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.reads("#list", "Lookbook autumn, second day")
	b.look("transfers")
	list := b.text("#list")
	for _, want := range []string{"Complete", "kept until", "Standing still at 10 %", "no news since", "Begun, no files yet", "Given up by the sender", "Arriving, 100 %"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in %s", want, list)
		}
	}
	if strings.Contains(list, "Concert") {
		t.Error("a deleted transfer is among all")
	}
	if got := strings.Join(strings.Fields(b.text("#filters")), " "); got != "All 5 Arriving 3 Complete 1 Stopped 1 Deleted 1" {
		t.Errorf("the filters are %s", got)
	}
	f := e.declareFile(arriving, "Card A/two.jpg", 390_000)
	b.reads("#list", "Arriving, 61 %")
	b.reads("#list", "1 of 2 files")
	b.see("#list progress")
	e.put(arriving, f, pattern(390_000))
	b.reads("#list", "Arriving, 100 %")
	ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+arriving.ID+"/complete", arriving.UploadToken, "{}")
	b.holds(`document.getElementById("filters").textContent.includes("Complete 2")`)

	b.click(`#filters a[href*="deleted"]`)
	b.reads("#list", "can be restored until")
	b.look("transfers-deleted")
	b.open("/transfers?q=harbour")
	b.holds(`document.querySelectorAll("#list > li").length === 1`)
	b.write("input[name=q]", "no such thing")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=q]"), "\r"))
	b.reads("main", "Nothing matches “no such thing”")
	b.look("transfers-nothing")
}

func TestTransfersAreListedByState(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.library()
	for state, want := range map[string]int{"": 6, "receiving": 3, "complete": 1, "aborted,deleted": 2, "expired": 0} {
		if got := ask[api.Transfers](e, 200, "GET", "/api/v1/transfers?state="+state, e.studio, nil).Transfers; len(got) != want {
			t.Errorf("%q: %d transfers, want %d", state, len(got), want)
		}
	}
	for _, odd := range []string{"nonsense", "receiving,", ",", "receiving complete", "%25"} {
		e.wantProblem(api.QueryInvalid, "GET", "/api/v1/transfers?state="+strings.ReplaceAll(odd, " ", "%20"), e.studio, nil)
	}
}

func TestStudioPagesThroughManyTransfers(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for range transfersShown + 3 {
		e.start()
	}
	b := e.openTab("en")
	b.withoutScript()
	b.signedIn(e.account.ID)
	b.open("/transfers?show=arriving")
	b.holds(`document.readyState === "complete"`)
	if n := b.eval(`document.querySelectorAll("#list > li").length`); n != fmt.Sprint(transfersShown) {
		t.Errorf("%s rows on the first page", n)
	}
	b.click(`#paging a[rel=next]`)
	b.holds(`location.search.includes("after=")`)
	b.holds(`document.readyState === "complete" && document.querySelectorAll("#list > li").length === 3`)
	b.click(`#paging a`)
	b.holds(`location.search === "?show=arriving"`)
}

func TestStudioWatchesATransfer(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.LiveEvery = 50 * time.Millisecond })
	arriving := e.library()
	f := e.declareFile(arriving, "Card A/two.jpg", 390_000)
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/transfers")
	b.click(`#list a[href="/transfers/` + arriving.ID + `"]`)
	b.reads("h1", "Lookbook autumn, second day")
	b.reads("#percent", "61")
	b.see("#list .item")
	b.look("transfer-arriving")
	if n := len(b.sent("GET /api/v1/transfers/" + arriving.ID + "/live")); n != 1 {
		t.Errorf("%d streams of events", n)
	}
	hide := func(hidden string) {
		b.eval(`Object.defineProperty(document, "hidden", {value: ` + hidden + `, configurable: true}), document.dispatchEvent(new Event("visibilitychange"))`)
	}
	hide("true")
	e.wantLives(0) // a browser has six connections for all its tabs
	hide("false")
	e.wantLives(1)
	e.put(arriving, f, pattern(390_000))
	b.reads("#percent", "100")
	b.reads("#fact-files", "2 of 2 files")
	ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+arriving.ID+"/complete", arriving.UploadToken, "{}")
	b.see("#zip")
	b.reads(".tags", "Complete")
}

// wantLives waits until so many streams of events are open.
func (e *env) wantLives(n int) {
	e.t.Helper()
	late := time.After(patience)
	for {
		e.lives.mu.Lock()
		total := e.lives.total
		e.lives.mu.Unlock()
		if total == n {
			return
		}
		select {
		case <-late:
			e.t.Fatalf("%d streams of events are open, want %d", total, n)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestStudioTransferFilesSharesAndEnd(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.patch(transfer.LinkPatch{Title: given("Anna & Jonas, wedding, 14 June")})
	st := ask[api.Started](e, 201, "POST", "/api/v1/u/wedding/transfers", "", api.Start{
		SenderEmail: "anna@example.com", SenderName: "Anna Larsen", Message: "All cards, as they came.\nThe second one was in the rain."})
	for i := range 12 {
		f := e.declareFile(st, fmt.Sprintf("Card A/HLD_%04d.CR3", i), 46_000+i)
		e.put(st, f, pattern(46_000+i))
	}
	lone := e.declareFile(st, "notes.txt", 11)
	e.put(st, lone, []byte("hello world"))
	ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/complete", st.UploadToken, "{}")
	b := e.openTab("en")
	b.excuse("422")
	b.signedIn(e.account.ID)
	b.open("/transfers/" + st.ID)
	b.reads("#zip-size", "kB")
	b.reads("#list", "Card A")
	b.look("transfer")
	want := e.do("HEAD", "/api/v1/transfers/"+st.ID+"/archive.zip", e.studio, nil).ContentLength
	if got := b.eval(`document.getElementById("zip").title`); strings.ReplaceAll(got, ",", "") != fmt.Sprintf("%d bytes", want) {
		t.Errorf("the ZIP is said to have %s, not %d", got, want)
	}
	b.wantFetched("notes.txt", []byte("hello world"))
	b.write("#search", "hld_0007")
	b.holds(`document.querySelectorAll("#list .item").length === 1`)

	b.write("#recipients", "anna@example.com, jonas")
	b.click("#share-make")
	b.reads("#share-wrong", "One of the addresses is not whole")
	b.look("transfer-share-wrong")
	b.write("#recipients", "anna@example.com, jonas@example.com")
	b.write("#max-downloads", "10")
	b.click("#share-make")
	b.see("#made")
	b.look("transfer-share-made")
	link, code := b.eval(`document.getElementById("made-link").href`), b.text("#made-code")
	b.reads("#share-list", "anna@example.com, jonas@example.com")
	b.reads("#share-list", "0 of 10 times")
	token := strings.TrimPrefix(link, e.base+"/d/")
	if a := e.do("POST", "/api/v1/d/"+token+"/unlock", "", api.Unlock{Code: code}); a.StatusCode != 200 {
		t.Errorf("unlock with what the page shows: %d %s", a.StatusCode, a.body)
	}
	b.click("#made-done")
	if left := b.eval(`document.documentElement.textContent.includes("` + code + `")`); left != "false" {
		t.Error("the code stays in the page")
	}
	b.do(chromedp.Reload())
	b.reads("#share-list", "1 of 10 times")
	b.click("details.more > summary")
	b.reads("#events", "Somebody opened a share with its code")
	b.look("transfer-events")
	b.click(`#share-list li:first-child [data-revoke]`)
	b.reads("#confirm", "Close this share?")
	b.look("transfer-revoke")
	b.click(`#confirm .btn:not(.stop)`)
	b.click(`#share-list li:first-child [data-revoke]`)
	b.click("#confirm-yes")
	b.reads("#share-list li:first-child", "Closed")
	b.reads("#events li:first-child", "A share was closed")
	e.wantProblem(api.ShareRevoked, "POST", "/api/v1/d/"+token+"/unlock", "", api.Unlock{Code: code})

	later := e.clock.time().AddDate(0, 2, 0)
	b.eval(fmt.Sprintf(`document.getElementById("extend-until").value = %q`, later.Format(time.DateOnly)))
	b.click("#extend button")
	b.reads("#until", later.Format("January"))
	b.click("#delete")
	b.reads(".notice", "This transfer is deleted.")
	b.look("transfer-deleted")
	if shown := b.eval(`[...document.querySelectorAll("#list a[href]")].length`); shown != "0" {
		t.Errorf("%s files of a deleted transfer can be pressed", shown)
	}
	b.click("#restore")
	b.see("#zip")
	if got := ask[api.Transfer](e, 200, "GET", "/api/v1/transfers/"+st.ID, e.studio, nil); got.State != "complete" || got.ExpiresAt.Format(time.DateOnly) < later.Format(time.DateOnly) {
		t.Errorf("in the end: %+v", got)
	}
}
