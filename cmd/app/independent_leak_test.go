package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// window is the least run of plain bytes that counts as leaked.
const window = 16

// secrets finds known byte strings, none shorter than eight, at any offset.
type secrets struct {
	byHead map[[4]byte][]secret
	seen   []uint64 // a bit for each first three bytes, since most offsets match none
}

type secret struct {
	what string
	text []byte
}

func newSecrets() *secrets {
	return &secrets{byHead: map[[4]byte][]secret{}, seen: make([]uint64, 1<<24/64)}
}

func (s *secrets) add(what string, text []byte) {
	if len(text) < 8 {
		return // too short to tell from chance
	}
	head := [4]byte(text)
	s.byHead[head] = append(s.byHead[head], secret{what, text})
	bit := int(text[0])<<16 | int(text[1])<<8 | int(text[2])
	s.seen[bit/64] |= 1 << (bit % 64)
}

// addContent samples windows of a file: its ends and one in each 4 KiB or so,
// so that every plain block of any size that matters holds several.
func (s *secrets) addContent(f *outFile) {
	what := fmt.Sprintf("content of %q", f.path)
	for at := 0; at+window <= len(f.data); at += 4093 {
		s.add(what, f.data[at:at+window])
	}
	if len(f.data) >= window {
		s.add(what, f.data[len(f.data)-window:])
	}
}

// find says which secret text holds, or nothing.
func (s *secrets) find(text []byte) string {
	for i := 0; i+8 <= len(text); i++ {
		bit := int(text[i])<<16 | int(text[i+1])<<8 | int(text[i+2])
		if s.seen[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		for _, known := range s.byHead[[4]byte(text[i:i+4])] {
			if bytes.HasPrefix(text[i:], known.text) {
				return fmt.Sprintf("%s at byte %d", known.what, i)
			}
		}
	}
	return ""
}

// dateShape is any day of our years as text.
var dateShape = regexp.MustCompile(`20[2-3]\d[-/.:]?(0[1-9]|1[0-2])[-/.:]?([0-2]\d|3[01])[T _-]?[0-2]\d[:.]?[0-5]\d`)

// searchTree reads every file below root, and the names of all, for secrets and,
// if dates, for dates. It returns how many bytes it read.
func (s *secrets) searchTree(root string, withDates bool) (read int64, err error) {
	return read, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if what := s.find([]byte(name)); what != "" {
			return fmt.Errorf("the name %s holds %s", name, what)
		}
		if d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read += int64(len(text))
		if what := s.find(text); what != "" {
			return fmt.Errorf("%s holds %s", name, what)
		}
		if at := dateShape.FindIndex(append([]byte(name), text...)); withDates && at != nil {
			return fmt.Errorf("%s holds a date", name)
		}
		return nil
	})
}

// secretsOf are what a bucket must not hold: content, names, people, dates.
func secretsOf(files []*outFile) *secrets {
	s := newSecrets()
	for _, f := range files {
		s.addContent(f)
		s.add("the path "+f.path, []byte(f.path))
		for segment := range strings.SplitSeq(f.path, "/") {
			s.add("the name "+segment, []byte(segment))
		}
		s.add("the date "+f.modified, []byte(f.modified[:19]))
		s.add("the day "+f.modified, []byte(f.modified[:10]))
	}
	for _, who := range []string{guestEmail, guestName} {
		s.add("the guest", []byte(who))
	}
	return s
}

// contentOf are what a database must not hold of the files.
func contentOf(files []*outFile) *secrets {
	s := newSecrets()
	for _, f := range files {
		s.addContent(f)
	}
	return s
}

// databaseFiles are the database with what lies beside it.
func databaseFiles(data string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(data, "app.db*"))
	if err == nil && !slices.Contains(found, filepath.Join(data, "app.db")) {
		err = fmt.Errorf("there is no app.db in %s", data)
	}
	return found, err
}
