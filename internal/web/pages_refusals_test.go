package web

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

func TestServerThatRefusesIsNamed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.excuse("503")
	b.excuse("507")
	b.excuse("409")
	b.open("/u/wedding")
	b.choose(alone(t, "film.mov", pattern(40<<20)), alone(t, "small.jpg", []byte("small")))
	fail := func(err error, ops ...blob.Op) {
		e.fault.set(func(op blob.Op, when blob.When) error {
			for _, one := range ops {
				if op == one && when == blob.Before {
					return err
				}
			}
			return nil
		})
	}
	b.network(network.Conditions{Offline: true})
	b.excuse("net::ERR_")
	b.send()
	b.reads("#ready-notices", "You are offline")
	b.look("upload-starting")
	b.press("#ready-notices", "Stop trying")
	b.reads("#send", "Send 2 files")
	b.network(network.Conditions{})

	fail(fmt.Errorf("no: %w", blob.ErrUnavailable), blob.OpPutPart, blob.OpPut, blob.OpCreateUpload)
	b.click("#send")
	b.reads("#notices", "The storage does not answer")
	b.holds(`document.getElementById("status").textContent === "Waiting. It is tried again by itself."`)
	b.look("upload-storage")
	fail(fmt.Errorf("no: %w", blob.ErrFull), blob.OpPutPart, blob.OpPut, blob.OpCreateUpload)
	b.press("#notices", "Try now")
	b.reads("#notices", "The storage is full")
	b.look("upload-storage-full")
	fail(fmt.Errorf("no: %w", blob.ErrUnavailable), blob.OpPutPart)
	b.press("#notices", "Try now")
	b.reads("#count-sent", "1")
	fail(fmt.Errorf("no: %w", blob.ErrUnavailable), blob.OpComplete)
	b.press("#notices", "Try now")
	b.reads("#notices", "Nearly done")
	b.look("upload-completing")
	e.fault.set(nil)
	e.clock.advance(time.Hour) // past every lease
	e.must(e.Server.transfers.Sweep(t.Context()))
	b.see("#done")
}

func TestFilesThatDoNotFitAreKnownFirst(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	most, room := int64(1000), int64(5000)
	e.patch(transfer.LinkPatch{MaxFileBytes: given(&most), MaxBytes: given(&room)})
	paths := fill(t, t.TempDir(), []string{"large.mov", "ok.jpg"}, func(name string) []byte {
		return pattern(map[string]int{"large.mov": 1001, "ok.jpg": 1000}[name])
	})
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(paths...)
	b.reads("#ready-notices", "1 file cannot be sent. This link takes files up to 1.0 kB.")
	b.look("upload-unfit")
	b.press("#ready-notices", "Leave them out")
	b.reads("#chosen", "1 file, 1.0 kB")
	many := fill(t, t.TempDir(), []string{"1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"}, func(string) []byte { return pattern(999) })
	b.choose(many...)
	b.reads("#ready-notices", "This does not fit.")
	b.look("upload-room")
	b.excuse("413")
	b.excuse("409")
	b.send()
	b.reads("#notices", "This does not fit.")
	b.look("upload-quota")
	b.press("#notices", "Finish without them")
	b.reads("#notices", "Nothing has arrived yet")
}

func TestSendingEndedElsewhere(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	release := e.hold(1)
	b := e.openTab("en")
	for _, code := range []string{"401", "404", "409", "410", "503"} {
		b.excuse(code)
	}
	b.open("/u/wedding")
	b.choose(alone(t, "film.mov", pattern(40<<20)))
	b.send()
	b.reads("#fact-sent", "10.5 MB")
	all := ask[api.Transfers](e, 200, "GET", "/api/v1/transfers", e.studio, nil).Transfers
	if a := e.do("DELETE", "/api/v1/transfers/"+all[0].ID, e.studio, nil); a.StatusCode != http.StatusNoContent {
		t.Fatalf("delete: %d %s", a.StatusCode, a.body)
	}
	release()
	b.reads("#ended-title", "Sending has ended")
	b.look("upload-ended")
	b.click("#ended-again")
	b.see("#drop")
}

