package web

import (
	"bytes"
	"encoding/xml"
	"image"
	"image/color"
	_ "image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/lenzeye/lenzeye/internal/api"
)

// readQR reads a picture of a QR code that stands straight and has nothing around it:
// looking for one in a photograph fails this reader for some one in a hundred.
func readQR(t *testing.T, picture image.Image) string {
	t.Helper()
	bits, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	pure := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true}
	found, err := qrcode.NewQRCodeReader().Decode(bits, pure)
	if err != nil {
		t.Fatal(err)
	}
	return found.GetText()
}

// paintSVG paints what qr.svg is made of: a white ground and dark runs.
func paintSVG(t *testing.T, source []byte) image.Image {
	t.Helper()
	var svg struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(source, &svg); err != nil || len(svg.Paths) != 2 || svg.Paths[0].Fill != "#fff" {
		t.Fatalf("%v: %.200s", err, source)
	}
	const scale = 8
	size, err := strconv.Atoi(strings.Fields(svg.ViewBox)[2])
	if err != nil {
		t.Fatal(err)
	}
	picture := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	for i := range picture.Pix {
		picture.Pix[i] = 0xff
	}
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg.Paths[1].D, -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		n, _ := strconv.Atoi(run[3])
		for py := y * scale; py < (y+1)*scale; py++ {
			for px := x * scale; px < (x+n)*scale; px++ {
				picture.SetGray(px, py, color.Gray{})
			}
		}
	}
	return picture
}

func TestLinksHaveCodesThatPhonesRead(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, slug := range []string{"", "abc", strings.Repeat("long-slug-", 6)} {
		l := ask[api.Link](e, 201, "POST", "/api/v1/links", e.studio, api.NewLink{Slug: strings.Trim(slug, "-")})
		a := e.do("GET", "/api/v1/links/"+l.ID+"/qr.png", e.studio, nil)
		picture, kind, err := image.Decode(bytes.NewReader(a.body))
		e.must(err)
		if kind != "png" || a.Header.Get("Content-Type") != "image/png" || picture.Bounds().Dx() < qrLeast {
			t.Errorf("%s %s of %v", kind, a.Header.Get("Content-Type"), picture.Bounds())
		}
		if got := readQR(t, picture); got != l.URL {
			t.Errorf("the PNG says %q, want %q", got, l.URL)
		}
		for i := range picture.Bounds().Dx() { // the quiet zone
			if r, g, b, _ := picture.At(i, 20).RGBA(); r+g+b != 3*0xffff {
				t.Fatalf("the quiet zone is dark at %d", i)
			}
		}
		v := e.do("GET", "/api/v1/links/"+l.ID+"/qr.svg", e.studio, nil)
		if v.Header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("the SVG is %s", v.Header.Get("Content-Type"))
		}
		if got := readQR(t, paintSVG(t, v.body)); got != l.URL {
			t.Errorf("the SVG says %q, want %q", got, l.URL)
		}
		if head := e.do("HEAD", "/api/v1/links/"+l.ID+"/qr.svg", e.studio, nil); head.ContentLength != int64(len(v.body)) || len(head.body) != 0 {
			t.Errorf("HEAD: %d of %d bytes", head.ContentLength, len(v.body))
		}
	}
}

// TestSharesHaveCodesThatPhonesRead: whoever has the address may have it drawn, until it opens nothing more.
func TestSharesHaveCodesThatPhonesRead(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	path := "/api/v1/d/" + s.token + "/qr"
	picture, _, err := image.Decode(bytes.NewReader(e.do("GET", path+".png", "", nil).body))
	e.must(err)
	if got := readQR(t, picture); got != s.done.Share.URL {
		t.Errorf("the PNG says %q, want %q", got, s.done.Share.URL)
	}
	if got := readQR(t, paintSVG(t, e.do("GET", path+".svg", "", nil).body)); got != s.done.Share.URL {
		t.Errorf("the SVG says %q, want %q", got, s.done.Share.URL)
	}
	e.wantProblem(api.ShareNotFound, "GET", "/api/v1/d/"+s.token[1:]+"/qr.svg", "", nil)
	e.revoke(s)
	e.wantProblem(api.ShareRevoked, "GET", path+".svg", "", nil)
}
