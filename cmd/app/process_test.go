package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// spawn starts the program as a process of its own.
func spawn(t *testing.T, dir string, out io.Writer, env []string, args ...string) (cmd *exec.Cmd, log *safeBuffer) {
	t.Helper()
	return spawnThis(t, dir, out, env, append([]string{"app"}, args...)...)
}

// spawnThis starts a command that ends in the program.
func spawnThis(t *testing.T, dir string, out io.Writer, env []string, command ...string) (cmd *exec.Cmd, log *safeBuffer) {
	t.Helper()
	log = &safeBuffer{}
	cmd = exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(env, "PATH="+os.Getenv("PATH")), out, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, log
}

// newProcess is a solo in a process of its own, to be sent signals.
func newProcess(t *testing.T, settings ...string) (*solo, *exec.Cmd) {
	t.Helper()
	return newProcessOf(t, []string{"app", "serve"}, settings...)
}

// newProcessOf is the same for a command that ends in app serve.
func newProcessOf(t *testing.T, command []string, settings ...string) (*solo, *exec.Cmd) {
	t.Helper()
	s := &solo{t: t, dir: filepath.Join(t.TempDir(), "data")}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	env := append([]string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + s.dir, "APP_STORAGE_MIN_FREE=0", "APP_HTTP_ADDR=127.0.0.1:0"}, settings...)
	cmd, log := spawnThis(t, t.TempDir(), write, env, command...)
	s.log = log
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	s.greeting(read)
	return s, cmd
}

// refused waits until nobody listens there any more.
func refused(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = c.Close()
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s still takes connections", address)
		}
	}
}

// SIGTERM closes the door and lets the part in flight finish; then the process
// ends well, and the part is there afterwards.
func TestSignalDrains(t *testing.T) {
	t.Parallel()
	s, cmd := newProcess(t)
	u := s.upload(1)
	c := s.holds(u, 0)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	refused(t, strings.TrimPrefix(s.base, "http://"))
	if _, err := c.WriteString("abcd"); err != nil || c.Flush() != nil {
		t.Fatal(err)
	}
	if status := s.status(c); status != http.StatusOK {
		t.Errorf("the part in flight: %d", status)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, s.log)
	}
}

// A second signal ends at once what the first one would wait for.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"while a part is in flight": {"APP_HTTP_DRAIN_TIMEOUT=10m"},
		"before the listeners stop": {"APP_HTTP_DRAIN_DELAY=10m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cmd := newProcess(t, settings...)
			s.holds(s.upload(1), 0)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(50 * time.Millisecond) // until the first has been seen
			defer tick.Stop()
			limit := time.After(30 * time.Second)
			for {
				select {
				case err := <-ended:
					if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
						t.Errorf("it ended with %v", err)
					}
					return
				case <-tick.C:
					_ = cmd.Process.Signal(syscall.SIGINT) // an error means that it has ended
				case <-limit:
					t.Fatalf("it runs still\n%s", s.log)
				}
			}
		})
	}
}

// rendered is what the platform and its operator set.
type rendered struct {
	env  []string
	port string
}

func newRendered(t *testing.T) rendered {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil || l.Close() != nil {
		t.Fatal(err)
	}
	bucket := testenv.S3(t)
	return rendered{port: port, env: []string{
		"RENDER=true", "PORT=" + port, "RENDER_EXTERNAL_URL=https://studio.onrender.example", "RENDER_GIT_COMMIT=0123abc",
		"MASTER_KEYS=1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"DATABASE_URL=" + testenv.Database(t, db.EnginePostgres).URL, "REDIS_URL=" + testenv.Redis(t),
		"WASABI_BUCKET_NAME=" + bucket.Bucket, "WASABI_ENDPOINT_URL=" + bucket.Endpoint, "WASABI_REGION=" + bucket.Region,
		"WASABI_ACCESS_KEY=" + bucket.AccessKey, "WASABI_SECRET_KEY=" + bucket.SecretKey,
	}}
}

// On the platform serve listens where it is told, on every interface, knows its
// address and commit, and writes nothing.
func TestProductionStart(t *testing.T) {
	t.Parallel()
	r := newRendered(t)
	dir := t.TempDir()
	cmd, log := spawn(t, dir, io.Discard, r.env, "serve")
	s := &solo{t: t, base: "http://127.0.0.1:" + r.port, log: log}
	s.awaits(http.StatusOK, "/readyz")
	if got := s.asks("GET", "/version", "", ""); !strings.Contains(string(got.body), "0123abc") {
		t.Errorf("version %s", got.body)
	}
	if got := s.asks("GET", "/metrics", "", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("metrics for everybody: %d", got.StatusCode)
	}
	says(t, log.String(), `"address":"0.0.0.0:`+r.port+`"`, `"public_url":"https://studio.onrender.example"`, `{"time":`)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, log)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// In production metrics have a listener of their own, or none: the one for
