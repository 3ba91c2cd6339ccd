package web

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// before runs a script in every document of the tab before its own.
func (b *tab) before(script string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	b.must(err)
}

// press presses the button with this text in a part of the page.
func (b *tab) press(place, text string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`[...document.querySelectorAll("%s button")].some((b) => b.textContent.trim() === %q && b.checkVisibility())`, place, text))
	b.eval(fmt.Sprintf(`[...document.querySelectorAll("%s button")].find((b) => b.textContent.trim() === %q).click()`, place, text))
}

// alone fills one file and gives its path.
func alone(t *testing.T, name string, content []byte) string {
	t.Helper()
	return fill(t, t.TempDir(), []string{name}, func(string) []byte { return content })[0]
}

func TestFilesAreTakenOut(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	names := []string{"never.jpg", "one.jpg", "film.mov", "two.jpg"}
	paths := fill(t, t.TempDir(), names, func(name string) []byte {
		if name == "film.mov" {
			return pattern(100 << 20)
		}
		return []byte(name)
	})
	release := e.hold(5)
	b := e.openTab("en")
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(paths...)
	b.click("#ready-files > summary")
	b.look("upload-ready-list")
	takeOut := func(name string) {
		b.holds(fmt.Sprintf(`Boolean(document.querySelector('.item button[aria-label="Take out %s"]'))`, name))
		b.eval(fmt.Sprintf(`[...document.querySelectorAll('.item button[aria-label="Take out %s"]')].at(-1).click()`, name))
	}
	takeOut("never.jpg")
	b.reads("#chosen", "3 files")
	b.send()
	// Which of the two arrives before parts of the film are held is for them to decide.
	const arrived = `[...document.querySelectorAll("#list .item")].filter((row) => /\.jpg[^]*sent/.test(row.innerText))`
	b.holds(arrived + `.length > 0`)
	out, stays := "one.jpg", "two.jpg"
	if strings.Contains(b.eval(arrived+`[0].innerText`), "two") {
		out, stays = stays, out
	}
	takeOut(out)
	b.reads("#question", "It has arrived already")
	b.look("upload-question")
	b.press("#question", "Take it back")
	takeOut("film.mov")
	release()
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{stays: []byte(stays)})
}

// TestWhatIsTakenBackIsNeverLeftWithoutAWord: the transfer waits for an answer that
// would change it, and one that comes after its end is told that it is too late.
func TestWhatIsTakenBackIsNeverLeftWithoutAWord(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	release := e.hold(1)
	b := e.openTab("en")
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(fill(t, t.TempDir(), []string{"one.jpg", "two.jpg"}, func(name string) []byte { return []byte(name) })...)
	b.send()
	b.reads("#fact-files", "1 of 2")
	takeBack := func() {
		b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#list .item")].find((row) => row.querySelector(".icon.good")).querySelector("button").click()`))
		b.see("#question")
	}
	takeBack()
	release()
	b.reads("#fact-files", "2 of 2")
	closing := b.stopAt("*/complete")
	b.press("#question", "Take it back")
	closing.reached()
	b.reads("#fact-files", "1 of 1")

	takeBack()
	b.press("#question", "Take it back")
	b.reads("#notices", "was not taken back. Everything had arrived before. Ask ")
	b.look("upload-too-late")
	closing.open()
	b.see("#done")
	if got := e.arrived(); len(got) != 1 {
		t.Errorf("%d files arrived, one was taken back", len(got))
	}
}

func TestPastedFilesAreTaken(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.open("/u/wedding")
	b.see("#drop")
	paste := func(text string) {
		b.eval(fmt.Sprintf(`(() => {
			const clip = new DataTransfer();
			clip.items.add(new File([%q], "image.png", { lastModified: %d }));
			dispatchEvent(new ClipboardEvent("paste", { clipboardData: clip, cancelable: true }));
		})()`, text, 1000*len(text)))
	}
	paste("one")
	b.reads("#chosen", "1 file")
	paste("three")
	b.reads("#chosen", "2 files")
	b.reads("#ready-notices", "1 file got a number in its name")
	b.look("upload-renamed")
	b.send()
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"image.png": []byte("one"), "image (2).png": []byte("three")})
}

// TestStoredHandlesGoOn lets the browser's own private folder stand for one on
// the disk: its handles are of the same kind, and no window asks for it.
func TestStoredHandlesGoOn(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.excuse("503")
	b.before(`window.showDirectoryPicker = async () => {
		const root = await navigator.storage.getDirectory();
		const card = await root.getDirectoryHandle("Card", { create: true });
		const sub = await card.getDirectoryHandle("Sub", { create: true });
		for (const [folder, name, size] of [[card, "film.mov", 45 << 20], [sub, "a.jpg", 5000]]) {
			const handle = await folder.getFileHandle(name, { create: true });
			if ((await handle.getFile()).size === size) continue;
			const out = await handle.createWritable();
			await out.write(new Uint8Array(size).fill(7));
			await out.close();
		}
		return card;
	}`)
	b.open("/u/wedding")
	b.see("#drop")
	release := e.hold(3)
	b.eval(`document.querySelector("#drop input[webkitdirectory]").click()`)
	b.reads("#chosen", "2 files")
	b.send()
	b.holds(`parseFloat(document.getElementById("fact-sent").textContent) > 15`) // the short last part may be among the first
	b.do(chromedp.Reload())
	release()
	b.reads("#drop-text", "This browser still knows your files")
	b.look("upload-recall-handles")
	b.sent("")
	b.click("#recall-go")
	b.see("#done")
	sevens := func(n int) []byte { return bytes.Repeat([]byte{7}, n) }
	wantSame(t, e.arrived(), map[string][]byte{"Card/film.mov": sevens(45 << 20), "Card/Sub/a.jpg": sevens(5000)})
	if again := b.sent("PUT "); len(again) > 4 {
		t.Errorf("after the reload %d parts were sent", len(again))
	}
}

