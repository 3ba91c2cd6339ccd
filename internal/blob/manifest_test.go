package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDirDamage(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	for name, harm := range map[string]func(folder string, parts []string) error{
		"part cut":     func(f string, p []string) error { return os.Truncate(filepath.Join(f, p[1]), 400) },
		"part gone":    func(f string, p []string) error { return os.Remove(filepath.Join(f, p[1])) },
		"no manifest":  func(f string, _ []string) error { return os.Remove(filepath.Join(f, "manifest")) },
		"manifest cut": func(f string, _ []string) error { return os.Truncate(filepath.Join(f, "manifest"), 100) },
		"no head":      func(f string, _ []string) error { return os.Truncate(filepath.Join(f, "manifest"), 0) },
		"two swapped in the manifest": func(f string, _ []string) error {
			b, err := os.ReadFile(filepath.Join(f, "manifest"))
			if err != nil {
				return err
			}
			lines := slices.Concat(b[:59], b[118:177], b[59:118])
			return os.WriteFile(filepath.Join(f, "manifest"), lines, 0o600)
		},
	} {
		key, parts := s.key(), [][]byte{pattern(1, 1000), pattern(2, 1000)}
		s.upload(key, parts)
		folder := filepath.Join(root, key)
		s.must(harm(folder, tree(t, folder)))
		want := slices.Concat(parts...)
		rc, err := s.Range(t.Context(), key, 0, 2000)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(rc)
			s.must(rc.Close())
		}
		if err == nil || !bytes.HasPrefix(want, got) {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
		if name == "part cut" {
			s.is(err, io.ErrUnexpectedEOF)
		}
		s.must(s.Delete(t.Context(), key))
		_, err = s.Head(t.Context(), key)
		s.is(err, ErrNotFound)
	}
}

// TestDirListsBesideDamage: one object whose manifest or part files are damaged
// hides no other, is shown with a length that it cannot have, and can be deleted.
func TestDirListsBesideDamage(t *testing.T) {
	t.Parallel()
	line := func(n, at int) func(folder string, parts []string) error { // damages one line of the manifest
		return func(folder string, _ []string) error {
			b, err := os.ReadFile(filepath.Join(folder, manifestName))
			if err != nil {
				return err
			}
			b[n*manifestLine+at] ^= 1
			return os.WriteFile(filepath.Join(folder, manifestName), b, 0o600)
		}
	}
	for name, harm := range map[string]func(folder string, parts []string) error{
		"manifest cut":        func(f string, _ []string) error { return os.Truncate(filepath.Join(f, manifestName), 100) },
		"an attempt's name":   line(1, 10),
		"a part's number":     line(1, 4),
		"a part's end":        line(1, 57),
		"the end of a line":   line(1, 58),
		"the number of parts": line(0, 40),
		"part gone":           func(f string, p []string) error { return os.Remove(filepath.Join(f, p[0])) },
		"part cut":            func(f string, p []string) error { return os.Truncate(filepath.Join(f, p[1]), 400) },
		"part grown":          func(f string, p []string) error { return os.Truncate(filepath.Join(f, p[0]), 1001) },
		"part a folder": func(f string, p []string) error {
			return errors.Join(os.Remove(filepath.Join(f, p[1])), os.Mkdir(filepath.Join(f, p[1]), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listsBeside(t, harm)
		})
	}
}

func listsBeside(t *testing.T, harm func(folder string, parts []string) error) {
	s, root := dirSuite(t)
	keys := []string{s.key(), s.key(), s.key()}
	slices.Sort(keys)
	for _, key := range keys {
		s.upload(key, [][]byte{pattern(1, 1000), pattern(2, 1000)})
	}
	folder := filepath.Join(root, keys[1])
	s.must(harm(folder, tree(t, folder)))
	page, err := s.List(t.Context(), "", 10)
	s.must(err)
	var got []string
	for _, o := range page {
		got = append(got, fmt.Sprint(o.Key, " ", o.Size))
	}
	if want := []string{keys[0] + " 2000", keys[1] + " 0", keys[2] + " 2000"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if info, err := s.Head(t.Context(), keys[1]); err != nil || info.Size != 0 {
		t.Errorf("head: %+v, %v", info, err)
	}
	s.must(s.Delete(t.Context(), keys[1]))
	page, err = s.List(t.Context(), "", 10)
	s.must(err)
	if len(page) != 2 {
		t.Errorf("%d objects after the delete, want 2", len(page))
	}
}

func FuzzManifest(f *testing.F) {
	id := strings.Repeat("0", 32)
	f.Add([]byte(fmt.Sprintf("v1 %s 00001 %016d\n00001.%s %019d\n", id, 6, id, 6)), int64(0))
	f.Add([]byte(fmt.Sprintf("v1 %s 00002 %016d\n00001.%s %019d\n00002.%s %019d\n", id, 6, id, 6, id, 6)), int64(5))
	f.Add([]byte(fmt.Sprintf("v1 %s 00000 %016d\n", id, 0)), int64(1))
	root := f.TempDir()
	s, err := OpenDir(DirOptions{Root: root})
	if err != nil {
		f.Fatal(err)
	}
	key := "v1/" + id + "/" + id
	folder := filepath.Join(root, key)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "1."+id), []byte("abcdef"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, manifest []byte, off int64) {
		if err := os.WriteFile(filepath.Join(folder, manifestName), manifest, 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := s.Head(t.Context(), key)
		rc, openErr := s.Range(t.Context(), key, off, 10)
		if openErr != nil {
			return
		}
		defer rc.Close()
		got, readErr := io.ReadAll(rc)
		damaged := err == nil && info.Size == 0 // elsewhere in the manifest
		if readErr == nil && !damaged && (err != nil || info.Size < 10) || len(got) > 10 {
			t.Errorf("read %q, head %+v %v", got, info, err)
		}
	})
}

// TestDirMostParts reads at odd places of an object of 10,000 parts. Its parts
// are planted, since writing each to disk is what takes the time.
func TestDirMostParts(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	u := s.create(s.key())
	folder := filepath.Join(root, "uploads", tree(t, filepath.Join(root, "uploads"))[0])
	var refs []PartRef
	var want []byte
	for n := 1; n <= MaxParts; n++ {
		ref, data := PartRef{n, fmt.Sprintf("%032x", n)}, pattern(uint64(n), 1+n%3)
		s.must(os.WriteFile(filepath.Join(folder, partName(n, ref.ETag)), data, 0o600))
		refs, want = append(refs, ref), append(want, data...)
	}
	s.must(s.Complete(t.Context(), u, refs))
	s.part = 7777
	s.holds(u.Key, want)
	for _, off := range []int64{0, 1, 2, 3, 9999, 19_997} {
		rc, err := s.Range(t.Context(), u.Key, off, 3)
		s.must(err)
		got, err := io.ReadAll(rc)
		s.must(errors.Join(err, rc.Close()))
		if !bytes.Equal(got, want[off:off+3]) {
			t.Errorf("at %d: %x, want %x", off, got, want[off:off+3])
		}
	}
}
