package web

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

// largestPicture is what one in the README may weigh.
const largestPicture = 150_000

// TestPicturesOfTheReadme makes the pictures that the README shows, from the pages
// as they are. With LENZEYE_PICTURES=keep it puts them into docs/images; else it
// holds those that are there to their use and weight.
func TestPicturesOfTheReadme(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	_, err := e.accounts.Rename(t.Context(), e.account.ID, "Halden & Rye")
	e.must(err)
	e.patch(transfer.LinkPatch{Title: given("Anna & Jonas, wedding, 14 June")})
	sizes := map[string]int{"Drone/DJI_0042.MP4": 24 << 20}
	for i := range 24 {
		sizes[fmt.Sprintf("Card A/HLD_%04d.CR3", 1+i)] = 1_100_000 + 13_337*i
		sizes[fmt.Sprintf("Card B/HLD_%04d.CR3", 501+i)] = 1_200_000 + 7_331*i
	}
	dir := filepath.Join(t.TempDir(), "Wedding")
	for name, size := range sizes {
		fill(t, dir, []string{name}, func(string) []byte { return pattern(size) })
	}
	release := e.hold(30)
	b := e.openTab("en")
	b.excuse("503")
	b.open("/u/wedding")
	b.chooseFolder(dir)
	b.reads("#chosen", "49 files")
	b.send()
	b.holds(`Number(document.getElementById("count-sent").textContent) >= 20`)
	b.picture("upload")
	release()
	b.see("#done")
	share, code := b.eval(`document.getElementById("share-link").href`), b.text("#share-code")
	b.open(strings.TrimPrefix(share, e.base))
	b.write("#code", code)
	b.click("#open")
	b.reads("#all-size", "exactly")
	b.click(".indent-1 .unfold")
	b.reads("#list", "HLD_0001")
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	b.picture("download")
}

// picture takes one of the README.
func (b *tab) picture(name string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(1200, 760))
	b.media("", "light")
	made, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.must(err)
	kept := filepath.Join("..", "..", "docs", "images", name+".png")
	if os.Getenv("LENZEYE_PICTURES") == "keep" {
		b.must(os.MkdirAll(filepath.Dir(kept), 0o755))
		b.must(os.WriteFile(kept, made, 0o644))
	}
	there, err := os.ReadFile(kept)
	b.must(err)
	for which, data := range map[string][]byte{"made": made, "kept": there} {
		shown, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil || shown.Width != 1200 || len(data) > largestPicture {
			b.t.Errorf("%s, %s: %d bytes, %d px wide, %v", name, which, len(data), shown.Width, err)
		}
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	b.must(err)
	if !bytes.Contains(readme, []byte("(docs/images/"+name+".png)")) {
		b.t.Errorf("the README does not show %s", kept)
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}