// everybody does not show them.
func TestProductionMetrics(t *testing.T) {
	t.Parallel()
	r := newRendered(t)
	cmd, log := spawn(t, t.TempDir(), io.Discard, append(r.env, "APP_HTTP_METRICS_ADDR=127.0.0.1:0"), "serve")
	s := &solo{t: t, base: "http://127.0.0.1:" + r.port, log: log}
	s.awaits(http.StatusOK, "/readyz")
	own := &solo{t: t, base: "http://" + hears(t, log, `"msg":"metrics","address":"([^"]+)"`)[1], log: log}
	own.awaits(http.StatusOK, "/metrics", "lenzeye_streams 0", "lenzeye_http_requests_total")
	own.awaits(http.StatusOK, "/readyz", `"database"`, `"bucket"`, `"queue"`)
	if got := own.asks("GET", "/api/v1/openapi.json", "", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("the listener of metrics serves more: %d", got.StatusCode)
	}
	if got := s.asks("GET", "/metrics", "", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("metrics for everybody: %d", got.StatusCode)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, log)
	}
}

// awaits asks until the answer has a status, and what it must hold.
func (s *solo) awaits(status int, path string, wants ...string) reply {
	s.t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		res, err := http.Get(s.base + path)
		if err == nil {
			body, _ := io.ReadAll(res.Body) // a cut answer is not what is awaited
			_ = res.Body.Close()
			lacks := slices.ContainsFunc(wants, func(want string) bool { return !strings.Contains(string(body), want) })
			if res.StatusCode == status && !lacks {
				return reply{Response: res, body: body}
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("%s is not %d with %v but %v, %v\n%s", path, status, wants, res, err, s.log)
		}
	}
}

// A start in production names what is missing, each and all, and does not begin.
func TestProductionRefusals(t *testing.T) {
	t.Parallel()
	full := newRendered(t).env
	needed := []string{"MASTER_KEYS", "DATABASE_URL", "WASABI_BUCKET_NAME", "WASABI_ACCESS_KEY", "WASABI_SECRET_KEY", "RENDER_EXTERNAL_URL"}
	for _, command := range []string{"serve", "worker"} {
		for _, missing := range needed {
			var env []string
			for _, kv := range full {
				if !strings.HasPrefix(kv, missing+"=") {
					env = append(env, kv)
				}
			}
			code, _, stderr := call(t, env, command)
			if missing == "RENDER_EXTERNAL_URL" { // the platform's; who sets it by hand sets this one
				missing = "APP_HTTP_PUBLIC_URL"
			}
			if code != exitUser || !strings.Contains(stderr, missing) {
				t.Errorf("%s without %s: exit %d, %s", command, missing, code, stderr)
			}
		}
		code, _, stderr := call(t, []string{"RENDER=true", "REDIS_URL=" + "redis://127.0.0.1:1"}, command)
		if code != exitUser {
			t.Errorf("%s with nothing: exit %d", command, code)
		}
		says(t, stderr, needed[:3]...)
	}
}

// Where nobody migrates at a start, a database that is behind is refused by
// serve and by worker, and one that is ahead is taken.
func TestProductionSchema(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change string // of the schema's version
		taken  bool
	}{
		"behind": {"UPDATE schema_migrations SET version = version - 1", false},
		"ahead":  {"UPDATE schema_migrations SET version = version + 1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRendered(t)
			for _, kv := range r.env {
				if url, ok := strings.CutPrefix(kv, "DATABASE_URL="); ok {
					operator{opts: db.Options{URL: url}}.executes(t, tc.change)
				}
			}
			for _, command := range []string{"serve", "worker"} {
				if !tc.taken {
					if code, _, stderr := call(t, r.env, command); code != exitUser || !strings.Contains(stderr, "run app migrate up") {
						t.Errorf("%s: exit %d, %s", command, code, stderr)
					}
					continue
				}
				cmd, log := spawn(t, t.TempDir(), io.Discard, r.env, command)
				hears(t, log, `"msg":"(listening|working)"`)
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
				if err := cmd.Wait(); err != nil {
					t.Errorf("%s: %v\n%s", command, err, log)
				}
			}
		})
	}
}

// hears waits until a process has said something, and gives what it said of it.
func hears(t *testing.T, log *safeBuffer, pattern string) []string {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		if m := expression.FindStringSubmatch(log.String()); m != nil {
			return m
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it does not say %s but:\n%s", pattern, log)
		}
	}
}

// A worker needs no port. Given one, it tells there how it is: the parts that
// it needs, what it did, and that it ends.
func TestWorkerTellsHowItIs(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.seed(t)
	worker := begin(t, s.env, io.Discard, "worker", "--http.metrics-addr", "127.0.0.1:0", "--log.format", "json")
	at := &solo{t: t, base: "http://" + hears(t, worker.log, `"msg":"metrics","address":"([^"]+)"`)[1], log: worker.log}
	at.awaits(http.StatusOK, "/readyz", `"database"`, `"bucket"`, `"queue"`, `"ready"`)
	at.awaits(http.StatusOK, "/healthz")
	at.awaits(http.StatusNotFound, "/api/v1/me")
	s.sent(t)
	at.awaits(http.StatusOK, "/metrics", "lenzeye_jobs_running", `lenzeye_step_seconds_count{part="job",step="mail.deliver/1"}`)
	s.redis.Stop(t)
	at.awaits(http.StatusServiceUnavailable, "/readyz", `"queue":{"ok":false`)
}
