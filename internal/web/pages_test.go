package web

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// fill writes files below a folder and gives their paths in order.
func fill(t *testing.T, dir string, names []string, content func(name string) []byte) []string {
	t.Helper()
	var paths []string
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content(name), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// arrived reads every file of the only transfer through the studio's interface.
func (e *env) arrived() map[string][]byte {
	e.t.Helper()
	all := ask[api.Transfers](e, 200, "GET", "/api/v1/transfers", e.studio, nil).Transfers
	if len(all) != 1 {
		e.t.Fatalf("%d transfers, want one", len(all))
	}
	out := map[string][]byte{}
	for _, f := range ask[api.Files](e, 200, "GET", "/api/v1/transfers/"+all[0].ID+"/files?limit=1000", e.studio, nil).Files {
		out[f.Path] = e.do("GET", "/api/v1/files/"+f.ID+"/content", e.studio, nil).body
	}
	return out
}

func wantSame(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for path, content := range want {
		if !bytes.Equal(got[path], content) {
			t.Errorf("%s: %d bytes arrived, not the %d that were sent", path, len(got[path]), len(content))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files arrived, want %d", len(got), len(want))
	}
}

// patch changes the link of the tests.
func (e *env) patch(p transfer.LinkPatch) {
	e.t.Helper()
	_, err := e.Server.transfers.UpdateLink(e.t.Context(), e.account.ID, e.link.ID, p, transfer.Client{})
	e.must(err)
}

// given is a field of a patch.
func given[T any](v T) transfer.Field[T] { return transfer.Field[T]{Set: true, Value: v} }

func TestGuestSendsAndAnotherFetches(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	until := e.clock.time().AddDate(0, 3, 0)
	e.patch(transfer.LinkPatch{
		Title: given("Anna & Jonas, wedding, 14 June"), ExpiresAt: given(&until),
		Message: given("Please send every card just as it is: RAW files, sound and video.\nKeep the folders, they tell us which camera it was."),
	})
	want := map[string][]byte{}
	content := func(name string) []byte { return want[name] }
	for name, size := range map[string]int{"empty.txt": 0, "one.bin": 1, "film.mp4": 23 << 20, "नमस्ते é.jpg": 4321} {
		want[name] = pattern(size)
	}
	dir := t.TempDir()
	paths := fill(t, dir, []string{"empty.txt", "one.bin", "film.mp4", "नमस्ते é.jpg"}, content)
	for i := range 12 {
		want[fmt.Sprintf("Card A/Sub/HLD_%04d.CR3", i)] = pattern(1000 + i)
	}
	var card []string
	for name := range want {
		if strings.HasPrefix(name, "Card A/") {
			card = append(card, name)
		}
	}
	fill(t, dir, card, content)

	b := e.openTab("en")
	b.open("/u/wedding")
	b.reads("h1", "Send your files to Studio")
	b.look("upload-choose")
	b.choose(paths...)
	b.reads("#chosen", "4 files, 24.1 MB")
	b.click("#unchoose")
	b.choose(paths...)
	b.chooseFolder(filepath.Join(dir, "Card A"))
	b.reads("#chosen", "16 files")
	b.reads("#chosen-folders", "1 folder: Card A")
	b.look("upload-ready")
	b.write("#email", "anna@example")
	b.click("#send")
	b.excuse("422")
	b.reads("#email-wrong", "not a whole address")
	b.look("upload-email-wrong")
	b.send()
	b.see("#done")
	b.look("upload-done")
	wantSame(t, e.arrived(), want)

	b.reads("#done-text", "Your 16 files, 24.1 MB, are with Studio. You may close this page.")
	b.reads("#done-mail", "anna@example.com")
	share, code := b.eval(`document.getElementById("share-link").href`), b.text("#share-code")
	b.open("/u/wedding")
	b.reads("#share-code", code) // opened again, it is the receipt
	b.click("#again")
	b.see("#drop")

	c := b.another()
	c.fetch(strings.TrimPrefix(share, e.base), code, want)
}

// fetch opens a share, mistypes the code, and fetches some files.
func (b *tab) fetch(path, code string, want map[string][]byte) {
	b.t.Helper()
	b.open(path)
	b.reads("h1", "Files for you from Studio")
	if strings.Contains(b.eval(`document.documentElement.outerHTML`), "wedding") {
		b.t.Error("the page shows the title before the code is right")
	}
	b.look("download-code")
	b.write("#code", "K7QM")
	b.click("#open")
	b.reads("#code-wrong", "eight letters and digits")
	b.excuse("401")
	b.write("#code", "00000000")
	b.click("#open")
	b.reads("#code-wrong", "This is not the code")
	b.look("download-code-wrong")
	b.write("#code", " "+strings.ToLower(strings.ReplaceAll(code, "-", " "))+" ")
	b.click("#open")
	b.reads("#title", "Anna & Jonas, wedding, 14 June")
	b.reads("#fact-size", "24.1 MB")
	b.look("download-files")
	b.wantFetched("film.mp4", want["film.mp4"])
	b.wantFetched("empty.txt", nil)
	b.click(`.unfold[aria-expanded="false"]`)
	b.click(`.indent-1 .unfold[aria-expanded="false"]`)
	b.reads("#list", "HLD_0007")
	b.write("#search", "hld_0007")
	b.holds(`document.querySelectorAll("#list .item").length === 1`)
	b.wantFetched("Card A/Sub/HLD_0007.CR3", want["Card A/Sub/HLD_0007.CR3"])
	b.write("#search", "no such thing")
	b.see("#nothing")
	b.look("download-nothing")
	b.do(chromedp.Reload())
	b.reads("#title", "Anna & Jonas") // the code is given once
}

func (b *tab) wantFetched(name string, want []byte) {
	b.t.Helper()
	b.click(fmt.Sprintf(`a[aria-label="Download %s"]`, name))
	select {
	case path := <-b.fetched:
		got, err := os.ReadFile(path)
		b.must(err)
		if !bytes.Equal(got, want) {
			b.t.Errorf("%s: %d bytes were fetched, not the %d that were sent", name, len(got), len(want))
		}
	case <-time.After(patience):
		b.t.Fatalf("%s was not fetched", name)
	}
}

// hold lets n parts into the store and makes the others wait for release.
func (e *env) hold(n int) (release func()) {
	var mu sync.Mutex
	gate := make(chan struct{})
	e.fault.set(func(op blob.Op, when blob.When) error {
		if when != blob.Before || (op != blob.OpPutPart && op != blob.OpPut) {
			return nil
		}
		mu.Lock()
		n--
		wait := n < 0
		mu.Unlock()
		if wait {
			<-gate
			return fmt.Errorf("held: %w", blob.ErrUnavailable)
		}
		return nil
	})
	return sync.OnceFunc(func() { e.fault.set(nil); close(gate) })
}

func TestGuestGoesOnAfterReload(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"film.mov": pattern(72 << 20), "still.jpg": pattern(99_999)}
	paths := fill(t, t.TempDir(), []string{"film.mov", "still.jpg"}, func(name string) []byte { return want[name] })
	release := e.hold(4)
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "31.6 MB of 75.6 MB")
	b.look("upload-sending")
	first := b.sent("PUT ")
	if len(first) < 5 {
		t.Fatalf("%d parts were tried, want five in flight and four done", len(first))
	}
	there := b.eval(`document.getElementById("elsewhere-link").textContent`)

	b.do(chromedp.Reload())
	release()
	b.reads("#drop-title", "Go on where you stopped")
	b.reads("#drop-text", "1 of 2 files have arrived, 31.6 MB in all")
	b.look("upload-recall")
	b.sent("")
	b.choose(paths...)
	b.reads("#send", "Go on with 2 files")
	b.click("#send")
	b.see("#done")
	wantSame(t, e.arrived(), want)
	if again := b.sent("PUT "); len(again) != 5 {
		t.Errorf("after the reload %d parts were sent, want the 5 of 9 that were missing: %v", len(again), again)
	}

	c := b.another()
	c.open(strings.TrimPrefix(there, e.base))
	c.see("#share-code") // elsewhere, by the address: it is complete by now
	if hash := c.eval(`location.hash`); hash != "" {
		t.Errorf("the token stays in the address: %s", hash)
	}
}

