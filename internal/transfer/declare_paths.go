package transfer

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Statements take so many paths at once: SQLite bounds a compound SELECT at 500
// terms and both engines the number of parameters.
const pathsPerStatement = 100

// decide sorts the files of a call into those that stand already, those that
// cannot, and the fresh ones, in the order asked. The transfer is locked.
func (s *Service) decide(ctx context.Context, tx *sql.Tx, t transferRow, good []candidate) (Declared, []*candidate, error) {
	taken, err := s.placesNear(ctx, tx, t.ID, good)
	if err != nil {
		return Declared{}, nil, err
	}
	var d Declared
	var fresh []*candidate
	for i := range good {
		c := &good[i]
		if f := taken.at(c.key); f != nil && c.same(*f) {
			d.Files = append(d.Files, DeclaredFile{Index: c.index, File: *f})
			continue
		}
		if f := taken.inTheWay(c.key); f != nil {
			d.Errors = append(d.Errors, DeclareError{Index: c.index, Path: c.in.Path, Err: ErrPathTaken, Existing: ptr(*f)})
			continue
		}
		if !c.hasKey && c.in.Size > 0 {
			return Declared{}, nil, errKeyNeeded
		}
		fresh = append(fresh, c)
		taken.add(c.key, &c.file)
		d.Files = append(d.Files, DeclaredFile{Index: c.index, File: c.file})
	}
	return d, fresh, nil
}

// same tells whether a declared file is the one that stands. Without a date it
// never is, since equal names and sizes are common among different pictures.
func (c *candidate) same(f File) bool {
	return f.Size == c.in.Size && sameTime(f.Modified, c.in.Modified)
}

// placesNear reads the files that may be in the way of the candidates: those of
// the same paths, those where they need a folder, and one below each of them.
func (s *Service) placesNear(ctx context.Context, q db.Querier, transferID string, good []candidate) (*places, error) {
	keys := make([]string, len(good))
	for i, c := range good {
		keys[i] = c.key
	}
	taken := &places{}
	standing, err := s.standing(ctx, q, transferID, keys)
	if err != nil {
		return nil, err
	}
	taken.addAll(standing)
	// Above and below a file that stands is none.
	keys = slices.DeleteFunc(keys, func(key string) bool { return taken.at(key) != nil })
	folders, err := s.whereFilesEnd(ctx, q, transferID, keys)
	if err != nil {
		return nil, err
	}
	above, err := s.standing(ctx, q, transferID, folders)
	if err != nil {
		return nil, err
	}
	taken.addAll(above)
	below, err := s.firstBelow(ctx, q, transferID, keys)
	if err != nil {
		return nil, err
	}
	taken.addAll(below)
	return taken, nil
}

// standing reads the files of these paths.
func (s *Service) standing(ctx context.Context, q db.Querier, transferID string, keys []string) ([]File, error) {
	var found []File
	for chunk := range slices.Chunk(keys, pathsPerStatement) {
		args := []any{transferID}
		for _, key := range chunk {
			args = append(args, []byte(key))
		}
		files, err := queryAll(ctx, q, scanFile, filesByPathHead+placeholders(2, len(chunk))+")", args...)
		if err != nil {
			return nil, fmt.Errorf("look for standing files: %w", err)
		}
		if err := s.fillReceived(ctx, q, files); err != nil {
			return nil, err
		}
		found = append(found, files...)
	}
	return found, nil
}

// whereFilesEnd gives for each path the one folder above it of which a file
// could have the name. Every folder above that has a file below it, so that no
// file has its name, and the folders below that have none. So the place is found
// by halving the path, and a path of hundreds of folders costs ten questions.
func (s *Service) whereFilesEnd(ctx context.Context, q db.Querier, transferID string, keys []string) ([]string, error) {
	type search struct {
		parent    string // the innermost folder of some paths
		low, high int    // the first low folders have files below; those above high have none
	}
	var open []*search
	seen := map[string]bool{}
	for _, key := range keys {
		if parent := key[:max(0, strings.LastIndexByte(key, '/'))]; parent != "" && !seen[parent] {
			seen[parent] = true
			open = append(open, &search{parent, 0, 1 + strings.Count(parent, "/")})
		}
	}
	ends := map[string]bool{}
	for len(open) > 0 {
		asked := map[string]bool{}
		for _, o := range open {
			asked[folderOf(o.parent, (o.low+o.high+1)/2)] = false
		}
		if err := s.haveFilesBelow(ctx, q, transferID, asked); err != nil {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(o *search) bool {
			if mid := (o.low + o.high + 1) / 2; asked[folderOf(o.parent, mid)] {
				o.low = mid
			} else {
				o.high = mid - 1
			}
			if o.low == o.high && o.low < 1+strings.Count(o.parent, "/") {
				ends[folderOf(o.parent, o.low+1)] = true
			}
			return o.low == o.high
		})
	}
	return slices.Collect(maps.Keys(ends)), nil
}

