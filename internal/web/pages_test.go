package web

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

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
	if got := b.download(name); !bytes.Equal(got, want) {
		b.t.Errorf("%s: %d bytes were fetched, not the %d that were sent", name, len(got), len(want))
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