func TestChangedFilesAreNeverJoined(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	old, changed := pattern(35<<20), bytes.Repeat([]byte("other "), 35<<20/6+1)[:35<<20]
	dir := t.TempDir()
	paths := fill(t, dir, []string{"film.mov", "still.jpg"}, func(name string) []byte {
		if name == "film.mov" {
			return old
		}
		return old[:5000]
	})
	info, err := os.Stat(paths[0])
	e.must(err)
	release := e.hold(3)
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "21.0 MB")
	b.do(chromedp.Navigate("about:blank"))
	release()

	e.must(os.WriteFile(paths[0], changed, 0o644))
	e.must(os.Chtimes(paths[0], info.ModTime(), info.ModTime()))
	e.must(os.WriteFile(paths[1], []byte("a newer version"), 0o644))
	b.open("/u/wedding")
	b.see("#recall-actions")
	b.choose(paths...)
	b.click("#send")
	b.reads("#notices", "1 file has changed since it was sent.")
	b.reads("#notices", "1 file differs from what was sent earlier under its name.")
	b.look("upload-changed")
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#notices button")].find((b) => b.textContent === "Send the new ones").click()`))
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"film.mov": changed, "still.jpg": []byte("a newer version")})
}

func TestUnreadableFilesAreNamedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"good.jpg": pattern(1000), "gone.jpg": pattern(2000), "moved.jpg": pattern(3000)}
	paths := fill(t, t.TempDir(), []string{"good.jpg", "gone.jpg", "moved.jpg"}, func(name string) []byte { return want[name] })
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.see("#ready")
	e.must(os.Remove(paths[1]))
	e.must(os.WriteFile(paths[2], []byte("saved again"), 0o644))
	b.excuse("net::ERR_")
	b.send()
	b.reads("#notices", "2 files could not be read from your disk.")
	b.reads("#notices", "Finish without them")
	b.look("upload-unreadable")
	b.choose(paths[2])
	b.excuse("409")
	b.reads("#notices", "1 file could not be read from your disk.")
	b.reads("#notices", "Finish without them")
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#notices button")].find((b) => b.textContent === "Finish without them").click()`))
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"good.jpg": want["good.jpg"], "moved.jpg": []byte("saved again")})
}

