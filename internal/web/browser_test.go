package web

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// patience is how long a page may take for one step.
const patience = 4 * time.Minute

// tab is a page in a Chromium of the test's own. It notes what no page may do:
// errors on the console, broken rules of the content policy, requests to others.
type tab struct {
	t   *testing.T
	ctx context.Context
	e   *env

	mu       sync.Mutex
	faults   []string
	excused  []string // parts of faults that the test brings about
	requests []string // method and path
	weight   float64  // bytes of answers on the wire
	fetched  chan string
	axeOnce
}

// openTab starts a browser that asks for pages in a language.
func (e *env) openTab(language string) *tab {
	e.t.Helper()
	dir := e.t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testenv.Chromium(e.t)), chromedp.NoSandbox,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.WindowSize(1280, 900))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.WithoutCancel(e.t.Context()), options...)
	ctx, stop := chromedp.NewContext(allocator)
	e.t.Cleanup(func() { stop(); stopAllocator() })
	b := &tab{t: e.t, ctx: ctx, e: e, fetched: make(chan string, 16)}
	b.begin(language, filepath.Join(dir, "fetched"))
	return b
}

// another opens a second tab with cookies and memory of its own.
func (b *tab) another() *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(stop)
	c := &tab{t: b.t, ctx: ctx, e: b.e, fetched: make(chan string, 16)}
	c.begin("en", filepath.Join(b.t.TempDir(), "fetched"))
	return c
}

func (b *tab) begin(language, fetched string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx))
	b.must(chromedp.Listen(b.ctx, b.watch))
	headers := network.Headers{"Accept-Language": language}
	_, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers})
	b.must(err)
	yes := true
	params := browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: fetched, EventsEnabled: &yes,
		BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	}
	_, err = chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, params)
	b.must(err)
	b.must(chromedp.ListenBrowser(b.ctx, func(event any) {
		if p, ok := event.(*browser.EventDownloadProgress); ok && p.State == browser.DownloadProgressStateCompleted {
			b.fetched <- filepath.Join(fetched, p.GUID)
		}
	}))
	b.t.Cleanup(b.wantNoFaults)
}

func (b *tab) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.faults = append(b.faults, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		said := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
		b.faults = append(b.faults, "exception: "+said)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.faults = append(b.faults, fmt.Sprintf("console: %s", e.Args[0].Description))
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || (u.Scheme != "blob" && u.Scheme != "data" && u.Scheme+"://"+u.Host != b.e.base) {
			b.faults = append(b.faults, "request to another site: "+e.Request.URL)
			return
		}
		b.requests = append(b.requests, e.Request.Method+" "+u.Path)
	case *network.EventLoadingFinished:
		b.weight += e.EncodedDataLength
	}
}

// excuse lets faults pass that hold the text, because the test asks for them.
func (b *tab) excuse(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.excused = append(b.excused, text)
}

func (b *tab) wantNoFaults() {
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for _, fault := range b.faults {
		for _, text := range b.excused {
			if strings.Contains(fault, text) {
				continue next
			}
		}
		b.t.Errorf("the page did: %s", fault)
	}
}

// sent lists requests so far that begin with the text, and forgets them all.
func (b *tab) sent(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, request := range b.requests {
		if strings.HasPrefix(request, prefix) {
			out = append(out, request)
		}
	}
	b.requests = nil
	return out
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	b.must(chromedp.Do(ctx, steps...))
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.e.base + path))
}

// see waits until an element is visible.
func (b *tab) see(selector string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`document.querySelector(%q)?.checkVisibility()`, selector))
}

// holds waits until an expression of the page is true.
func (b *tab) holds(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if b.scriptless { // what Poll leaves in the page would run once only
		b.looks(ctx, expression)
		return
	}
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(50*time.Millisecond))
	_, err := chromedp.Run(ctx, poll)
	for reloaded(err) && ctx.Err() == nil {
		_, err = chromedp.Run(ctx, poll)
	}
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.t.Fatalf("waiting for %s: %v; the page shows:\n%s", expression, err, text)
	}
}

// looks asks from outside of the page until an expression is true.
func (b *tab) looks(ctx context.Context, expression string) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		switch {
		case err == nil && is:
			return
		case err != nil && (ctx.Err() != nil || !reloaded(err)):
			b.t.Fatalf("waiting for %s: %v", expression, err)
		}
		<-tick.C
	}
}

// reloaded tells that a page went away while it was asked.
func reloaded(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "Cannot find context"))
}

// reads waits until the text of an element holds what is wanted.
func (b *tab) reads(selector, text string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`document.querySelector(%q)?.innerText.includes(%q)`, selector, text))
}

func (b *tab) eval(expression string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
	b.must(err)
	return v
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return b.eval(fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.see(selector)
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.see(selector)
	b.eval(fmt.Sprintf(`document.querySelector(%q).value = ""`, selector))
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// choose gives files to the picker that is in sight.
func (b *tab) choose(paths ...string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS("input[data-pick]:not([webkitdirectory])"), paths))
}

// chooseFolder gives a folder to its picker.
func (b *tab) chooseFolder(path string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS("input[data-pick][webkitdirectory]"), []string{path}))
}

// send fills in the address and starts.
func (b *tab) send() {
	b.t.Helper()
	b.write("#email", "anna@example.com")
	b.click("#send")
}

// views are the shapes in which every state is looked at.
var views = []struct {
	width  int64
	scheme string
	axe    bool // held to axe-core
}{{360, "light", false}, {768, "light", false}, {1600, "dark", false}, {1280, "light", true}, {1280, "dark", false}, {390, "light", false}, {390, "dark", true}}

// look holds the page at every width to having no sideways scrolling, in light and
// dark to axe-core, and for who wants no motion to standing still. It keeps
// screenshots in the folder LENZEYE_SCREENSHOTS.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, v := range views {
		b.do(chromedp.EmulateViewport(v.width, 900))
		b.media("", v.scheme)
		b.fits(fmt.Sprintf("%s at %d", name, v.width), v.width)
		if v.axe && !b.scriptless {
			b.axe(fmt.Sprintf("%s at %d, %s", name, v.width, v.scheme))
		}
		if v.width == 1280 || v.width == 390 {
			b.shot(fmt.Sprintf("%s-%d-%s", name, v.width, v.scheme))
		}
	}
	if moving := b.eval(`document.getAnimations().filter((a) => a.playState === "running").length`); moving != "0" {
		b.t.Errorf("%s: %s animations run although no motion is wanted", name, moving)
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}

// media emulates paper or a screen ("" for it), and a colour scheme, without motion.
func (b *tab) media(medium, scheme string) {
	b.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: features})
	b.must(err)
}

// fits fails where the page is wider than the window.
func (b *tab) fits(name string, width int64) {
	b.t.Helper()
	if wide, _ := strconv.Atoi(b.eval(`document.documentElement.scrollWidth`)); int64(wide) > width {
		b.t.Errorf("%s is %d px wide", name, wide)
	}
}

// shot keeps a screenshot of the page as it is, if any are kept.
func (b *tab) shot(name string) {
	b.t.Helper()
	folder := os.Getenv("LENZEYE_SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	b.must(err)
	b.must(os.MkdirAll(folder, 0o755))
	b.must(os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644))
}
