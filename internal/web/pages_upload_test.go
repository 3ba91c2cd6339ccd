package web

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/blob"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

func TestGuestGoesOnAfterReload(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	want := map[string][]byte{"film.mov": pattern(72 << 20), "still.jpg": pattern(99_999)}
	paths := fill(t, t.TempDir(), []string{"film.mov", "still.jpg"}, func(name string) []byte { return want[name] })
	release := e.hold(5) // the first five that are in flight
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "42.0 MB of 75.6 MB")
	// What has left and is not acknowledged is a line, and no word or value counts it.
	b.holds(`parseInt(document.querySelector("#list .hair").style.getPropertyValue("--reach")) > 55`)
	b.reads("#list", "41.9 MB of 75.5 MB")
	if value := b.eval(`document.querySelector("#list .hair").value`); value != "55" {
		t.Errorf("the row's bar says %s %%, and 55 %% are acknowledged", value)
	}
	b.look("upload-sending")
	first := b.sent("PUT ")
	if len(first) < 6 {
		t.Fatalf("%d parts were tried, want five done and others in flight", len(first))
	}
	there := b.eval(`document.getElementById("elsewhere-link").textContent`)

	b.do(chromedp.Reload())
	release()
	b.reads("#drop-title", "Go on where you stopped")
	b.reads("#drop-text", "1 of 2 files have arrived, 42.0 MB in all")
	b.look("upload-recall")
	b.sent("")
	b.choose(paths...)
	b.reads("#send", "Go on with 2 files")
	b.click("#send")
	b.see("#done")
	wantSame(t, e.arrived(), want)
	if again := b.sent("PUT "); len(again) != 4 {
		t.Errorf("after the reload %d parts were sent, want the 4 of 9 that were missing: %v", len(again), again)
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
	old, changed := pattern(55<<20), bytes.Repeat([]byte("other "), 55<<20/6+1)[:55<<20]
	dir := t.TempDir()
	paths := fill(t, dir, []string{"film.mov", "still.jpg"}, func(name string) []byte {
		if name == "film.mov" {
			return old
		}
		return old[:5000]
	})
	info, err := os.Stat(paths[0])
	e.must(err)
	release := e.hold(5)
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "41.9 MB")
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
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#notices button")].find((b) => b.textContent === "Send the new version").click()`))
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"film.mov": changed, "still.jpg": []byte("a newer version")})
}

// TestFileWrittenToWhileItIsSent proves that the page notices by its date, or by its
// bytes, that a file was another when its last parts left than when the first did.
func TestFileWrittenToWhileItIsSent(t *testing.T) {
	t.Parallel()
	for name, date := range map[string]time.Time{"another date": time.Now(), "the same date, of just now": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil)
			old, changed := pattern(55<<20), bytes.Repeat([]byte("other "), 55<<20/6+1)[:55<<20]
			path := fill(t, t.TempDir(), []string{"film.mov"}, func(string) []byte { return old })[0]
			was := time.Now().Add(-time.Hour)
			if date.IsZero() { // nothing but its bytes can tell
				was = time.Now().Add(time.Hour)
				date = was
			}
			e.must(os.Chtimes(path, was, was))
			var begun atomic.Int32
			gate := make(chan struct{})
			e.fault.set(func(op blob.Op, when blob.When) error {
				if op == blob.OpPutPart && when == blob.Before && begun.Add(1) > 1 {
					<-gate
				}
				return nil
			})
			b := e.openTab("en")
			b.open("/u/wedding")
			b.choose(path)
			b.send()
			b.holds(`document.getElementById("progress").value > 0`)
			e.swap(path, changed, date)
			close(gate)
			if !date.Equal(was) { // what arrived was thrown away, and the browser gives no more of this file
				b.excuse("net::ERR_")
				b.excuse("409 (Conflict)")
				b.reads("#notices", "could not be read")
				b.choose(path)
			}
			b.see("#done")
			wantSame(t, e.arrived(), map[string][]byte{"film.mov": changed})
		})
	}
}

// swap puts another file in the place of one, at once: a browser that read it while
// it is written would see the date of the writing, and give up.
func (e *env) swap(path string, data []byte, date time.Time) {
	e.t.Helper()
	newer := fill(e.t, e.t.TempDir(), []string{"newer"}, func(string) []byte { return data })[0]
	e.must(os.Chtimes(newer, date, date))
	e.must(os.Rename(newer, path))
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
	want := map[string][]byte{"film.mov": pattern(70 << 20)}
	paths := fill(t, t.TempDir(), []string{"film.mov"}, func(name string) []byte { return want[name] })
	release := e.hold(5)
	b := e.openTab("en")
	b.excuse("net::ERR_")
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(paths...)
	b.send()
	b.reads("#fact-sent", "52.4 MB")
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

func TestThousandsOfFilesAreFewNodes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	const count = 1050
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("Card %d/IMG_%04d.jpg", i%3, i))
	}
	dir := filepath.Join(t.TempDir(), "Trip")
	fill(t, dir, names, func(name string) []byte { return []byte(name) })
	b := e.openTab("en")
	b.open("/u/wedding")
	b.chooseFolder(dir)
	b.reads("#chosen", "1,050 files")
	release := e.hold(300)
	b.send()
	b.holds(`Number(document.getElementById("count-sent").textContent) >= 200`)
	if n, _ := strconv.Atoi(b.eval(`document.querySelectorAll("#list > *").length`)); n > 60 || n < 5 {
		t.Errorf("%d rows are in the page", n)
	}
	b.look("upload-many")
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("list").scrollTo(0, 1e9)`))
	b.holds(`[...document.querySelectorAll("#list .item")].some((row) => row.ariaPosInSet === "1050")`)
	b.excuse("503")
	release()
	b.see("#done")
	share, code := b.eval(`document.getElementById("share-link").href`), b.text("#share-code")
	b.open(strings.TrimPrefix(share, e.base))
	b.write("#code", code)
	b.click("#open")
	b.reads("#fact-files", "1,050")
	b.holds(`document.querySelectorAll("#list .item").length === 4`)
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
	paths := fill(t, t.TempDir(), []string{"film.mov"}, func(string) []byte { return pattern(30 << 20) })
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
