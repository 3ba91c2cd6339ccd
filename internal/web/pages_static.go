package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed static/css/*.css static/img/*.svg static/js/*.js
var staticFiles embed.FS

// assets are the static files, held in memory plain and compressed.
type assets struct {
	base  string // "/static/<hash>"
	files map[string]asset
	// modules lists, for each script, what it imports and what those import.
	modules map[string][]string
}

type asset struct {
	media       string
	plain, gzip []byte
}

// loadAssets reads the embedded files and names their folder for the content of
// them all: a change of one is a new address for every one, so that no browser
// mixes two versions.
func loadAssets() (*assets, error) {
	a := &assets{files: map[string]asset{}, modules: map[string][]string{}}
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data)
		file, err := newAsset(name, data)
		a.files[strings.TrimPrefix(name, "static")] = file
		return err
	})
	if err != nil {
		return nil, err
	}
	a.base = "/static/" + hex.EncodeToString(sum.Sum(nil)[:8])
	for name := range a.files {
		if script, ok := strings.CutPrefix(name, "/js/"); ok {
			if a.modules[script], err = a.importedBy(script); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

// importing finds the modules that a module names at the start of a line. One
// that is asked for later, by import(), is none of them.
var importing = regexp.MustCompile(`(?m)^(?:import|export)\b[^;"']*["']\./([a-z0-9]+\.js)["'];`)

// importedBy lists the modules below a script, nearest first. A browser that
// knows them from the page asks for all at once; else it learns of each only
// from the one that imports it.
func (a *assets) importedBy(script string) ([]string, error) {
	all := []string{script}
	for i := 0; i < len(all); i++ {
		file, ok := a.files["/js/"+all[i]]
		if !ok {
			return nil, fmt.Errorf("static file js/%s is imported and not there", all[i])
		}
		for _, found := range importing.FindAllSubmatch(file.plain, -1) {
			if name := string(found[1]); !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all[1:], nil
}

func newAsset(name string, data []byte) (asset, error) {
	media := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
	}[path.Ext(name)]
	if media == "" {
		return asset{}, fmt.Errorf("static file %s: its type is not known", name)
	}
	if path.Ext(name) == ".js" {
		data = slim(data)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return asset{}, err
	}
	if _, err := z.Write(data); err != nil {
		return asset{}, err
	}
	if err := z.Close(); err != nil {
		return asset{}, err
	}
	return asset{media: media, plain: data, gzip: packed.Bytes()}, nil
}

// serve answers for a file. An address of another version is not found: its
// content is not here any more.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) error {
	file, ok := a.files[strings.TrimPrefix(r.URL.Path, a.base)]
	if !ok || !strings.HasPrefix(r.URL.Path, a.base+"/") {
		return errNoRoute
	}
	h := w.Header()
	h.Set("Content-Type", file.media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
	return nil
}

// acceptsGzip reads Accept-Encoding as far as browsers use it: "gzip;q=0" is a no.
func acceptsGzip(header string) bool {
	for coding := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return weight == "" || err != nil || q > 0
		}
	}
	return false
}