func TestReceiptsAreKept(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	first := alone(t, `a "b", c.jpg`, []byte("123456789"))
	b := e.openTab("en")
	b.before(`window.print = () => { window.printed = document.getElementById("receipt-lines").textContent; dispatchEvent(new Event("afterprint")); }`)
	b.open("/u/wedding")
	b.choose(first)
	b.send()
	b.see("#receipt-list .item")
	b.reads("#receipt-list", "cbf43926")
	code := b.text("#share-code")

	b.click("#save-csv")
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b.file(), []byte("\ufeff")))).ReadAll()
	e.must(err)
	if len(rows) != 2 || rows[1][0] != `a "b", c.jpg` || rows[1][1] != "9" || rows[1][3] != "cbf43926" {
		t.Errorf("the table is %q", rows)
	}
	b.click("#save-json")
	var receipt struct {
		Code  string
		Files []struct{ CRC32 string }
	}
	e.must(json.Unmarshal(b.file(), &receipt))
	if receipt.Code != code || len(receipt.Files) != 1 || receipt.Files[0].CRC32 != "cbf43926" {
		t.Errorf("the receipt is %+v", receipt)
	}
	b.click("#print-list")
	b.holds(`window.printed?.startsWith("cbf43926  9 bytes  a ")`)
	b.holds(`document.getElementById("receipt-lines").textContent === ""`)
	b.click("#print")
	b.holds(`window.printed === ""`)

	b.click("#again")
	b.reads("#earlier", "1 file, 9 bytes")
	b.look("upload-again")
	b.choose(alone(t, "second.jpg", []byte("second")))
	b.send()
	b.reads("#receipt-list", "second")
	b.open("/u/wedding")
	b.reads("#receipt-list", "second")
	b.press("#earlier", "Show the receipt")
	b.reads("#share-code", code)
}

// file waits for what the page gives to save.
func (b *tab) file() []byte {
	b.t.Helper()
	select {
	case path := <-b.fetched:
		data, err := os.ReadFile(path)
		b.must(err)
		return data
	case <-time.After(patience):
		b.t.Fatal("nothing was saved")
		return nil
	}
}

// begun sends a film half way and closes the page.
func (e *env) begun(b *tab, film string) {
	e.t.Helper()
	release := e.hold(2)
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(film)
	b.send()
	b.reads("#fact-sent", "21.0 MB")
	b.do(chromedp.Navigate("about:blank"))
	release()
}

func TestNewTransferAsksWhatBecomesOfTheOld(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	one := int64(1)
	e.patch(transfer.LinkPatch{MaxTransfers: given(&one)})
	film := alone(t, "film.mov", pattern(40<<20))
	b := e.openTab("en")
	e.begun(b, film)
	b.excuse("410")
	b.open("/u/wedding")
	b.reads("#drop-title", "Go on where you stopped")
	if b.eval(`document.getElementById("recall-new").hidden`) != "true" {
		t.Error("a link that takes no other transfer offers one")
	}
	e.patch(transfer.LinkPatch{MaxTransfers: given[*int64](nil)})
	b.open("/u/wedding")
	b.click("#recall-new")
	b.reads("#question", "Start a new transfer?")
	b.look("upload-anew")
	b.press("#question", "Keep it for later")
	b.reads("#earlier", "Not finished")
	b.reads("#drop-title", "Drop folders or files here")
	b.press("#earlier", "Go on")
	b.reads("#drop-title", "Go on where you stopped")
	b.click("#recall-new")
	b.press("#question", "Delete it")
	b.reads("#drop-title", "Drop folders or files here")
	b.holds(`document.getElementById("earlier").hidden`)
	all := ask[api.Transfers](e, 200, "GET", "/api/v1/transfers", e.studio, nil).Transfers
	if len(all) != 1 || all[0].State != transfer.Aborted {
		t.Errorf("the old transfer is %+v", all)
	}
	b.choose(alone(t, "other.jpg", []byte("other")))
	b.send()
	b.see("#done")
}

func TestSendingThatWaitedTooLongIsTold(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	e.begun(b, alone(t, "film.mov", pattern(40<<20)))
	e.clock.advance(8 * 24 * time.Hour)
	e.must(e.Server.transfers.Sweep(t.Context()))
	b.excuse("410")
	b.excuse("401")
	b.excuse("404")
	b.open("/u/wedding")
	b.reads("#drop-notices", "Your earlier sending is over")
	b.look("upload-expired")
	b.choose(alone(t, "a.jpg", []byte("a")))
	b.send()
	b.see("#done")
}

func TestAddressInAnOpenTabIsFollowed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.open("/u/wedding")
	b.see("#drop")
	b.eval(fmt.Sprintf(`location.hash = "#t=%s.%s"`, s.ID, s.UploadToken))
	b.reads("#share-code", s.done.Share.Code)
}