// folderOf is the n-th folder on the way to a folder and it, from 1. It shares the
// path's memory.
func folderOf(path string, n int) string {
	for i := range len(path) {
		if path[i] == '/' {
			if n--; n == 0 {
				return path[:i]
			}
		}
	}
	return path
}

// haveFilesBelow sets which of the folders have a file below them.
func (s *Service) haveFilesBelow(ctx context.Context, q db.Querier, transferID string, folders map[string]bool) error {
	keys := slices.Collect(maps.Keys(folders))
	for chunk := range slices.Chunk(keys, pathsPerStatement) {
		text, args := eachBelow(anyBelow, transferID, chunk)
		found, err := queryAll(ctx, q, scanOne[int64], text, args...)
		if err != nil {
			return fmt.Errorf("look for files in folders: %w", err)
		}
		for _, i := range found {
			folders[chunk[i]] = true
		}
	}
	return nil
}

// firstBelow reads for each path one file below a folder of its name.
func (s *Service) firstBelow(ctx context.Context, q db.Querier, transferID string, keys []string) ([]File, error) {
	var found []File
	for chunk := range slices.Chunk(keys, pathsPerStatement) {
		text, args := eachBelow(firstBelow, transferID, chunk)
		files, err := queryAll(ctx, q, scanFile, text, args...)
		if err != nil {
			return nil, fmt.Errorf("look for files below: %w", err)
		}
		found = append(found, files...)
	}
	return found, nil
}

// eachBelow joins a question about what lies below a folder, for each folder.
func eachBelow(question, transferID string, folders []string) (text string, args []any) {
	var b strings.Builder
	args = []any{transferID}
	for i, key := range folders {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		// Everything from "key/" up to the next byte after the slash.
		fmt.Fprintf(&b, question, len(args)+1, len(args)+2, i)
		args = append(args, []byte(key+"/"), []byte(key+"0"))
	}
	return b.String(), args
}

// places are paths with the file that has each. None is a folder of another, and
// a folder's files stand side by side, right behind its own place: so what is in
// the way of a path is its neighbour, and no ancestor has to be kept.
type places struct{ all []place }

type place struct {
	key  string
	file *File
}

// comparePaths sorts paths with the slash before all other bytes.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

func (p *places) find(key string) (i int, found bool) {
	return slices.BinarySearchFunc(p.all, key, func(at place, key string) int { return comparePaths(at.key, key) })
}

// at is the file of this very path, or nil.
func (p *places) at(key string) *File {
	if i, found := p.find(key); found {
		return p.all[i].file
	}
	return nil
}

// inTheWay is the file that keeps a path from being used, or nil: one of the
// same path, one where the path needs a folder, or one in a folder of its name.
func (p *places) inTheWay(key string) *File {
	i, found := p.find(key)
	switch {
	case found:
		return p.all[i].file
	case i > 0 && strings.HasPrefix(key, p.all[i-1].key+"/"):
		return p.all[i-1].file
	case i < len(p.all) && strings.HasPrefix(p.all[i].key, key+"/"):
		return p.all[i].file
	}
	return nil
}

func (p *places) add(key string, f *File) {
	if i, found := p.find(key); !found {
		p.all = slices.Insert(p.all, i, place{key, f})
	}
}

func (p *places) addAll(files []File) {
	for i := range files {
		p.add(string(files[i].pathKey), &files[i])
	}
}

// mergeErrors joins two lists of errors in the order of the call.
func mergeErrors(a, b []DeclareError) []DeclareError {
	all := append(a, b...)
	slices.SortFunc(all, func(x, y DeclareError) int { return x.Index - y.Index })
	return all
}

// placeholders is "$first, …" for n parameters.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}

// rowList builds the VALUES of an INSERT of many rows.
type rowList struct {
	args []any
	b    strings.Builder
}

func (l *rowList) add(values ...any) {
	if l.b.Len() > 0 {
		l.b.WriteString(", ")
	}
	l.b.WriteString("(" + placeholders(len(l.args)+1, len(values)) + ")")
	l.args = append(l.args, values...)
}

func (l *rowList) text() string { return l.b.String() }