func TestOfflineWaitsAndGoesOnByItself(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"film.mov": pattern(45 << 20)}
	paths := fill(t, t.TempDir(), []string{"film.mov"}, func(name string) []byte { return want[name] })
	release := e.hold(2)
	b := e.openTab("en")
	b.excuse("net::ERR_")
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "21.0 MB")
	b.click("#pause")
	b.reads("#notices", "Paused.")
	b.look("upload-paused")
	b.click("#pause")
	b.network(network.Conditions{Offline: true})
	b.reads("#notices", "You are offline.")
	b.look("upload-offline")
	release()
	b.network(network.Conditions{})
	b.see("#done")
	wantSame(t, e.arrived(), want)
}

// network makes the browser's connection so.
func (b *tab) network(c network.Conditions) {
	b.t.Helper()
	c.DownloadThroughput, c.UploadThroughput = -1, -1
	state := network.OverrideNetworkStateParams{Offline: c.Offline, DownloadThroughput: -1, UploadThroughput: -1}
	_, err := chromedp.Call(b.ctx, network.OverrideNetworkState, state)
	b.must(err)
	rules := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{&c}}
	_, err = chromedp.Call(b.ctx, network.EmulateNetworkConditionsByRule, rules)
	b.must(err)
}

func TestLinkPasswordIsAskedFor(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.patch(transfer.LinkPatch{Password: given("open sesame")})
	paths := fill(t, t.TempDir(), []string{"a.jpg"}, func(string) []byte { return pattern(10) })
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#password-wrong", "This link has a password.")
	b.write("#password", "open barley")
	b.excuse("401")
	b.click("#send")
	b.reads("#password-wrong", "not the password")
	b.look("upload-password")
	b.write("#password", "open sesame")
	b.click("#send")
	b.see("#done")
}

