package web

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

const (
	quietZone   = 4    // light modules around a code, as readers need them
	qrLeast     = 1024 // pixels of a picture at least, for print
	qrDark      = 1    // index in the picture's palette
	svgType     = "image/svg+xml"
	pngType     = "image/png"
	qrLevel     = qr.Q // a quarter of it may be covered or worn off
	qrMediaKept = "private, no-cache"
)

// drawing is a way to draw a QR code.
type drawing struct {
	name, media string
	draw        func(modules) ([]byte, error)
}

func qrRoutes() (all []route) {
	for _, d := range []drawing{{"svg", svgType, modules.svg}, {"png", pngType, modules.png}} {
		all = append(all,
			route{method: "GET", pattern: "/api/v1/links/{id}/qr." + d.name, summary: "The address of an upload link as a QR code, " + strings.ToUpper(d.name),
				tokens: studio(), media: d.media, handle: func(s *Server, c *call) error { return s.linkCode(c, d) }},
			route{method: "GET", pattern: "/api/v1/d/{token}/qr." + d.name, summary: "The address of a share as a QR code, " + strings.ToUpper(d.name),
				media: d.media, handle: func(s *Server, c *call) error { return s.shareCode(c, d) },
				problems: []api.Code{api.ShareNotFound, api.ShareExpired, api.ShareRevoked}})
	}
	return all
}

func (s *Server) linkCode(c *call, d drawing) error {
	l, err := s.transfers.Link(c.r.Context(), c.access.AccountID, c.id())
	if err != nil {
		return err
	}
	return c.qr(s.linkURL(l.Slug), d)
}

// shareCode shows whoever has the address no more than that.
func (s *Server) shareCode(c *call, d drawing) error {
	token := c.r.PathValue("token")
	share, _, err := s.transfers.ViewShare(c.r.Context(), token)
	if err != nil {
		return err
	}
	if err := endOfShare(share.State); err != nil && share.State != transfer.ShareUsedUp {
		return err
	}
	return c.qr(s.shareURL(token), d)
}

// qr answers with an address as a QR code, always dark on white.
func (c *call) qr(address string, d drawing) error {
	m, err := newModules(address)
	if err != nil {
		return err
	}
	body, err := d.draw(m)
	if err != nil {
		return fmt.Errorf("draw a QR code: %w", err)
	}
	h := c.w.Header()
	h.Set("Content-Type", d.media)
	h.Set("Cache-Control", qrMediaKept)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	if _, err := c.w.Write(body); err != nil {
		return fmt.Errorf("send a QR code: %w", err)
	}
	return nil
}

// modules are a QR code's squares, with the quiet zone around them.
type modules struct {
	size int
	dark func(x, y int) bool
}

func newModules(text string) (modules, error) {
	code, err := qr.Encode(text, qrLevel, qr.Auto)
	if err != nil {
		return modules{}, fmt.Errorf("make a QR code: %w", err)
	}
	inner := code.Bounds().Dx()
	return modules{size: inner + 2*quietZone, dark: func(x, y int) bool {
		x, y = x-quietZone, y-quietZone
		if x < 0 || y < 0 || x >= inner || y >= inner {
			return false
		}
		return code.At(x, y) == color.Black
	}}, nil
}

// svg draws each row's dark runs as one path.
func (m modules) svg() ([]byte, error) {
	var path strings.Builder
	for y := range m.size {
		for x := 0; x < m.size; x++ {
			begin := x
			for x < m.size && m.dark(x, y) {
				x++
			}
			if n := x - begin; n > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", begin, y, n, n)
			}
		}
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%[2]s"/></svg>`, m.size, path.String()), nil
}

// png draws every module as a whole number of pixels.
func (m modules) png() ([]byte, error) {
	scale := (qrLeast + m.size - 1) / m.size
	picture := image.NewPaletted(image.Rect(0, 0, m.size*scale, m.size*scale), color.Palette{color.White, color.Black})
	for y := range m.size * scale {
		for x := range m.size * scale {
			if m.dark(x/scale, y/scale) {
				picture.Pix[y*picture.Stride+x] = qrDark
			}
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, picture)
	return out.Bytes(), err
}
