package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
)

// strictBox is a folder that everybody may read and nobody may write to, with
// the program beside it. The program is built for it: the tests' own may be one
// with the race detector, whose shadow of the memory is larger than the limit.
type strictBox struct {
	program string
	nowhere string // is working folder, home and folder of temporary files in one
}

func newStrictBox(t *testing.T) strictBox {
	t.Helper()
	dir := t.TempDir()
	b := strictBox{program: filepath.Join(dir, "app"), nowhere: filepath.Join(dir, "nowhere")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Mkdir(b.nowhere, 0o555); err != nil {
		t.Fatal(err)
	}
	// The folder above those of a test lets nobody else in.
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, b.program: 0o755, b.nowhere: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// command runs the program with 512 MiB of data and, where the tests may choose
// that, nobody's rights; else with the tests' own, which the folder refuses too.
func (b strictBox) command(args ...string) []string {
	limits := []string{"prlimit", "--data=536870912"}
	if os.Getuid() == 0 {
		limits = append(limits, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL")
	}
	return slices.Concat(limits, []string{b.program}, args)
}

// In production serve with the work of a worker needs PostgreSQL, Redis and a
// bucket, and of its own machine 512 MiB, nobody's rights and no file: files are
// taken, completed, given singly and as a ZIP, and SIGTERM ends it well.
func TestProductionWritesNothing(t *testing.T) {
	t.Parallel()
	b, r := newStrictBox(t), newRendered(t)
	code, out, stderr := call(t, r.env, "seed", "--json", "--yes")
	var made seeded
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != exitOK {
		t.Fatalf("seed: exit %d, %v, %s%s", code, err, out, stderr)
	}
	env := append(r.env, "HOME="+b.nowhere, "TMPDIR="+b.nowhere)
	cmd, log := spawnThis(t, b.nowhere, io.Discard, env, b.command("serve", "--with-worker")...)
	s := &solo{t: t, base: "http://127.0.0.1:" + r.port, link: made.Link.URL, log: log}
	s.awaits(http.StatusOK, "/readyz", `"database"`, `"bucket"`, `"queue"`)
	s.isConfined(cmd.Process.Pid)
	s.fetchesWhatItSends(3)
	s.holdsNoFile(cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, log)
	}
	left, err := os.ReadDir(b.nowhere)
	if err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// isConfined holds the test to its word: the limit is there, and root is not.
func (s *solo) isConfined(pid int) {
	s.t.Helper()
	limits, status := lines(s.t, fmt.Sprintf("/proc/%d/limits", pid)), lines(s.t, fmt.Sprintf("/proc/%d/status", pid))
	if !slices.ContainsFunc(limits, func(l string) bool {
		return strings.HasPrefix(l, "Max data size") && strings.Contains(l, "536870912")
	}) {
		s.t.Errorf("its limits are\n%s", strings.Join(limits, "\n"))
	}
	if slices.ContainsFunc(status, func(l string) bool { return strings.HasPrefix(l, "Uid:\t0\t") }) {
		s.t.Error("it runs as root")
	}
}

// holdsNoFile looks at what the process has open: no file of a disk. What the
// kernel shows of the machine has names under /sys and /proc.
func (s *solo) holdsNoFile(pid int) {
	s.t.Helper()
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(open) == 0 {
		s.t.Fatalf("%v, %v", open, err)
	}
	for _, fd := range open {
		name, err := os.Readlink(fd)
		top, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
		if err == nil && filepath.IsAbs(name) && !slices.Contains([]string{"dev", "proc", "sys"}, top) { // an error: it has been closed meanwhile
			s.t.Errorf("it has %s open", name)
		}
	}
}

// fetchesWhatItSends sends files of four bytes, completes the transfer and
// fetches one of the files, and all as a ZIP.
func (s *solo) fetchesWhatItSends(files int) {
	s.t.Helper()
	started := s.starts()
	var out api.Declared
	s.read(s.declares(started, files), &out)
	for _, f := range out.Files {
		if r := s.asks("PUT", "/api/v1/files/"+f.File.ID+"/parts/1", started.UploadToken, "abcd"); r.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %d %s", f.File.Path, r.StatusCode, r.body)
		}
	}
	share := s.completes(started).Share
	path := "/api/v1/d/" + share.URL[strings.LastIndex(share.URL, "/")+1:]
	var unlocked api.Unlocked
	s.read(s.asks("POST", path+"/unlock", "", `{"code": "`+share.Code+`"}`), &unlocked)
	if r := s.asks("GET", path+"/files/"+out.Files[0].File.ID, unlocked.AccessToken, ""); r.StatusCode != http.StatusOK || string(r.body) != "abcd" {
		s.t.Errorf("a file: %d %s", r.StatusCode, r.body)
	}
	r := s.asks("GET", path+"/archive.zip", unlocked.AccessToken, "")
	archive, err := zip.NewReader(bytes.NewReader(r.body), int64(len(r.body)))
	if err != nil || len(archive.File) != files {
		s.t.Fatalf("the ZIP: %d, %v, %s", r.StatusCode, err, s.log)
	}
	for _, f := range archive.File {
		content, err := f.Open()
		if err != nil {
			s.t.Fatal(err)
		}
		if got, err := io.ReadAll(content); err != nil || string(got) != "abcd" {
			s.t.Errorf("%s in the ZIP: %q, %v", f.Name, got, err)
		}
	}
}