func TestTooManyCodesAreRefusedWithTheTime(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.excuse("401")
	b.excuse("429")
	b.open("/d/" + s.token)
	for i := 0; ; i++ {
		b.write("#code", fmt.Sprintf("0000000%d", i))
		b.click("#open")
		b.holds(`document.getElementById("open").getAttribute("aria-busy") === null && document.getElementById("code-wrong").innerText !== ""`)
		if strings.Contains(b.text("#code-wrong"), "Too many wrong tries. Try again in") {
			break
		}
		if i > 5 {
			t.Fatalf("after %d wrong codes: %s", i, b.text("#code-wrong"))
		}
	}
	b.look("download-too-many")
}

func TestThousandsOfFilesAreFewNodes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	const count = 1200
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("Card %d/IMG_%04d.jpg", i%3, i))
	}
	dir := filepath.Join(t.TempDir(), "Trip")
	fill(t, dir, names, func(name string) []byte { return []byte(name) })
	b := e.openTab("en")
	b.open("/u/wedding")
	b.chooseFolder(dir)
	b.reads("#chosen", "1,200 files")
	release := e.hold(300)
	b.send()
	b.holds(`Number(document.getElementById("count-sent").textContent) >= 200`)
	if n, _ := strconv.Atoi(b.eval(`document.querySelectorAll("#list > *").length`)); n > 60 || n < 5 {
		t.Errorf("%d rows are in the page", n)
	}
	b.look("upload-many")
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("list").scrollTo(0, 1e9)`))
	b.holds(`[...document.querySelectorAll("#list .item")].some((row) => row.ariaPosInSet === "1200")`)
	b.excuse("503")
	release()
	b.see("#done")
	share, code := b.eval(`document.getElementById("share-link").href`), b.text("#share-code")
	b.open(strings.TrimPrefix(share, e.base))
	b.write("#code", code)
	b.click("#open")
	b.reads("#fact-files", "1,200")
	b.holds(`document.querySelectorAll("#list .item").length === 3`)
	b.click(`.indent-1 .unfold`)
	b.reads("#list", "IMG_0003")
	if n, _ := strconv.Atoi(b.eval(`document.querySelectorAll("#list > *").length`)); n > 60 {
		t.Errorf("%d rows are in the page", n)
	}
	b.look("download-many")
}

func TestFoldersAreDropped(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	dir := t.TempDir()
	want := map[string][]byte{"Card/a.jpg": pattern(10), "Card/Deep/Deeper/b.jpg": pattern(20), "lone.jpg": pattern(30)}
	for i := range 150 { // more than a reader gives at once
		want[fmt.Sprintf("Card/Many/%03d.jpg", i)] = pattern(40 + i)
	}
	for name, content := range want {
		fill(t, dir, []string{name}, func(string) []byte { return content })
	}
	b := e.openTab("en")
	b.open("/u/wedding")
	b.see("#drop")
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{filepath.Join(dir, "Card"), filepath.Join(dir, "lone.jpg")}, DragOperationsMask: 1}
	drag := func(kinds ...input.DispatchDragEventType) {
		for _, kind := range kinds {
			_, err := chromedp.Call(b.ctx, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: 900, Y: 300, Data: data})
			e.must(err)
		}
	}
	drag(input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver)
	b.holds(`document.getElementById("drop").classList.contains("over")`)
	b.look("upload-over")
	drag(input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop)
	b.reads("#chosen", "153 files")
	b.send()
	b.see("#done")
	wantSame(t, e.arrived(), want)
}

func TestFullLinkLetsGoOnWhoBegan(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	one := int64(1)
	e.patch(transfer.LinkPatch{MaxTransfers: given(&one)})
	paths := fill(t, t.TempDir(), []string{"film.mov"}, func(string) []byte { return pattern(25 << 20) })
	release := e.hold(1)
	b := e.openTab("en")
	b.excuse("410")
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "10.5 MB")
	b.do(chromedp.Reload())
	release()
	b.reads("#drop-title", "Go on where you stopped")
	b.choose(paths...)
	b.click("#send")
	b.see("#done")

	c := b.another()
	c.excuse("410")
	c.open("/u/wedding")
	c.reads("#ended-title", "This link takes no further transfer")
	c.look("upload-full")
	c.see("#ended")
}

func TestHindiPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("hi-IN,hi;q=0.9,en;q=0.5")
	b.open("/u/wedding")
	b.reads("h1", "अपनी फ़ाइलें Studio को भेजें")
	b.look("upload-hindi")
	b.open("/d/" + s.token)
	b.reads("h1", "आपके लिए फ़ाइलें")
	b.write("#code", s.done.Share.Code)
	b.click("#open")
	b.see("#list .item")
	b.look("download-hindi")
}

func TestPagesAreLight(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	for _, path := range []string{"/u/wedding", "/d/" + s.token, "/"} {
		b := e.openTab("hi")
		b.open(path)
		b.holds(`document.readyState === "complete"`)
		b.mu.Lock()
		if b.weight > 100_000 || b.weight < 1000 {
			t.Errorf("%s weighs %.0f bytes", path, b.weight)
		}
		t.Logf("%s weighs %.0f bytes", path, b.weight)
		b.mu.Unlock()
	}
}

func TestPagesWithoutScriptShowTheCommandLine(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	e.must(err)
	b.open("/u/wedding")
	b.look("upload-noscript")
	if got := b.text("#form"); !strings.Contains(got, "curl -sT") || strings.Contains(got, "Choose files") {
		t.Errorf("without script the page says: %s", got)
	}
	b.open("/d/" + s.token)
	b.look("download-noscript")
	if got := b.text("main"); !strings.Contains(got, "/unlock") || strings.Contains(got, "Type the code") {
		t.Errorf("without script the page says: %s", got)
	}
}

func TestProblemPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	for _, status := range []string{"404", "410"} {
		b.excuse(status)
	}
	see := func(name, path, title string) {
		t.Helper()
		b.open(path)
		b.reads("main", title)
		b.look(name)
	}
	see("home", "/", "Large files, sent whole")
	see("problem-nothing", "/no/such/page", "There is nothing here")
	see("problem-link", "/u/nothing-here", "This link leads nowhere")
	see("problem-share", "/d/nothing-here", "This link leads nowhere")
	e.patch(transfer.LinkPatch{Closed: given(true)})
	see("problem-closed", "/u/wedding", "This link is closed")
	shares := ask[api.Shares](e, 200, "GET", "/api/v1/transfers/"+s.ID+"/shares", e.studio, nil).Shares
	if a := e.do("DELETE", "/api/v1/shares/"+shares[0].ID, e.studio, nil); a.StatusCode != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", a.StatusCode, a.body)
	}
	see("problem-revoked", "/d/"+s.token, "This link was taken back")
}

func TestProblemPagesAnswerInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	get := func(path string, headers ...string) answer { return e.do("GET", path, "", nil, headers...) }
	a := get("/u/nothing-here", "Accept-Language", "hi")
	if a.StatusCode != http.StatusNotFound || a.Header.Get("Content-Language") != "hi" || !bytes.Contains(a.body, []byte(`lang="hi"`)) {
		t.Errorf("%d %s", a.StatusCode, a.Header.Get("Content-Language"))
	}
	for header, want := range map[string]string{"": "en", "de, fr;q=0.5": "en", "hi-IN": "hi", "fr, hi;q=0.3": "hi", ";;;": "en"} {
		if got := get("/", "Accept-Language", header).Header.Get("Content-Language"); got != want {
			t.Errorf("Accept-Language %q gives %s, want %s", header, got, want)
		}
	}
	if vary := get("/").Header.Values("Vary"); !slices.ContainsFunc(vary, func(v string) bool { return strings.Contains(v, "Accept-Language") }) {
		t.Errorf("Vary is %q", vary)
	}
}

func TestNamesFromOutsideAreText(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	evil := `</script><img src=x onerror=alert(1)>"'&`
	e.patch(transfer.LinkPatch{Title: given(evil), Message: given(evil)})
	_, err := e.accounts.Rename(t.Context(), e.account.ID, evil)
	e.must(err)
	a := e.do("GET", "/u/wedding", "", nil)
	if a.StatusCode != 200 || bytes.Contains(a.body, []byte("<img src=x")) {
		t.Errorf("%d, a name became markup", a.StatusCode)
	}
	b := e.openTab("en")
	b.open("/u/wedding")
	b.reads("h1", evil)
	if n := b.eval(`document.querySelectorAll("img").length`); n != "0" {
		t.Errorf("%s images in the page", n)
	}
}

