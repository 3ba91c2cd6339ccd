package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/names"
)

// sendPlan is what will be sent, and what will not and why.
type sendPlan struct {
	sources []*client.Source // sorted by path
	left    []client.Failure // unreadable, vanished, special, leading elsewhere
	junk    []string         // files that only an operating system wants
	empty   []string         // folders with nothing in them
	roots   []string         // absolute, as given
	closers []*os.Root
}

// planSend looks at everything below paths. Links are followed only where they
// stay inside the folder that was given. One of several paths that cannot be read
// is left; where none can, that is the user's mistake.
func planSend(ctx context.Context, paths []string, all bool) (*sendPlan, error) {
	p := &sendPlan{}
	taken := map[string]string{}
	var unread []error
	for _, given := range paths {
		abs, err := filepath.Abs(given)
		if err != nil {
			return p, userError{err}
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
		info, below, err := w.open(abs)
		if err != nil {
			unread = append(unread, fmt.Errorf("cannot send %s: %w", given, reason(err)))
			w.leave(name, err)
			continue
		}
		if err := w.root(w.at(below, name), info); err != nil {
			return p, err
		}
	}
	if len(unread) == len(paths) {
		return p, userError{errors.Join(unread...)}
	}
	slices.SortFunc(p.sources, func(a, b *client.Source) int { return strings.Compare(a.Path, b.Path) })
	return p, nil
}

func (p *sendPlan) close() {
	for _, r := range p.closers {
		_ = r.Close() // it was only read
	}
}

// find gives the source of a path, and where it stands; nil and -1 if there is none.
func (p *sendPlan) find(name string) (*client.Source, int) {
	i, ok := slices.BinarySearchFunc(p.sources, name, func(s *client.Source, name string) int { return strings.Compare(s.Path, name) })
	if !ok {
		return nil, -1
	}
	return p.sources[i], i
}

func (p *sendPlan) bytes() (n int64) {
	for _, s := range p.sources {
		n += s.Size
	}
	return n
}

// walk goes through one of the given paths.
type walk struct {
	plan *sendPlan
	ctx  context.Context
	all  bool
	dir  *os.Root
	real string // where dir is, without links
}

// place is a file or folder that the walk has come to.
type place struct {
	name string // below the folder that was given
	as   string // in the transfer
	open func(as string) (*os.File, error)
}

func (p place) below(name string) place {
	return place{name: path.Join(p.name, name), as: path.Join(p.as, name), open: p.open}
}

// at is a place from which everything below is opened by one function, so that
// nothing has to be kept for each file but its path.
func (w *walk) at(name, as string) place {
	dir := w.dir
	return place{name: name, as: as, open: func(path string) (*os.File, error) {
		return openNow(dir, name+strings.TrimPrefix(path, as))
	}}
}

// openNow opens without waiting for a writer, should there be a pipe by now.
func openNow(dir *os.Root, name string) (*os.File, error) {
	f, err := dir.OpenFile(path.Clean(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return f, reason(err)
}

// open opens the folder that was given, or that a file lies in, and says what of it
// was given.
func (w *walk) open(abs string) (info fs.FileInfo, below string, err error) {
	if info, err = os.Stat(abs); err != nil {
		return nil, "", err
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, "", err
	}
	below = "."
	if !info.IsDir() {
		resolved, below = filepath.Split(resolved)
	}
	dir, err := os.OpenRoot(resolved)
	if err != nil {
		return nil, "", err
	}
	w.dir, w.real = dir, filepath.Clean(resolved)
	w.plan.closers = append(w.plan.closers, dir)
	return info, below, nil
}

func (w *walk) root(at place, info fs.FileInfo) error {
	if info.IsDir() {
		return w.folder(at, []fs.FileInfo{info})
	}
	w.file(at, info)
	return nil
}

// subfolder is a folder that is looked into when the one around it is closed again.
type subfolder struct {
	place
	info fs.FileInfo
}

// folder takes all of a folder. above are the folders around it and itself, so
// that a link in a circle is seen.
func (w *walk) folder(in place, above []fs.FileInfo) error {
	folders, err := w.entries(in)
	if err != nil {
		return err
	}
	for _, f := range folders {
		if slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, f.info) }) {
			w.leave(f.as, errors.New("the link leads back to a folder around it"))
			continue
		}
		if err := w.folder(f.place, append(above[:len(above):len(above)], f.info)); err != nil {
			return err
		}
	}
	return nil
}

// entries takes the files of a folder, some at a time, and returns its folders.
func (w *walk) entries(in place) (folders []subfolder, err error) {
	dir, err := openNow(w.dir, in.name)
	if err != nil {
		w.leave(in.as, err)
		return nil, w.ctx.Err()
	}
	defer dir.Close()
	for more := false; ; more = true {
		some, err := dir.ReadDir(256)
		for _, e := range some {
			if f, ok := w.entry(in, e); ok {
				folders = append(folders, f)
			}
		}
		switch {
		case w.ctx.Err() != nil:
			return nil, w.ctx.Err()
		case errors.Is(err, io.EOF) && !more:
			w.plan.empty = append(w.plan.empty, in.as)
			return nil, nil
		case errors.Is(err, io.EOF):
			return folders, nil
		case err != nil:
			w.leave(in.as, err)
			return folders, nil
		}
	}
}

// entry takes a file, or says that there is a folder to look into.
func (w *walk) entry(in place, e fs.DirEntry) (folder subfolder, ok bool) {
	inside := in.below(e.Name())
	if !w.all && isJunk(e.Name()) {
		w.plan.junk = append(w.plan.junk, inside.as)
		return subfolder{}, false
	}
	info, err := w.dir.Stat(inside.name) // follows links, and refuses those that lead out
	if err != nil && e.Type()&fs.ModeSymlink != 0 {
		inside, info, err = w.follow(inside)
	}
	switch {
	case err != nil:
		w.leave(inside.as, err)
	case info.IsDir():
		return subfolder{inside, info}, true
	default:
		w.file(inside, info)
	}
	return subfolder{}, false
}

// follow looks where a link leads that the folder refuses to follow: one with an
// absolute path may still lead to a place inside.
func (w *walk) follow(link place) (place, fs.FileInfo, error) {
	to, err := filepath.EvalSymlinks(filepath.Join(w.real, filepath.FromSlash(link.name)))
	if err != nil {
		return link, nil, err
	}
	name, err := filepath.Rel(w.real, to)
	if err != nil || !filepath.IsLocal(name) {
		return link, nil, errors.New("the link leads out of the folder")
	}
	inside := w.at(filepath.ToSlash(name), link.as)
	info, err := w.dir.Stat(inside.name)
	return inside, info, err
}

func (w *walk) file(at place, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		w.leave(at.as, errors.New("it is no regular file"))
		return
	}
	if err := names.Check(at.as); err != nil {
		w.leave(at.as, err)
		return
	}
	w.plan.sources = append(w.plan.sources, &client.Source{
		Path: at.as, Size: info.Size(), Modified: info.ModTime(), Open: at.open,
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
