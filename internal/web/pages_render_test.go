package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

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
	b.scriptless = true
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
	e.revoke(s)
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
	if n := b.eval(`document.querySelectorAll("img:not(.qr)").length`); n != "0" {
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

// TestPagesArePacked reads every page plain and compressed.
func TestPagesArePacked(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, path := range []string{"/", "/u/wedding", "/no/such/page"} {
		hindi := []string{"Accept-Language", "hi", "Accept-Encoding"}
		plain := e.do("GET", path, "", nil, append(hindi, "identity")...)
		packed := e.do("GET", path, "", nil, append(hindi, "gzip, br")...)
		z, err := gzip.NewReader(bytes.NewReader(packed.body))
		e.must(err)
		got, err := io.ReadAll(z)
		e.must(err)
		number := regexp.MustCompile(`<span class="mono">[^<]*</span>`)
		if !bytes.Equal(number.ReplaceAll(got, nil), number.ReplaceAll(plain.body, nil)) || len(packed.body)*2 > len(plain.body) {
			t.Errorf("%s: %d bytes packed, %d plain", path, len(packed.body), len(plain.body))
		}
		if packed.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" ||
			!strings.Contains(plain.Header.Get("Vary"), "Accept-Encoding") || int(packed.ContentLength) != len(packed.body) {
			t.Errorf("%s: headers %v and %v", path, packed.Header, plain.Header)
		}
	}
}

// TestModulesAreAskedForAtOnce reads what a page names for its script against
// what the browser then loads.
func TestModulesAreAskedForAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	for _, path := range []string{"/u/wedding", "/d/" + s.token} {
		named := regexp.MustCompile(`<link rel="modulepreload" href="([^"]+)">`).FindAllStringSubmatch(string(e.do("GET", path, "", nil).body), -1)
		b.sent("")
		b.open(path)
		b.holds(`document.readyState === "complete"`)
		loaded := b.sent("GET " + e.pages.base + "/js/")
		for _, name := range named {
			if !slices.Contains(loaded, "GET "+name[1]) {
				t.Errorf("%s names %s and loads %v", path, name[1], loaded)
			}
		}
		loaded = slices.DeleteFunc(loaded, func(name string) bool { return strings.HasSuffix(name, "worker.js") }) // no module of the page
		if len(loaded) != len(named)+1 || len(named) < 5 {
			t.Errorf("%s loads %d scripts and names %d of them", path, len(loaded), len(named))
		}
	}
}

// TestFirstPaintWaitsForNoScript keeps every script from the browser.
func TestFirstPaintWaitsForNoScript(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	gate := b.stopAt("*.js")
	loading := make(chan error, 1)
	go func() { loading <- chromedp.Do(b.ctx, chromedp.Navigate(e.base+"/u/wedding")) }()
	gate.reached()
	b.holds(`performance.getEntriesByName("first-contentful-paint").length === 1 && document.querySelector("h1").checkVisibility()`)
	gate.open()
	e.must(<-loading)
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