func TestStaticFilesAreKeptForEver(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, name := range []string{"/css/lenzeye.css", "/js/upload.js", "/img/icons.svg"} {
		plain := e.do("GET", e.pages.base+name, "", nil, "Accept-Encoding", "identity")
		if plain.StatusCode != 200 || !strings.Contains(plain.Header.Get("Cache-Control"), "immutable") || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", name, plain.StatusCode, plain.Header)
		}
		packed := e.do("GET", e.pages.base+name, "", nil, "Accept-Encoding", "br, gzip")
		if packed.Header.Get("Content-Encoding") != "gzip" || len(packed.body) >= len(plain.body) {
			t.Errorf("%s: %d bytes packed, %d plain, %v", name, len(packed.body), len(plain.body), packed.Header)
		}
		head := e.do("HEAD", e.pages.base+name, "", nil, "Accept-Encoding", "identity")
		if head.ContentLength != int64(len(plain.body)) || len(head.body) != 0 {
			t.Errorf("HEAD %s: length %d", name, head.ContentLength)
		}
	}
	for _, path := range []string{"/static/0000/js/upload.js", e.pages.base + "/js/nothing.js", e.pages.base + "/../../go.mod", e.pages.base, "/static/"} {
		if a := e.do("GET", path, "", nil); a.StatusCode == 200 {
			t.Errorf("%s is answered", path)
		}
	}
}

func TestGzipIsReadAsBrowsersWriteIt(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{"": false, "gzip": true, "br, GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "deflate": false, "xgzip": false} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestSizesAndDaysInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	got := map[string]string{}
	for _, language := range []string{"en", "hi"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		e.must(err)
		r.Header.Set("Accept-Language", language)
		v := e.view(r)
		for _, n := range []int64{0, 1, 999, 1000, 999_949_999, 999_950_000, 800_000_000_000, 1 << 53} {
			got[language] += v.size(&n) + "; "
		}
		got[language] += v.day(time.Date(2026, 12, 14, 23, 0, 0, 0, time.UTC)).Human
	}
	want := map[string]string{
		"en": "0 bytes; 1 byte; 999 bytes; 1.0 kB; 999.9 MB; 1.0 GB; 800.0 GB; 9.0 PB; 14 December 2026",
		"hi": "0 बाइट; 1 बाइट; 999 बाइट; 1.0 kB; 999.9 MB; 1.0 GB; 800.0 GB; 9.0 PB; 14 दिसंबर 2026",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v := (view{}); v.size(nil) != "" {
		t.Error("no limit has no size")
	}
}
