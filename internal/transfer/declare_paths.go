package transfer

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/names"
)

// Statements take so many paths at once: SQLite bounds a compound SELECT at 500
// terms and both engines the number of parameters.
const pathsPerStatement = 100

// decide sorts the files of a call into those that stand already, those that
// cannot, and the fresh ones, in the order asked. The transfer is locked.
func (s *Service) decide(ctx context.Context, tx *sql.Tx, t transferRow, good []candidate) (Declared, []*candidate, error) {
	standing, err := s.standing(ctx, tx, t.ID, good)
	if err != nil {
		return Declared{}, nil, err
	}
	below, err := s.foldersTaken(ctx, tx, t.ID, good, standing)
	if err != nil {
		return Declared{}, nil, err
	}
	var d Declared
	var fresh []*candidate
	for i := range good {
		c := &good[i]
		if f, ok := standing[c.key]; ok && c.same(f) {
			d.Files = append(d.Files, DeclaredFile{Index: c.index, File: f})
			continue
		}
		if f, taken := c.inTheWay(standing, below); taken {
			d.Errors = append(d.Errors, DeclareError{Index: c.index, Path: c.in.Path, Err: ErrPathTaken, Existing: &f})
			continue
		}
		if !c.hasKey && c.in.Size > 0 {
			return Declared{}, nil, errKeyNeeded
		}
		fresh = append(fresh, c)
		standing[c.key] = c.file
		for _, folder := range names.Ancestors([]byte(c.key)) {
			below[string(folder)] = c.file
		}
		d.Files = append(d.Files, DeclaredFile{Index: c.index, File: c.file})
	}
	return d, fresh, nil
}

// same tells whether a declared file is the one that stands. Without a date it
// never is, since equal names and sizes are common among different pictures.
func (c *candidate) same(f File) bool {
	return f.Size == c.in.Size && sameTime(f.Modified, c.in.Modified)
}

// inTheWay finds the file that keeps c's path from being used: one of the same
// path, one where c needs a folder, or one in a folder of c's name.
func (c *candidate) inTheWay(standing, below map[string]File) (File, bool) {
	if f, ok := standing[c.key]; ok {
		return f, true
	}
	for _, folder := range names.Ancestors([]byte(c.key)) {
		if f, ok := standing[string(folder)]; ok {
			return f, true
		}
	}
	f, ok := below[c.key]
	return f, ok
}

// standing reads the files whose path is one of the candidates' or a folder
// above one, by path.
func (s *Service) standing(ctx context.Context, q db.Querier, transferID string, good []candidate) (map[string]File, error) {
	wanted := make(map[string]bool)
	for _, c := range good {
		wanted[c.key] = true
		for _, folder := range names.Ancestors([]byte(c.key)) {
			wanted[string(folder)] = true
		}
	}
	keys := make([]string, 0, len(wanted))
	for key := range wanted {
		keys = append(keys, key)
	}
	found := make(map[string]File)
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
		for _, f := range files {
			found[string(f.pathKey)] = f
		}
	}
	return found, nil
}

// foldersTaken finds for each candidate that is no standing file one file
// below a folder of its name, by that name.
func (s *Service) foldersTaken(ctx context.Context, q db.Querier, transferID string, good []candidate, standing map[string]File) (map[string]File, error) {
	var keys []string
	for _, c := range good {
		if _, ok := standing[c.key]; !ok {
			keys = append(keys, c.key)
		}
	}
	below := make(map[string]File)
	for chunk := range slices.Chunk(keys, pathsPerStatement) {
		var text strings.Builder
		args := []any{transferID}
		for i, key := range chunk {
			if i > 0 {
				text.WriteString(" UNION ALL ")
			}
			// Everything from "key/" up to the next byte after the slash.
			fmt.Fprintf(&text, firstBelow, len(args)+1, len(args)+2, i)
			args = append(args, []byte(key+"/"), []byte(key+"0"))
		}
		files, err := queryAll(ctx, q, scanFile, text.String(), args...)
		if err != nil {
			return nil, fmt.Errorf("look for files below: %w", err)
		}
		for _, f := range files {
			for _, folder := range names.Ancestors(f.pathKey) {
				below[string(folder)] = f
			}
		}
	}
	return below, nil
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
