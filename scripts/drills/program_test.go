package drills_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// program is the real one, in a folder of its own.
type program struct {
	bin, dir, addr string
	env            []string
}

func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "app")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/lenzeye/lenzeye/cmd/app").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return bin
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

func (p program) data(name string) string { return filepath.Join(p.dir, "data", name) }

func (p program) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.bin, args...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "APP_ENVIRONMENT=local",
		"APP_HTTP_ADDR=" + p.addr, "APP_STORAGE_MIN_FREE=0"}, p.env...)
	return cmd
}

// run does one command, which must end well, and gives what it printed.
func (p program) run(t *testing.T, args ...string) []byte {
	t.Helper()
	return do(t, p.command(t.Context(), args...))
}

func do(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, errs.String())
	}
	return out
}

// serve starts the server, waits until it is ready, and gives what kills it.
func (p program) serve(t *testing.T) (kill func()) {
	t.Helper()
	cmd := p.command(context.WithoutCancel(t.Context()), "serve")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ended error
	gone := make(chan struct{})
	go func() {
		ended = cmd.Wait()
		close(gone)
	}()
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // an error: it has just ended
		<-gone
	})
	t.Cleanup(kill)
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := http.Get("http://" + p.addr + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return kill
			}
		}
		select {
		case <-gone:
			t.Fatalf("the server ended: %v\n%s", ended, log.String())
		case <-deadline:
			t.Fatal("the server did not get ready")
		case <-tick.C:
		}
	}
}

// sent is a transfer as who fetches it knows it.
type sent struct {
	Share struct{ URL, Code string }
}

// send sends a folder as a guest does.
func (p program) send(t *testing.T, folder string) sent {
	t.Helper()
	var s sent
	out := p.run(t, "send", folder, "--all", "--to", "http://"+p.addr+"/u/drill", "--from", "anna@example.com", "--json")
	if err := json.Unmarshal(out, &s); err != nil || s.Share.URL == "" {
		t.Fatalf("app send printed %s: %v", out, err)
	}
	return s
}

// wantSame fetches a transfer and compares every file with the folder that was
// sent.
func (p program) wantSame(t *testing.T, s sent, folder string) {
	t.Helper()
	into := t.TempDir()
	p.run(t, "get", s.Share.URL, "--code", s.Share.Code, "-o", into)
	want, got := contents(t, folder), contents(t, filepath.Join(into, filepath.Base(folder)))
	if len(want) == 0 || len(want) != len(got) {
		t.Errorf("%d files came back, want %d", len(got), len(want))
	}
	for name, content := range want {
		if !bytes.Equal(got[name], content) {
			t.Errorf("%s came back with %d bytes, and not as the %d that were sent", name, len(got[name]), len(content))
		}
	}
}

func contents(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return fmt.Errorf("name %s: %w", path, err)
		}
		files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
