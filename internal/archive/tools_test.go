package archive

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/names"
)

// run runs a program that must be there and succeed.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "PYTHONUTF8=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%.2000s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// save writes an archive to a file, save for a hole that stays sparse.
func save(t *testing.T, p *Plan, s *shelf, holeStart, holeEnd int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "archive.zip"))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Reader(t.Context(), s.source())
	for _, span := range [][2]int64{{0, holeStart}, {holeEnd, p.Size()}} {
		if _, err := r.Seek(span[0], io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r.Limit(span[1] - span[0])
		if _, err := io.Copy(io.NewOffsetWriter(f, span[0]), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

const pythonTest = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(len(z.infolist()))
`

func testWithAll(t *testing.T, name string, files int) {
	t.Helper()
	if out := run(t, "", "unzip", "-tq", name); !strings.Contains(out, "No errors detected") {
		t.Errorf("unzip: %s", out)
	}
	if out := run(t, "", "7z", "t", name); !strings.Contains(out, "Everything is Ok") || strings.Contains(out, "Warning") || !strings.Contains(out, fmt.Sprintf("Files: %d\n", files)) {
		t.Errorf("7z: %s", out)
	}
	if out := run(t, "", "bsdtar", "-tf", name); strings.Count(out, "\n") != files {
		t.Errorf("bsdtar lists %d files, want %d", strings.Count(out, "\n"), files)
	}
	// Through a pipe it reads the local headers and not the directory.
	if out := run(t, "", "sh", "-c", `cat "$0" | bsdtar -tf -`, name); strings.Count(out, "\n") != files {
		t.Errorf("bsdtar lists %d files of a pipe, want %d", strings.Count(out, "\n"), files)
	}
	if out := run(t, "", "python3", "-c", pythonTest, name); strings.TrimSpace(out) != fmt.Sprint(files) {
		t.Errorf("python reads %s files, want %d", out, files)
	}
}

// TestProgramsAccept has the archive of everything special tested by each.
func TestProgramsAccept(t *testing.T) {
	t.Parallel()
	s := mixed()
	testWithAll(t, save(t, newPlan(t, s), s, 0, 0), len(s.entries))
}

// TestProgramsUnpack compares what each makes of it: names, content, times.
// bsdtar composes decomposed names, so all are compared composed.
func TestProgramsUnpack(t *testing.T) {
	t.Parallel()
	s := mixed()
	archive := save(t, newPlan(t, s), s, 0, 0)
	var unique names.Unique
	want := map[string]string{}
	for _, e := range s.entries {
		want[string(names.Key(unique.Name(e.Path)))] = fmt.Sprintf("%x", sha256.Sum256(contentOf(e)))
	}
	for name, unpack := range map[string][]string{
		"unzip":  {"unzip", "-qn", archive},
		"7z":     {"7z", "x", "-y", archive},
		"bsdtar": {"bsdtar", "-xf", archive},
		"python": {"python3", "-m", "zipfile", "-e", archive, "."},
	} {
		dir := t.TempDir()
		run(t, dir, unpack[0], unpack[1:]...)
		if diff := cmp.Diff(want, hashes(t, dir)); diff != "" {
			t.Errorf("%s unpacked (-want +got):\n%s", name, diff)
		}
		info, err := os.Stat(filepath.Join(dir, "Hochzeit Müller", "img_0001 (2).cr3"))
		if err != nil {
			t.Fatal(err)
		}
		if at := time.Date(2024, 6, 15, 14, 30, 22, 0, time.UTC); name != "python" && !info.ModTime().Truncate(time.Second).Equal(at) {
			t.Errorf("%s: modified %v, want %v", name, info.ModTime().UTC(), at)
		}
	}
}

// hashes reads all files below dir.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		found[string(names.Key(path))] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestProgramsCountFar gives them more files than 16 bits count.
func TestProgramsCountFar(t *testing.T) {
	t.Parallel()
	const files = 66_000
	entries := make([]Entry, files)
	for i := range entries {
		entries[i] = file(fmt.Sprintf("%d/%d", i/1000, i), int64(i%2), time.Unix(1_700_000_000, 0))
	}
	s := newShelf(entries...)
	testWithAll(t, save(t, newPlan(t, s), s, 0, 0), files)
}

// TestProgramsReachFar has a file above 4 GiB, which no program has to read,
// and one behind it, which all must find.
func TestProgramsReachFar(t *testing.T) {
	t.Parallel()
	const large = 5 << 30
	day := time.Unix(1_700_000_000, 0)
	s := newShelf(file("first", 100, day), file("large", 0, day), file("behind", 300, day))
	s.entries[1].Size = large
	p := newPlan(t, s)
	hole := p.central - (30 + 6 + 9) - 300
	archive := save(t, p, s, hole-large, hole)
	want := string(contentOf(s.entries[2]))
	for name, args := range map[string][]string{
		"unzip":  {"unzip", "-p", archive, "behind"},
		"7z":     {"7z", "x", "-so", archive, "behind"},
		"bsdtar": {"bsdtar", "-xOf", archive, "behind"},
		"python": {"python3", "-c", "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('behind'))", archive},
	} {
		if got := run(t, "", args[0], args[1:]...); got != want {
			t.Errorf("%s read %d bytes that differ", name, len(got))
		}
	}
	for name, args := range map[string][]string{
		"unzip":  {"unzip", "-l", archive},
		"7z":     {"7z", "l", archive},
		"bsdtar": {"bsdtar", "-tvf", archive},
		"python": {"python3", "-m", "zipfile", "-l", archive},
	} {
		if got := run(t, "", args[0], args[1:]...); !strings.Contains(got, fmt.Sprint(large)) {
			t.Errorf("%s does not see the size:\n%s", name, got)
		}
	}
}
