package web

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// picks lets the browser's picker of folders answer with what an expression gives: no
// test can press the buttons of its window.
func (b *tab) picks(expression string) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`window.showDirectoryPicker = async () => { window.asked = (window.asked ?? 0) + 1; return %s; }`, expression))
}

// Folders of the browser's own storage, with a file in it and none; and one that breaks
// after its first file.
const (
	brokenFolder = `{ kind: "directory", name: "Card", async *values() {
		yield { kind: "file", name: "a.jpg", getFile: async () => new File(["bytes"], "a.jpg") };
		throw new DOMException("", "NotReadableError");
	} }`
	emptyFolder = `(await navigator.storage.getDirectory()).getDirectoryHandle("Empty", { create: true })`
	fullFolder  = `(async () => {
		const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("Card" + window.asked, { create: true });
		const writable = await (await folder.getFileHandle("a.jpg", { create: true })).createWritable();
		await writable.write("bytes");
		await writable.close();
		return folder;
	})()`
)

// TestChoiceThatGivesNothingIsAnswered: a picker that is given up, a folder without a
// file and one that cannot be read each end in a sentence, and none in a page that
// counts for ever.
func TestChoiceThatGivesNothingIsAnswered(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.excuse("NotReadableError")
	b.open("/u/wedding")
	const folder = `#drop-pick [data-folder]`
	b.see(folder)
	b.picks(emptyFolder)
	b.click(folder)
	b.reads("#drop-notices", "There is no file in it.")
	b.look("upload-empty-folder")

	b.picks(`{ get name() { throw new DOMException("", "NotReadableError"); } }`)
	b.click(folder)
	b.reads("#drop-notices", "What you chose could not be read.")
	b.press("#drop-notices", "Close")
	b.holds(`document.getElementById("drop-notices").children.length === 0`)

	b.picks(brokenFolder)
	b.click(folder)
	b.reads("#ready-notices", "1 file cannot be sent.")
	b.reads("#ready-notices", "Was the card taken out")
	b.reads("#chosen", "1 file,")
	b.holds(`!document.getElementById("ready").innerText.includes("Reading your files")`)
}

// TestPickerThatIsGivenUpStaysTheOneThatIsKnownLater: one Cancel must not cost the
// handles with which a sending goes on after a reload.
func TestPickerThatIsGivenUpStaysTheOneThatIsKnownLater(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.open("/u/wedding")
	const folder = `#drop-pick [data-folder]`
	b.see(folder)
	b.eval(`document.querySelector("#drop-pick [webkitdirectory]").addEventListener("click", (event) => { window.plain = !event.defaultPrevented; event.preventDefault(); })`)
	b.picks(`Promise.reject(new DOMException("", "AbortError"))`)
	b.click(folder)
	b.reads("#drop-notices", "Nothing was chosen.")
	b.look("upload-unchosen")
	b.press("#drop-notices", "Choose another way")
	b.holds(`window.plain && window.asked === 1`) // the browser's plain picker
	b.picks(fullFolder)
	b.click(folder)
	b.reads("#chosen", "1 file,")
	b.holds(`window.asked === 2 && document.getElementById("ready-notices").children.length === 0`)
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const { put } = IDBObjectStore.prototype;
		IDBObjectStore.prototype.put = function (row, key) {
			if (row.roots) this.transaction.addEventListener("complete", () => { window.handlesKept = row.roots.length; });
			return put.call(this, row, key);
		};
	}`))
	release := e.hold(0)
	b.excuse("503")
	b.send()
	b.holds(`window.handlesKept === 1`)
	b.click("#pause")
	b.reads("#notices", "Paused.")
	b.click("#sending [data-folder]") // what is added to a sending that is paused is known as well
	b.holds(`window.handlesKept === 2`)
	b.do(chromedp.Reload())
	release()
	b.click("#recall-go")
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"Card2/a.jpg": []byte("bytes"), "Card3/a.jpg": []byte("bytes")})
}

// TestCancelledPickerIsForgottenWhenTheSendingMovesOn: what answered a press is of no
// use on a receipt; which files cannot be sent is said of those that cannot be sent now.
func TestCancelledPickerIsForgottenWhenTheSendingMovesOn(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.excuse("503")
	b.open("/u/wedding")
	b.do(chromedp.Evaluate[chromedp.Void](`{ import(document.querySelector("script[type=module]").src).then((page) => { window.sender = page.sender; }); }`))
	b.holds(`Boolean(window.sender)`)
	names := func(want string) {
		b.holds(fmt.Sprintf(`document.querySelector("#ready-notices .names")?.textContent === %q`, want))
	}
	b.do(chromedp.Evaluate[chromedp.Void](`{ sender.add([{ path: "a.jpg" }]); }`))
	names("a.jpg")
	b.do(chromedp.Evaluate[chromedp.Void](`{ sender.add([{ path: "a.jpg", file: new File(["a"], "a.jpg") }, { path: "b.jpg" }]); }`))
	names("b.jpg")
	b.press("#ready-notices", "Leave them out")

	release := e.hold(0)
	b.send()
	b.picks(`Promise.reject(new DOMException("", "AbortError"))`)
	b.click("#sending [data-folder]")
	b.reads("#notices", "Nothing was chosen.")
	release()
	b.see("#done")
	b.holds(`document.getElementById("done-notices").children.length === 0`)
}

// TestLateFolderIsKnownAfterAReload: a folder that comes while the transfer closes goes
// with the next one, or with this one where it was not complete; the browser knows it.
func TestLateFolderIsKnownAfterAReload(t *testing.T) {
	t.Parallel()
	const passed, refused = `fetch(url, options)`, `new Response('{"code":"transfer_empty","request_id":"r"}', { status: 409 })`
	for name, answer := range map[string]string{"the next": passed, "this one": refused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil)
			release := e.hold(0)
			b := e.openTab("en")
			b.excuse("503")
			b.open("/u/wedding")
			b.choose(alone(t, "a.jpg", pattern(5000)))
			b.do(chromedp.Evaluate[chromedp.Void](`{
				const { put } = IDBObjectStore.prototype;
				IDBObjectStore.prototype.put = function (row, key) {
					if (row.roots) this.transaction.addEventListener("complete", () => { window.handlesKept = row.roots.length; });
					return put.call(this, row, key);
				};
				const { fetch } = window;
				window.fetch = async (url, options) => {
					if (!String(url).endsWith("/complete") || window.go) return fetch(url, options);
					await new Promise((go) => { window.go = go; });
					return ` + answer + `;
				};
			}`))
			b.send()
			b.picks(`new Promise((give) => { window.give = give; }).then(() => ` + fullFolder + `)`)
			b.click("#sending [data-folder]")
			b.holds(`Boolean(window.give)`)
			release()
			b.holds(`Boolean(window.go)`)
			b.eval(`window.give()`)
			b.reads("#notices", "1 file came too late for this transfer.")
			late := e.hold(0) // so that they are not all there before the page draws again
			b.eval(`window.go()`)
			if answer == passed {
				b.press("#done-notices", "Send them in another")
				b.reads("#chosen", "1 file,")
				b.send()
			}
			b.holds(`window.handlesKept === 1`)
			late()
			b.see("#done")
		})
	}
}
