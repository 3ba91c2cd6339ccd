package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// startLimit is how long a server may take until it is ready, on a machine that
// does other work too.
const startLimit = 20 * time.Second

// server is the real program in a process of its own, with a data directory and
// a port that stay the same through every kill.
type server struct {
	bin, dir, addr string
	env            []string
	probe          *http.Client

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
}

// buildApp builds the program once for all that a test starts.
func buildApp(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "app")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// startServer starts the program in a new folder and kills it when the test ends.
func startServer(ctx context.Context, t *testing.T, bin string, env ...string) *server {
	t.Helper()
	s := &server{
		bin: bin, dir: t.TempDir(), addr: freeAddress(t),
		probe: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "APP_ENVIRONMENT=local", "APP_HTTP_ADDR=" + s.addr,
		"APP_DATA_DIR=" + filepath.Join(s.dir, "data"), "APP_STORAGE_MIN_FREE=0", "APP_SWEEP_EVERY=200ms",
	}, env...)
	if err := s.start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server's last words:\n%s", s.tail())
		}
	})
	return s
}

// freeAddress picks a port below those that the system hands to outgoing
// connections, so that nobody takes it while the server is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no free port")
	return ""
}

func (s *server) start(ctx context.Context) error {
	out, err := os.OpenFile(s.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.bin, "serve")
	cmd.Dir, cmd.Env, cmd.Stderr, cmd.SysProcAttr = s.dir, s.env, out, dieWithTest()
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer out.Close()
		_ = cmd.Wait()
	}()
	s.mu.Lock()
	s.cmd, s.gone = cmd, gone
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return s.await(ctx, gone)
}

// kill is kill -9, and returns when the process is no more.
func (s *server) kill() {
	s.mu.Lock()
	cmd, gone := s.cmd, s.gone
	s.mu.Unlock()
	_ = cmd.Process.Kill() // an error means that it has ended already
	<-gone
}

// ready waits for a server that may be down at the moment.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return s.await(ctx, nil)
}

func (s *server) await(ctx context.Context, gone <-chan struct{}) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.isReady(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-gone:
			return fmt.Errorf("the server ended by itself:\n%s", s.tail())
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w\n%s", ctx.Err(), s.tail())
		}
	}
}

func (s *server) isReady(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := s.probe.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (s *server) log() string  { return filepath.Join(s.dir, "serve.log") }
func (s *server) data() string { return filepath.Join(s.dir, "data") }

// tail is the end of the log without its lines of requests that went well.
func (s *server) tail() string {
	b, _ := os.ReadFile(s.log())
	var kept []string
	for line := range strings.Lines(string(b)) {
		if !strings.Contains(line, `"level":"info","msg":"request"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-20):], "")
}

// seeded is what `app seed --json` prints.
type seeded struct {
	Account  struct{ ID, Email string }
	Link     struct{ ID, Slug, URL string }
	APIToken string `json:"api_token"`
}

// seed makes a studio with a link beside the running server.
func (s *server) seed(ctx context.Context, t *testing.T, email, slug string) seeded {
	t.Helper()
	cmd := exec.CommandContext(ctx, s.bin, "seed", "--json", "--email", email, "--slug", slug)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, s.env, dieWithTest()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("app seed: %v\n%s", err, errs.String())
	}
	var got seeded
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("app seed printed %q: %v", out, err)
	}
	if got.Account.ID == "" || got.Link.URL != "http://"+s.addr+"/u/"+slug || !strings.HasPrefix(got.APIToken, "lza_") {
		t.Fatalf("app seed printed %s", out)
	}
	return got
}
