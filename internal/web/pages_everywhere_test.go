package web

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// faces opens every page in a state in which it has much on it, those of studios too.
func (b *tab) faces(s sent) map[string]func() {
	b.t.Helper()
	th := b.e.things()
	faces := map[string]func(){
		"home":     func() { b.forget(); b.open("/") },
		"upload":   func() { b.open("/u/wedding"); b.see("#drop") },
		"code":     func() { b.forget(); b.open("/d/" + s.token); b.see("#form") },
		"download": func() { b.forget(); b.unlock(s) },
		"problem":  func() { b.excuse("404"); b.open("/no/such/page"); b.see("main") },
	}
	for _, rt := range studioPages() {
		faces[strings.ReplaceAll(rt.pattern[1:], "/", "-")] = func() {
			b.cookie(th.session)
			b.open(th.path(rt.pattern))
			b.see("main")
			b.holds(`document.readyState === "complete" && !document.querySelector("main [aria-busy=true]:not([hidden])")?.checkVisibility()`)
		}
	}
	return faces
}

// TestPagesRunFromTheRight turns every page round: nothing may stick out at the
// side, and arrows point the other way.
func TestPagesRunFromTheRight(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"Card A/long-name-of-a-photograph-that-is-cut-where-it-must.jpg": pattern(10), "Card A/Sub/b.jpg": pattern(20), "c.jpg": nil})
	b := e.openTab("en")
	for name, open := range b.faces(s) {
		open()
		b.eval(`document.documentElement.setAttribute("dir", "rtl")`)
		for _, width := range []int64{360, 390, 768, 1280} {
			b.do(chromedp.EmulateViewport(width, 900))
			b.fits(fmt.Sprintf("%s from the right at %d", name, width), width)
		}
		b.shot(name + "-rtl")
		if bad := b.eval(`[...document.querySelectorAll(".icon.turn")].filter((icon) => icon.checkVisibility() && !icon.closest("[aria-expanded=true], [open]")
			&& new DOMMatrix(getComputedStyle(icon).transform).a !== -1).map((icon) => icon.parentElement.outerHTML).join("\n")`); bad != "" {
			t.Errorf("%s: arrows point the wrong way: %s", name, bad)
		}
		if got := b.eval(`[...document.querySelectorAll("main :is(h1, p, label)")].filter((n) => n.checkVisibility()
			&& getComputedStyle(n).textAlign === "left").length`); got != "0" {
			t.Errorf("%s: %s texts are aligned to the left", name, got)
		}
	}
}

// TestEveryControlIsReachedByTab walks each page by the keyboard.
func TestEveryControlIsReachedByTab(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"Card A/a.jpg": pattern(10), "Card B/b.jpg": pattern(20), "c.jpg": nil})
	b := e.openTab("en")
	for name, open := range b.faces(s) {
		open()
		b.eval(`(() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); window.reached = new Set(); })()`)
		for range 100 {
			b.do(chromedp.KeyEvent(kb.Tab))
			here := b.eval(`(() => {
				const at = document.activeElement;
				const [first] = window.reached;
				if (at === document.body || (at === first && window.reached.size > 1)) return "END";
				if (window.reached.has(at)) return ""; // a field for a date has several stops
				window.reached.add(at);
				const looks = [getComputedStyle(at), getComputedStyle(at, "::after")];
				const around = at.closest(".btn, .seg > *");
				if (around) looks.push(getComputedStyle(around));
				const marks = at.matches(".code-input") && looks[0].backgroundSize.endsWith("4px");
				const seen = marks || looks.some((look) => look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2);
				const box = at.getBoundingClientRect();
				return (seen ? "" : "BARE ") + (box.bottom > 0 && box.top < innerHeight ? "" : "UNSEEN ") + at.outerHTML.slice(0, 200);
			})()`)
			if strings.HasPrefix(here, "BARE ") || strings.HasPrefix(here, "UNSEEN ") {
				t.Errorf("%s: the focus cannot be seen at %s", name, here)
			}
			if here == "END" {
				break
			}
		}
		missed := b.eval(`[...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
			.filter((n) => n.checkVisibility({visibilityProperty: true}) && !n.disabled && n.tabIndex >= 0 && !window.reached.has(n)
				&& !(n.type === "radio" && document.querySelector("input[name='" + n.name + "']:checked") !== n))
			.map((n) => n.outerHTML.slice(0, 160)).join("\n")`)
		if missed != "" {
			t.Errorf("%s: Tab does not reach\n%s", name, missed)
		}
	}
}

// TestMotionStops counts what moves where a page has something that does.
func TestMotionStops(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.unlock(s)
	gate := b.stopAt("*/api/v1/d/*")
	go func() { _ = chromedp.Do(b.ctx, chromedp.Reload()) }()
	gate.reached()
	b.see(`#loading [aria-busy="true"]`)
	const moving = `document.getAnimations().filter((a) => a.playState === "running").length`
	for want, got := range map[string]string{"no-preference": `%s > 0`, "reduce": `%s === 0`} {
		params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: want}}}
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, params)
		e.must(err)
		b.holds(fmt.Sprintf(got, moving))
	}
	gate.open()
}

// TestPagesArePrinted puts the receipt and the page of a share on paper.
func TestPagesArePrinted(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"Card A/a.jpg": pattern(10), "c.jpg": nil})
	paths := fill(t, t.TempDir(), []string{"a.jpg"}, func(string) []byte { return pattern(10) })
	b := e.openTab("en")
	states := map[string]func(){
		"download": func() { b.unlock(s) },
		"upload":   func() { b.open("/u/wedding"); b.choose(paths...); b.send(); b.see("#done") },
	}
	for name, reach := range states {
		reach()
		b.media("print", "dark") // paper is white whatever the screen is
		b.do(chromedp.EmulateViewport(700, 990))
		b.fits(name+" on paper", 700)
		if n := b.eval(`[...document.querySelectorAll("button:not(.unfold), .btn, input, .skip")].filter((n) => n.checkVisibility()).length`); n != "0" {
			t.Errorf("%s: %s controls are printed", name, n)
		}
		if ground := b.eval(`getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color`); ground != "rgb(255, 255, 255)rgb(0, 0, 0)" {
			t.Errorf("%s is printed in %s", name, ground)
		}
		b.keepPDF(name)
		b.media("", "light")
		b.do(chromedp.EmulateViewport(1280, 900))
	}
}

// keepPDF keeps what would be printed beside the screenshots.
func (b *tab) keepPDF(name string) {
	b.t.Helper()
	folder := os.Getenv("LENZEYE_SCREENSHOTS")
	if folder == "" {
		return
	}
	paper, err := chromedp.Call(b.ctx, page.PrintToPDF, page.PrintToPDFParams{})
	b.must(err)
	b.must(os.MkdirAll(folder, 0o755))
	b.must(os.WriteFile(filepath.Join(folder, name+".pdf"), paper.Data, 0o644))
}
