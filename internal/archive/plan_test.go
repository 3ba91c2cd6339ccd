package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/names"
)

// TestGoReads has every entry of a whole archive read by archive/zip, which
// compares each local header's place and each CRC.
func TestGoReads(t *testing.T) {
	t.Parallel()
	s := mixed()
	all := whole(t, newPlan(t, s), s)
	z, err := zip.NewReader(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != len(s.entries) {
		t.Fatalf("%d files, want %d", len(z.File), len(s.entries))
	}
	var unique names.Unique
	for i, f := range z.File {
		e := s.entries[i]
		if want := unique.Name(e.Path); f.Name != want || f.NonUTF8 {
			t.Errorf("name %q, want %q", f.Name, want)
		}
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc) // checks the CRC too
		if err != nil || !bytes.Equal(got, contentOf(e)) {
			t.Errorf("%s: other content, error %v", f.Name, err)
		}
		if !f.Mode().IsRegular() || f.Mode().Perm() != 0o644 || f.Method != zip.Store || f.Flags != utf8Names {
			t.Errorf("%s: mode %v, method %d, flags %x", f.Name, f.Mode(), f.Method, f.Flags)
		}
		if unix := e.Modified.Unix(); unix >= 0 && unix < 1<<31 && !f.Modified.Equal(e.Modified) {
			t.Errorf("%s: modified %v, want %v", f.Name, f.Modified, e.Modified)
		}
	}
}

