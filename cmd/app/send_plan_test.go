package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// tree makes files, and folders of the names that end with a slash.
func tree(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, []byte(name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// planned makes a plan and reads every file of it.
func planned(t *testing.T, paths ...string) (p *sendPlan, read map[string]string, left map[string]string) {
	t.Helper()
	p, err := planSend(t.Context(), paths, false)
	t.Cleanup(p.close)
	if err != nil {
		t.Fatal(err)
	}
	read, left = map[string]string{}, map[string]string{}
	for _, s := range p.sources {
		f, err := s.Open(s.Path)
		if err != nil {
			t.Errorf("%s: %v", s.Path, err)
			continue
		}
		body := make([]byte, s.Size)
		_, err = f.ReadAt(body, 0)
		if _ = f.Close(); err != nil {
			t.Errorf("%s: %v", s.Path, err)
		}
		read[s.Path] = string(body)
	}
	for _, l := range p.left {
		left[l.Path] = l.Err.Error()
	}
	return p, read, left
}

// TestLinks follows links of every kind to a place inside the folder, names why
// others are not followed, and opens all by their own paths.
func TestLinks(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	link(t, base, filepath.Join(t.TempDir(), "way")) // the folder itself may lie behind one
	dir := filepath.Join(base, "W")
	tree(t, dir, "a.jpg", "sub/b.jpg", "sub/deep/c.jpg")
	tree(t, base, "outside/secret.jpg")
	for at, to := range map[string]string{
		"relative.jpg": "sub/b.jpg", "absolute.jpg": filepath.Join(dir, "a.jpg"), "folder": filepath.Join(dir, "sub"),
		"chain.jpg": "absolute.jpg", "out.jpg": filepath.Join(base, "outside/secret.jpg"), "up.jpg": "../outside/secret.jpg",
		"outfolder": filepath.Join(base, "outside"), "gone.jpg": filepath.Join(dir, "nowhere"), "round": filepath.Join(dir, "round"),
		"sub/back": dir,
	} {
		link(t, to, filepath.Join(dir, at))
	}
	_, read, left := planned(t, dir)
	want := map[string]string{
		"W/a.jpg": "a.jpg", "W/sub/b.jpg": "sub/b.jpg", "W/sub/deep/c.jpg": "sub/deep/c.jpg", "W/relative.jpg": "sub/b.jpg",
		"W/absolute.jpg": "a.jpg", "W/chain.jpg": "a.jpg", "W/folder/b.jpg": "sub/b.jpg", "W/folder/deep/c.jpg": "sub/deep/c.jpg",
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("sent: %s", diff)
	}
	wantLeft := map[string]string{
		"W/out.jpg": "the link leads out of the folder", "W/up.jpg": "the link leads out of the folder",
		"W/outfolder": "the link leads out of the folder", "W/gone.jpg": "no such file or directory",
		"W/round": "EvalSymlinks: too many links", "W/sub/back": "the link leads back to a folder around it",
		"W/folder/back": "the link leads back to a folder around it",
	}
	if diff := cmp.Diff(wantLeft, left); diff != "" {
		t.Errorf("left out: %s", diff)
	}
}

// TestPlanOfManyKinds has single files beside folders, empty folders, what only
// systems want, and more files in a folder than are looked at in one go.
func TestPlanOfManyKinds(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	var many []string
	for i := range 700 {
		many = append(many, fmt.Sprintf("many/%03d.CR3", i))
	}
	tree(t, base, append(many, "W/empty/", "W/sub/empty too/", "W/only/.DS_Store", "W/z.txt", "single.jpg")...)
	p, read, left := planned(t, filepath.Join(base, "single.jpg"), filepath.Join(base, "many"), filepath.Join(base, "W"))
	if len(read) != 702 || read["single.jpg"] != "single.jpg" || read["many/699.CR3"] != "many/699.CR3" || len(left) > 0 {
		t.Errorf("%d files, left %v", len(read), left)
	}
	if diff := cmp.Diff([]string{"W/empty", "W/sub/empty too"}, p.empty); diff != "" {
		t.Errorf("empty: %s", diff)
	}
	if diff := cmp.Diff([]string{"W/only/.DS_Store"}, p.junk); diff != "" {
		t.Errorf("left by systems: %s", diff)
	}
	for i, s := range p.sources {
		if found, at := p.find(s.Path); found != s || at != i {
			t.Fatalf("%s is not found where it stands", s.Path)
		}
	}
	if s, at := p.find("W/nowhere"); s != nil || at != -1 {
		t.Errorf("something is found that is not: %v", s)
	}
}

// TestBelow finds a path by the folders around it.
func TestBelow(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"W/a/b": true, "W/a": true, "W": false, "W/ab": false, "X/W/a": false} {
		if got := isBelow(map[string]bool{"W/a": true}, name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestInputKeepsItsDate gives a temporary file the date of an earlier run, opens it
// twice, and leaves nothing in the folder meanwhile.
func TestInputKeepsItsDate(t *testing.T) {
	t.Parallel()
	f, err := newTempFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.remove()
	in := &sendInput{isInput: true, file: f, source: &client.Source{Path: "in", Open: f.again}}
	if _, err := f.WriteString("abc"); err != nil {
		t.Fatal(err)
	}
	kept := time.Date(2020, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	if err := in.keepDate(&kept); err != nil {
		t.Fatal(err)
	}
	if !in.source.Modified.Equal(kept) || in.source.Size != 3 {
		t.Errorf("%+v", in.source)
	}
	stands := api.File{Size: 3, Modified: apiTime(kept), CRC32: crcOf("abc")}
	if err := in.source.Compare(t.Context(), stands); err != nil {
		t.Errorf("compared with itself: %v", err)
	}
	stands.CRC32 = crcOf("abd")
	if err := in.source.Compare(t.Context(), stands); !errors.Is(err, client.ErrChanged) {
		t.Errorf("compared with another: %v", err)
	}
	for range 2 {
		again, err := in.source.Open("in")
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 3)
		if _, err := again.ReadAt(body, 0); err != nil || string(body) != "abc" {
			t.Errorf("%q %v", body, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func apiTime(t time.Time) *api.Time {
	at := api.NewTime(t)
	return &at
}

func crcOf(text string) *api.CRC32 {
	sum := api.CRC32(crc32.ChecksumIEEE([]byte(text)))
	return &sum
}

func TestWholeFilesStayBelowWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{"stored": true, "sealing": true, "receiving": false, "damaged": false} {
		if got := isWhole(api.File{State: state}); got != want {
			t.Errorf("%s: %v", state, got)
		}
	}
}