// Scripts that take from a page what it keeps things in.
const (
	noStorage  = `Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } });`
	noDatabase = `Object.defineProperty(window, "indexedDB", { get() { throw new DOMException("no", "SecurityError"); } });`
	// Some browsers never answer whether a database opens.
	muteDatabase = `indexedDB.open = () => ({});`
)

func TestBrowserThatKeepsNothingIsTold(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	release := e.hold(1)
	b := e.openTab("en")
	b.excuse("503")
	b.before(noStorage + noDatabase)
	b.open("/u/wedding")
	b.choose(alone(t, "film.mov", pattern(30<<20)))
	b.send()
	b.reads("#notices", "This browser keeps nothing.")
	b.click("#elsewhere > summary")
	b.look("upload-forgetful")
	release()
	b.press("#notices", "Try now")
	b.see("#done")
}

// TestSendingsAreKeptWhereverTheBrowserCan reloads the page in the middle: what to go
// on with is in the database, written at once, or else in the slower storage.
func TestSendingsAreKeptWhereverTheBrowserCan(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{"database": noStorage, "storage": noDatabase, "storage for want of an answer": muteDatabase} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil)
			release := e.hold(1)
			b := e.openTab("en")
			b.excuse("503")
			b.before(script + `
				window.written = [];
				const { transaction } = IDBDatabase.prototype;
				IDBDatabase.prototype.transaction = function (tables, mode, options) {
					if (mode === "readwrite" && this.name === "lenzeye.sendings") written.push(options?.durability);
					return transaction.call(this, tables, mode, options);
				};`)
			film := alone(t, "film.mov", pattern(30<<20))
			b.open("/u/wedding")
			b.choose(film)
			b.send()
			b.see("#sending")
			b.holds(`parseFloat(document.getElementById("fact-sent").textContent) > 0`)
			want := "strict,strict"
			if name != "database" {
				want = ""
			}
			if got := b.eval(`written.join()`); got != want {
				t.Errorf("written to the database: %q, want %q", got, want)
			}
			b.open("/u/wedding")
			b.see("#recall-new")
			b.choose(film)
			release()
			b.click("#send")
			b.see("#done")
			wantSame(t, e.arrived(), map[string][]byte{"film.mov": pattern(30 << 20)})
		})
	}
}

func TestBatteryAndMeteredConnectionsAreSaid(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	release := e.hold(2)
	b := e.openTab("en")
	b.excuse("503")
	b.before(`
		const battery = Object.assign(new EventTarget(), { level: 0.14, charging: false });
		navigator.getBattery = async () => battery;
		Object.defineProperty(navigator, "connection", { value: Object.assign(new EventTarget(), { saveData: true }) });
		window.locked = [];
		navigator.wakeLock.request = async () => {
			const lock = { released: false, release: async () => { lock.released = true; } };
			locked.push(lock);
			return lock;
		};`)
	b.open("/u/wedding")
	b.choose(alone(t, "film.mov", pattern(70<<20)))
	b.reads("#ready-notices", "This connection may cost by the byte.")
	b.send()
	b.reads("#notices", "Your battery is low, 14 %.")
	b.reads("#fact-sent", "21.0 MB")
	b.look("upload-sparing")
	if n := len(b.sent("PUT ")); n > 4 {
		t.Errorf("%d parts were begun, want two sent and two in flight", n)
	}
	b.holds(`locked.length === 1 && !locked[0].released`)
	b.eval(`document.dispatchEvent(new Event("visibilitychange"))`)
	b.eval(`(locked[0].released = true, document.dispatchEvent(new Event("visibilitychange")))`)
	b.holds(`locked.length === 2`)
	b.press("#notices", "Pause")
	b.reads("#notices", "Paused.")
	b.holds(`locked.at(-1).released`)
	b.click("#pause")
	release()
	b.press("#notices", "Go on as usual")
	b.press("#notices", "Go on as usual")
	b.see("#done")
}