// TestFormatIsFixed fails with any change of a byte. A change that is meant
// needs a new etagVersion: clients go on with what they have by the ETag.
func TestFormatIsFixed(t *testing.T) {
	t.Parallel()
	s := mixed()
	p := newPlan(t, s)
	got := fmt.Sprintf("%d %s %x", p.Size(), p.ETag(), sha256.Sum256(whole(t, p, s)))
	const want = `128059 "723fb1366e02366ed7e46f6020621e79" 254eb5425433fa7ec6b3b66dc43481206840656b66797579cc846b97f2d96c67`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestETagFollowsTheManifest(t *testing.T) {
	t.Parallel()
	base := newPlan(t, mixed())
	if again := newPlan(t, mixed()); again.ETag() != base.ETag() || !strings.HasPrefix(base.ETag(), `"`) {
		t.Errorf("the same manifest has ETags %s and %s", base.ETag(), again.ETag())
	}
	seen := map[string]string{base.ETag(): "base"}
	for name, change := range map[string]func(s *shelf){
		"path":    func(s *shelf) { s.entries[0].Path += "x" },
		"size":    func(s *shelf) { s.entries[70].Size++ },
		"crc":     func(s *shelf) { s.entries[3].CRC32++ },
		"time":    func(s *shelf) { s.entries[0].Modified = s.entries[0].Modified.Add(time.Second) },
		"key":     func(s *shelf) { s.entries[len(s.entries)-1].Key++ },
		"fewer":   func(s *shelf) { s.entries = s.entries[:len(s.entries)-1] },
		"swapped": func(s *shelf) { s.entries[20].CRC32, s.entries[21].CRC32 = s.entries[21].CRC32, s.entries[20].CRC32 },
	} {
		s := mixed()
		change(s)
		tag := newPlan(t, s).ETag()
		if other, taken := seen[tag]; taken {
			t.Errorf("%s has the ETag of %s", name, other)
		}
		seen[tag] = name
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		entries []Entry
		o       Options
		want    error
	}{
		{"negative size", []Entry{{Key: 1, Path: "a", Size: -1}}, Options{}, ErrManifest},
		{"too large", []Entry{{Key: 1, Path: "a", Size: math.MaxInt64}}, Options{}, ErrManifest},
		{"too large together", []Entry{{Key: 1, Path: "a", Size: 1 << 61}, {Key: 2, Path: "b", Size: 1 << 61}}, Options{}, ErrManifest},
		{"long path", []Entry{{Key: 1, Path: strings.Repeat("a", names.MaxPath+1)}}, Options{}, ErrManifest},
		{"too many files", []Entry{{Key: 1, Path: "a"}, {Key: 2, Path: "b"}}, Options{MaxNames: 1}, ErrTooManyNames},
		{"too many folders", []Entry{{Key: 1, Path: "a/b/c/d"}}, Options{MaxNames: 3}, ErrTooManyNames},
		{"too many numbers", []Entry{{Key: 1, Path: "a"}, {Key: 2, Path: "A"}}, Options{MaxNames: 2}, ErrTooManyNames},
		{"just enough", []Entry{{Key: 1, Path: "a/b"}, {Key: 2, Path: "a/c"}}, Options{MaxNames: 3}, nil},
	}
	for _, test := range tests {
		s := &shelf{entries: test.entries}
		if _, err := NewPlan(t.Context(), s.source(), test.o); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
	negative := func(context.Context, int64, int) ([]Entry, error) { return []Entry{{Key: -1}}, nil }
	if _, err := NewPlan(t.Context(), Source{Page: negative}, Options{}); !errors.Is(err, ErrManifest) {
		t.Errorf("a negative key: error %v", err)
	}
	same := func(context.Context, int64, int) ([]Entry, error) { return make([]Entry, planFiles), nil }
	if _, err := NewPlan(t.Context(), Source{Page: same}, Options{}); !errors.Is(err, ErrManifest) {
		t.Errorf("keys that repeat: error %v", err)
	}
	larger := func(_ context.Context, _ int64, limit int) ([]Entry, error) { return make([]Entry, limit+1), nil }
	if _, err := NewPlan(t.Context(), Source{Page: larger}, Options{}); !errors.Is(err, ErrManifest) {
		t.Errorf("a page above its limit: error %v", err)
	}
	s := mixed()
	s.failPage = errTest
	if _, err := NewPlan(t.Context(), s.source(), Options{}); !errors.Is(err, errTest) {
		t.Errorf("a page that fails: error %v", err)
	}
}

// TestPlanReadsOnce counts the pages at the edges of a page's length.
func TestPlanReadsOnce(t *testing.T) {
	t.Parallel()
	for files, want := range map[int]int{0: 1, 1: 1, planFiles - 1: 1, planFiles: 2, planFiles + 1: 2, 3 * planFiles: 4} {
		s := &shelf{}
		for i := range files {
			s.entries = append(s.entries, Entry{Key: int64(i), Path: fmt.Sprint(i)})
		}
		p := newPlan(t, s)
		if s.pages != want || p.Files() != files || len(s.opens) != 0 {
			t.Errorf("%d files: %d pages, want %d; %d planned; %d opened", files, s.pages, want, p.Files(), len(s.opens))
		}
		if files > 0 && len(p.checkpoints) != (files-1)/pageFiles+1 {
			t.Errorf("%d files: %d checkpoints", files, len(p.checkpoints))
		}
	}
}

// TestNumberedNames compares the names of readers, which number by what the
// plan kept, with those of names.Unique, where all there is to number falls on
// one page and where it spans some.
func TestNumberedNames(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	add := func(path string) {
		s.entries = append(s.entries, Entry{Key: int64(len(s.entries)), Path: path, CRC32: crc32.ChecksumIEEE(nil)})
	}
	for i := range 300 {
		add(fmt.Sprintf("plain/%d", i))
	}
	add("a")
	for i := range 300 {
		add(fmt.Sprintf("A/b/%d", i))
		add("a/B/CON.txt")
	}
	add(strings.Repeat("ü", 120) + ".jpg")
	add(strings.Repeat("Ü", 120) + ".JPG")
	deep := "x"
	for range 50 {
		add(deep)
		deep = strings.ToUpper(deep) + "/x"
	}
	p := newPlan(t, s)
	all := whole(t, p, s)
	z, err := zip.NewReader(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		t.Fatal(err)
	}
	var unique names.Unique
	var want, got []string
	for i, e := range s.entries {
		want, got = append(want, unique.Name(e.Path)), append(got, z.File[i].Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if len(p.editsOf(0)) != 0 || len(p.editsOf(6)) == 0 {
		t.Errorf("edits are not where the numbered names are")
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		safe, name string
		count      int
	}{
		{"a/b", "a/b", 0},
		{"a/b.jpg", "a/b (2).jpg", 1},
		{"a/b/c", "a (2)/b/c (3)", 2},
		{"aaa/aaa", "aaa (2)/aaa (2)", 2},
		{"longstem.jpg", "long (2).jpg", 1},
		{"", "x", 1},
	}
	for _, test := range tests {
		b, count := appendEdits([]byte{9}, test.safe, test.name)
		if count != test.count {
			t.Errorf("%q to %q: %d edits, want %d", test.safe, test.name, count, test.count)
		}
		name, rest, err := applyEdits(append(b[1:], 7), test.safe)
		if name != test.name || string(rest) != "\x07" || err != nil {
			t.Errorf("%q to %q: came out as %q, rest %x, error %v", test.safe, test.name, name, rest, err)
		}
	}
	for _, damaged := range []string{"", "\x01", "\x01\x05\x00\x00", "\x01\x00\x00\x05a", "\x01\x00\x09\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if _, _, err := applyEdits([]byte(damaged), "abc"); !errors.Is(err, ErrChanged) {
			t.Errorf("edits %x: error %v", damaged, err)
		}
	}
}
