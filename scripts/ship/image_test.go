package ship_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// imageUser owns nothing but the folder of data.
const imageUser = 65532

// mostBytes is what the image may hold, unpacked.
const mostBytes = 40_000_000

// TestImage builds the files of the image with the command of the Dockerfile,
// and starts the program among nothing else, as its user.
func TestImage(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("12", 20)
	root := filepath.Join(t.TempDir(), "image")
	build := exec.CommandContext(t.Context(), "../build", "--root", root)
	build.Env = append(os.Environ(), "COMMIT="+commit, "VERSION=v9.8.7", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("scripts/build: %v\n%s", err, out)
	}
	wantFiles(t, root)
	if runtime.GOOS == "linux" {
		wantStatic(t, filepath.Join(root, "bin/app"))
	}
	openTo(t, root)

	addr := freeAddress(t)
	serve := inImage(t, root, "serve", "--http.addr", addr, "--storage.min-free", "0")
	var log bytes.Buffer
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	var version struct{ Version, Commit string }
	answer := get(t, addr, "/readyz", "/version")
	if err := json.Unmarshal(answer, &version); err != nil || version.Commit != commit || version.Version != "v9.8.7" {
		t.Errorf("/version is %s: %v", answer, err)
	}
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := serve.Wait(); err != nil || t.Failed() {
		t.Errorf("serve ended with %v and said:\n%s", err, log.String())
	}
	wantWritten(t, root)
}

// wantFiles: the program, the roots of TLS, the user's name, and no more.
func wantFiles(t *testing.T, root string) {
	t.Helper()
	total := int64(0)
	got := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !d.IsDir() {
			total += info.Size()
		}
		got[strings.TrimPrefix(path, root)] = info.Mode().String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"/bin": "drwxr-xr-x", "/bin/app": "-rwxr-xr-x", "/data": "drwx------",
		"/etc": "drwxr-xr-x", "/etc/passwd": "-rw-r--r--", "/etc/group": "-rw-r--r--",
		"/etc/ssl": "drwxr-xr-x", "/etc/ssl/certs": "drwxr-xr-x", "/etc/ssl/certs/ca-certificates.crt": "-rw-r--r--",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the image (-want +got):\n%s", diff)
	}
	t.Logf("the image holds %d bytes", total)
	if total > mostBytes {
		t.Errorf("the image holds %d bytes, more than %d", total, mostBytes)
	}
}

func wantStatic(t *testing.T, name string) {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a loader: it is not static")
		}
	}
}

// wantWritten: what serve made is in /data, and nowhere else.
func wantWritten(t *testing.T, root string) {
	t.Helper()
	made, err := os.ReadDir(filepath.Join(root, "data"))
	if err != nil || len(made) == 0 {
		t.Errorf("%d things in /data: %v", len(made), err)
	}
	if err := os.RemoveAll(filepath.Join(root, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, root)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// get asks for each path until it is answered with 200, and gives the last answer.
func get(t *testing.T, addr string, paths ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var answer []byte
	for _, path := range paths {
		for {
			var status int
			if status, answer = ask(ctx, "http://"+addr+path); status == http.StatusOK {
				break
			}
			select {
			case <-ctx.Done():
				t.Errorf("%s does not answer; last with %d %s", path, status, answer)
				return nil
			case <-tick.C:
			}
		}
	}
	return answer
}

func ask(ctx context.Context, url string) (status int, answer []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, []byte(err.Error())
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, body.Bytes()
}