func TestBytesThatChangeWhileSentAreNotJoined(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	old, changed := pattern(45<<20), bytes.Repeat([]byte("other "), 45<<20/6+1)[:45<<20]
	film := alone(t, "film.mov", old)
	date := time.Now().Add(time.Hour) // so fresh that nothing but its bytes can tell, however busy the machine
	e.must(os.Chtimes(film, date, date))
	release := e.hold(2)
	b := e.openTab("en")
	b.excuse("503")
	b.open("/u/wedding")
	b.choose(film)
	b.send()
	b.holds(`parseFloat(document.getElementById("fact-sent").textContent) > 15`)
	e.swap(film, changed, date)
	release()
	b.press("#notices", "Try now")
	b.see("#done")
	wantSame(t, e.arrived(), map[string][]byte{"film.mov": changed})
}

// TestTenThousandFilesAreFewNodes also shows what they take of the page's time.
func TestTenThousandFilesAreFewNodes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	const count = 10_000
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("Card %d/IMG_%05d.jpg", i%7, i))
	}
	dir := filepath.Join(t.TempDir(), "Trip")
	fill(t, dir, names, func(string) []byte { return []byte("x") })
	b := e.openTab("en")
	b.excuse("503")
	b.before(`window.slices = []; new PerformanceObserver((list) => {
		for (const frame of list.getEntries()) for (const script of frame.scripts) slices.push(Math.round(script.duration));
	}).observe({ type: "long-animation-frame" });`)
	b.open("/u/wedding")
	b.see("#drop")
	e.fault.set(func(op blob.Op, when blob.When) error {
		if op == blob.OpPut {
			return fmt.Errorf("not yet: %w", blob.ErrUnavailable)
		}
		return nil
	})
	begun := b.mainThread()
	b.chooseFolder(dir)
	b.reads("#chosen", "10,000 files")
	b.send()
	b.reads("#count-all", "10,000")
	b.holds(`!document.getElementById("notices").innerText.includes("Starting")`)
	declared := func() int64 {
		all := ask[api.Transfers](e, 200, "GET", "/api/v1/transfers", e.studio, nil).Transfers
		if len(all) == 0 {
			return 0
		}
		return all[0].Files.Total
	}
	b.holds(`document.getElementById("count-all").textContent === "10,000"`)
	for deadline := time.Now().Add(3 * patience); declared() < count; {
		if time.Now().After(deadline) {
			t.Fatalf("%d files are declared", declared())
		}
		b.eval(`new Promise((done) => setTimeout(done, 100))`)
	}
	spent := b.mainThread() - begun
	// Wall time is the machine's as much as the page's: it is shown and not judged.
	longest, _ := strconv.ParseFloat(b.eval(`Math.max(0, ...slices)`), 64)
	t.Logf("10,000 files: %v of the main thread, the longest slice of the page's own work %.0f ms", spent, longest)
	if n, _ := strconv.Atoi(b.eval(`document.querySelectorAll("*").length`)); n > 1500 {
		t.Errorf("%d nodes are in the page", n)
	}
	b.do(chromedp.Navigate("about:blank"))
}

// TestCorrectedDetailsCount: the server heard a start whose answer was lost, and the
// guest corrects the address before the next.
func TestCorrectedDetailsCount(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.open("/u/wedding")
	b.choose(alone(t, "a.jpg", pattern(5000)))
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const { fetch } = window;
		window.lose = true;
		window.fetch = async (url, options) => {
			const answer = await fetch(url, options);
			if (window.lose && String(url).endsWith("/u/wedding/transfers")) throw new TypeError("lost");
			return answer;
		};
	}`))
	b.write("#email", "bob@exmaple.com")
	b.click("#send")
	b.press("#ready-notices", "Stop trying")
	b.reads("#send", "Send 1 file")
	b.eval(`window.lose = false`)
	b.write("#email", "bob@example.com")
	b.write("#message", "For the album only")
	b.click("#send")
	b.see("#done")
	b.reads("#done-mail", "on its way to bob@example.com")
	found := map[string]bool{}
	for _, one := range ask[api.Transfers](e, 200, "GET", "/api/v1/transfers", e.studio, nil).Transfers {
		found[fmt.Sprint(one.State, " ", one.SenderEmail, " ", one.Message)] = true
	}
	want := map[string]bool{"complete bob@example.com For the album only": true, "aborted bob@exmaple.com ": true}
	if !maps.Equal(found, want) {
		t.Errorf("transfers %v, want %v", found, want)
	}
}
