package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

func TestOnlyMeansFilesAndFolders(t *testing.T) {
	t.Parallel()
	var files []api.SharedFile
	for _, path := range []string{"W/Card A/1.CR3", "W/Card A/1.jpg", "W/Card B/1.CR3", "notes.txt"} {
		files = append(files, api.SharedFile{Path: path})
	}
	for pattern, want := range map[string][]string{
		"":               {"W/Card A/1.CR3", "W/Card A/1.jpg", "W/Card B/1.CR3", "notes.txt"},
		"*.CR3":          {"W/Card A/1.CR3", "W/Card B/1.CR3"},
		"1.jpg":          {"W/Card A/1.jpg"},
		"Card A":         {"W/Card A/1.CR3", "W/Card A/1.jpg"},
		"W/Card B/":      {"W/Card B/1.CR3"},
		"W/*/1.jpg":      {"W/Card A/1.jpg"},
		"W":              {"W/Card A/1.CR3", "W/Card A/1.jpg", "W/Card B/1.CR3"},
		"notes.txt":      {"notes.txt"},
		"Card":           nil,
		"../W":           nil,
		"/W/Card A":      nil,
		"/":              nil,
		"W/Card [AB]/1*": {"W/Card A/1.CR3", "W/Card A/1.jpg", "W/Card B/1.CR3"},
	} {
		var got []string
		for _, f := range files {
			if matches(pattern, f.Path) {
				got = append(got, f.Path)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", pattern, diff)
		}
	}
}

// TestOnlyEnds looks for paths that no honest server has: each look comes to its end.
func TestOnlyEnds(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/etc/passwd", "/", "", "..", "../..", "a//b/", "./a"} {
		if matches("*.CR3", file) {
			t.Errorf("%q is a photograph", file)
		}
	}
}

func TestBytesForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1_500_000: "1.5 MB",
		20e9: "20.0 GB", 3e12: "3.0 TB", 1 << 62: "4611.7 PB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestJunk(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".DS_Store": true, "Thumbs.db": true, "thumbs.DB": true, "desktop.ini": true, "._a.jpg": true, ".Trashes": true,
		"System Volume Information": true, ".hidden": false, "_a": false, "DS_Store": false, "a.ini": false,
	} {
		if isJunk(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestStateFile keeps what a second run needs for its owner only, for each link
// and each set of paths apart.
func TestStateFile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	inv := &invocation{env: []string{"HOME=/elsewhere", "HOME=" + home}}
	s := inv.state("send", "https://a", "demo", "/x")
	for _, other := range []stateFile{
		inv.state("send", "https://a", "demo", "/y"), inv.state("send", "https://a", "demo/x"), inv.state("get", "https://a", "demo", "/x"),
	} {
		if other.path == s.path || !strings.HasPrefix(other.path, filepath.Join(home, ".local", "state", "lenzeye")) {
			t.Errorf("state in %s and %s", s.path, other.path)
		}
	}
	var got sendState
	if ok, err := s.load(&got); ok || err != nil {
		t.Fatalf("nothing was kept: %v %v", ok, err)
	}
	want := sendState{Key: client.Key{1, 2, 3}, TransferID: "id", UploadToken: "lzu_x"}
	for range 2 {
		if err := s.save(want); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := s.load(&got); !ok || err != nil || got != want {
		t.Errorf("%+v %v %v", got, ok, err)
	}
	for path, mode := range map[string]os.FileMode{s.path: 0o600, filepath.Dir(s.path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(s.path)); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v %v", entries, err)
	}
	if err := os.WriteFile(s.path, []byte(`{"idempotency_key":"short"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(&got); err == nil || !strings.Contains(err.Error(), s.path) {
		t.Errorf("a broken file: %v", err)
	}
	for range 2 {
		if err := s.forget(); err != nil {
			t.Error(err)
		}
	}
	nowhere := (&invocation{}).state("send", "x")
	if ok, err := nowhere.load(&got); ok || err != nil || nowhere.save(want) != nil || nowhere.forget() != nil {
		t.Errorf("without a folder: %v %v", ok, err)
	}
}
