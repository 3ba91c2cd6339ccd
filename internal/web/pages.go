package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are what people see: server-rendered, in their language, with scripts
// that call the interface of internal/api and nothing else.
type pages struct {
	// static serves /static/, every file below one folder named for the
	// content of all of them, so that it may be cached for ever and scripts
	// may import each other by relative names.
	static *assets

	base      string // path of that folder
	catalog   *catalog.Catalog
	transfers *transfer.Service
	publicURL string
	now       func() time.Time
	templates map[string]*template.Template
	packers   sync.Pool // of *gzip.Writer, which are too large to make for every page
}

func newPages(o Options) (*pages, error) {
	assets, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("load static files: %w", err)
	}
	p := &pages{
		static: assets, base: assets.base, catalog: o.Catalog,
		transfers: o.Transfers, publicURL: o.PublicURL, now: o.Now,
		templates: map[string]*template.Template{},
		packers:   sync.Pool{New: func() any { return gzip.NewWriter(nil) }},
	}
	for name, shared := range map[string][]string{
		"upload": {"sending"}, "download": nil, "home": nil, "error": nil, "signin": nil,
		"transfers": {"studio"}, "transfer": {"studio"}, "links": {"studio"}, "settings": {"studio"}, "welcome": {"studio"}, "events": {"studio"},
		"send": {"studio", "sending"},
	} {
		if err := p.parse(name, shared...); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// parse reads a page's template, the layout around it, and what it shares with
// others.
func (p *pages) parse(name string, shared ...string) error {
	files := []string{"templates/layout.html", "templates/rows.html"}
	for _, part := range append(shared, name) {
		files = append(files, "templates/"+part+".html")
	}
	t, err := template.ParseFS(templateFiles, files...)
	if err != nil {
		return fmt.Errorf("read template %s: %w", name, err)
	}
	p.templates[name] = t
	return nil
}

// render writes a page whole or, when its template fails, nothing.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	var out bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&out, "layout", data); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", data.(interface{ Lang() string }).Lang())
	shown := data.(interface {
		Kept() string
		Secret() bool
	})
	h.Set("Cache-Control", shown.Kept())
	h.Add("Vary", "Accept-Encoding, Accept-Language, Cookie")
	body := out.Bytes()
	if !shown.Secret() && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		packed, err := p.pack(body)
		if err != nil {
			return fmt.Errorf("pack page %s: %w", name, err)
		}
		h.Set("Content-Encoding", "gzip")
		body = packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("send page %s: %w", name, err)
	}
	return nil
}

// pack compresses a page: a Hindi one to a quarter. The length of what is
// encrypted on the way then tells of its content, which is of use only against a
// page that shows a secret beside words of whoever watches. No page that is packed does: codes,
// tokens and sessions are in cookies and in answers of the interface, which stay
// as they are, and what a page takes from its address is what opened it.
func (p *pages) pack(body []byte) ([]byte, error) {
	var out bytes.Buffer
	z := p.packers.Get().(*gzip.Writer)
	defer p.packers.Put(z)
	z.Reset(&out)
	_, err := z.Write(body)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

// uploadPage is where a guest sends. A link that takes no new transfer still
// gets the whole page, since a guest who began before goes on: only the page's
// script knows whether this browser did.
func (p *pages) uploadPage(w http.ResponseWriter, r *http.Request) error {
	slug := r.PathValue("slug")
	link, err := p.transfers.ViewLink(r.Context(), slug)
	ended := endOfLink(err)
	if err != nil && ended == "" {
		return err
	}
	status := http.StatusOK
	if ended != "" {
		status = http.StatusGone
	}
	return p.render(w, r, status, "upload", p.uploadView(r, slug, link, ended))
}

// endOfLink is the code of a link that takes no new transfer, or "".
func endOfLink(err error) api.Code {
	switch {
	case errors.Is(err, transfer.ErrLinkClosed):
		return api.LinkClosed
	case errors.Is(err, transfer.ErrLinkExpired):
		return api.LinkExpired
	case errors.Is(err, transfer.ErrLinkFull):
		return api.LinkFull
	}
	return ""
}

// downloadPage is where a guest fetches. Before the code is right it shows
// nothing of the content, not even the title.
func (p *pages) downloadPage(w http.ResponseWriter, r *http.Request) error {
	token := r.PathValue("token")
	unlocked, err := p.unlocked(r, token)
	if err != nil {
		return err
	}
	share, studio, err := p.transfers.ViewShare(r.Context(), token)
	if err != nil {
		return err
	}
	// One that is used up still serves those who gave the code in time.
	if err := endOfShare(share.State); err != nil && !unlocked {
		return err
	}
	return p.render(w, r, http.StatusOK, "download", p.downloadView(r, token, share, studio, unlocked))
}

// endOfShare is why a share opens no more, or nil.
func endOfShare(state string) error {
	switch state {
	case transfer.ShareExpired:
		return transfer.ErrShareExpired
	case transfer.ShareRevoked:
		return transfer.ErrShareRevoked
	case transfer.ShareUsedUp:
		return transfer.ErrShareUsedUp
	}
	return nil
}

// unlocked tells whether this browser has given the code already.
func (p *pages) unlocked(r *http.Request, token string) (bool, error) {
	cookie, err := r.Cookie(cookieName(token))
	if err != nil {
		return false, nil
	}
	if kind, ok := account.ParseSecret(cookie.Value); !ok || kind != account.SecretFetch {
		return false, nil
	}
	_, err = p.transfers.AuthFetch(r.Context(), token, cookie.Value)
	if errors.Is(err, transfer.ErrCodeRequired) {
		return false, nil
	}
	return err == nil, err
}

// errorPage shows a problem to a person: what happened, what is safe, what to
// do next.
func (p *pages) errorPage(w http.ResponseWriter, r *http.Request, problem api.Problem) error {
	return p.render(w, r, problem.Status, "error", p.problemView(r, problem))
}
