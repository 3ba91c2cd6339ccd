package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/names"
)

// sendPlan is what will be sent, and what will not and why.
type sendPlan struct {
	sources []*client.Source
	left    []client.Failure // unreadable, vanished, special, leading elsewhere
	junk    []string         // files that only an operating system wants
	roots   []string         // absolute, as given
	closers []*os.Root
}

// planSend looks at everything below paths. Links are followed only where they
// stay inside the folder that was given.
func planSend(ctx context.Context, paths []string, all bool) (*sendPlan, error) {
	p := &sendPlan{}
	taken := map[string]string{}
	for _, given := range paths {
		abs, err := filepath.Abs(given)
		if err != nil {
			return p, userError{err}
		}
		info, err := os.Stat(abs)
		if err != nil {
			return p, userError{fmt.Errorf("cannot send %s: %w", given, reason(err))}
		}
		name := filepath.Base(abs)
		if name == string(filepath.Separator) || name == "." {
			return p, userError{fmt.Errorf("cannot send %s: name a folder inside it", given)}
		}
		if other, ok := taken[name]; ok {
			return p, userError{fmt.Errorf("%s and %s are both called %s: send them apart, or the folder around them", other, given, name)}
		}
		taken[name] = given
		p.roots = append(p.roots, abs)
		w := &walk{plan: p, ctx: ctx, all: all}
		if err := w.root(abs, name, info); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *sendPlan) close() {
	for _, r := range p.closers {
		_ = r.Close() // it was only read
	}
}

func (p *sendPlan) sizes() map[string]int64 {
	sizes := make(map[string]int64, len(p.sources))
	for _, s := range p.sources {
		sizes[s.Path] = s.Size
	}
	return sizes
}

// walk goes through one of the given paths.
type walk struct {
	plan *sendPlan
	ctx  context.Context
	all  bool
	dir  *os.Root
	base string // of every path in the transfer
}

func (w *walk) root(abs, name string, info fs.FileInfo) error {
	folder, below := abs, "."
	if !info.IsDir() {
		resolved, err := filepath.EvalSymlinks(abs)
		if err != nil {
			return userError{fmt.Errorf("cannot send %s: %w", abs, reason(err))}
		}
		folder, below = filepath.Split(resolved)
	}
	dir, err := os.OpenRoot(folder)
	if err != nil {
		return userError{fmt.Errorf("cannot send %s: %w", abs, reason(err))}
	}
	w.dir, w.base = dir, name
	w.plan.closers = append(w.plan.closers, dir)
	if info.IsDir() {
		return w.folder(below, []fs.FileInfo{info})
	}
	w.file(below, name, info)
	return nil
}

// pathOf is what a name below the folder is called in the transfer.
func (w *walk) pathOf(name string) string { return path.Join(w.base, name) }

// folder takes all of a folder. above are the folders around it and itself, so
// that a link in a circle is seen.
func (w *walk) folder(name string, above []fs.FileInfo) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(w.dir.FS(), name)
	if err != nil {
		w.leave(w.pathOf(name), err)
	}
	for _, e := range entries {
		inside := path.Join(name, e.Name())
		if !w.all && isJunk(e.Name()) {
			w.plan.junk = append(w.plan.junk, w.pathOf(inside))
			continue
		}
		info, err := w.dir.Stat(inside) // follows links, and refuses those that lead out
		if err != nil {
			if e.Type()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrNotExist) {
				err = errors.New("the link leads out of the folder")
			}
			w.leave(w.pathOf(inside), err)
			continue
		}
		switch {
		case !info.IsDir():
			w.file(inside, w.pathOf(inside), info)
		case slices.ContainsFunc(above, func(f fs.FileInfo) bool { return os.SameFile(f, info) }):
			w.leave(w.pathOf(inside), errors.New("the link leads back to a folder around it"))
		default:
			if err := w.folder(inside, append(above[:len(above):len(above)], info)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) file(name, as string, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		w.leave(as, errors.New("it is no regular file"))
		return
	}
	if err := names.Check(as); err != nil {
		w.leave(as, err)
		return
	}
	dir := w.dir
	media, _, _ := mime.ParseMediaType(mime.TypeByExtension(path.Ext(as))) // unknown is empty
	w.plan.sources = append(w.plan.sources, &client.Source{
		Path: as, Size: info.Size(), Modified: info.ModTime(), Type: media,
		Open: func() (*os.File, error) {
			f, err := dir.Open(name)
			return f, reason(err)
		},
	})
}

func (w *walk) leave(as string, err error) {
	w.plan.left = append(w.plan.left, client.Failure{Path: as, Err: reason(err)})
}

// reason is the cause without the operation and the path, which stand beside it.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// isJunk tells whether a name is of the files and folders that operating systems
// leave on cards and in folders.
func isJunk(name string) bool {
	switch strings.ToLower(name) {
	case ".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".spotlight-v100", ".trashes", ".fseventsd",
		".temporaryitems", "$recycle.bin", "system volume information", "__macosx":
		return true
	}
	return strings.HasPrefix(name, "._")
}
