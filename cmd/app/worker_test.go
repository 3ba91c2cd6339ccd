package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// process is the program running as a function.
type process struct {
	stop  context.CancelFunc
	ended chan int
	log   *safeBuffer
}

// safeBuffer is what a process says, to be read while it speaks.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write keeps p.
func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String is all that was written.
func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// begin runs a command until the end of the test, when it must end well.
func begin(t *testing.T, env []string, out io.Writer, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &process{stop: stop, ended: make(chan int, 1), log: &safeBuffer{}}
	go func() { p.ended <- run(ctx, args, env, stdio{in: strings.NewReader(""), out: out, err: p.log}) }()
	t.Cleanup(func() { p.end(t) })
	return p
}

// end is SIGTERM.
func (p *process) end(t *testing.T) {
	t.Helper()
	if p.ended == nil {
		return
	}
	p.stop()
	if code := <-p.ended; code != exitOK {
		t.Errorf("exit code %d, and it said:\n%s", code, p.log)
	}
	p.ended = nil
}

// studio is a database, a Redis and a folder that several processes share.
type studio struct {
	env   []string
	dir   string
	redis *testenv.OwnRedis
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{dir: filepath.Join(t.TempDir(), "data"), redis: testenv.NewOwnRedis(t)}
	s.env = []string{
		"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + s.dir, "APP_STORAGE_MIN_FREE=0", "REDIS_URL=" + s.redis.URL,
		"DATABASE_URL=" + testenv.Database(t, db.EnginePostgres).URL,
	}
	return s
}

// seed leaves a complete transfer and two messages about it.
func (s *studio) seed(t *testing.T) {
	t.Helper()
	if code, _, stderr := call(t, s.env, "seed"); code != exitOK {
		t.Fatalf("seed: exit %d, %s", code, stderr)
	}
}

// waiting lists what waits.
func (s *studio) waiting(t *testing.T) []workItem {
	t.Helper()
	code, out, stderr := call(t, s.env, "jobs", "list", "--json")
	var items []workItem
	if err := json.Unmarshal([]byte(out), &items); err != nil || code != exitOK {
		t.Fatalf("jobs list: exit %d, %v, %s\n%s", code, err, out, stderr)
	}
	return items
}

// sent waits until the two messages are in the folder of mail.
func (s *studio) sent(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		files, err := filepath.Glob(filepath.Join(s.dir, "mail", "*.eml"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 2 {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%d messages were sent, want 2", len(files))
		}
	}
}

// serving begins a server and gives its address.
func (s *studio) serving(t *testing.T, args ...string) (base string, p *process) {
	t.Helper()
	read, write := io.Pipe()
	t.Cleanup(func() { _ = write.Close() })
	p = begin(t, s.env, write, append([]string{"serve", "--http.addr", "127.0.0.1:0"}, args...)...)
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if m := regexp.MustCompile(`Lenzeye is ready at (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return m[1], p
		}
	}
	t.Fatalf("no greeting; it said:\n%s", p.log)
	return "", nil
}

// readiness asks /readyz.
func readiness(t *testing.T, base string) (status int, body string) {
	t.Helper()
	res, err := http.Get(base + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// With sweeps a day apart only hints through Redis bring the work to the worker.
func TestServeHandsWorkToTheWorker(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	base, server := s.serving(t, "--sweep.every", "24h")
	if status, body := readiness(t, base); status != http.StatusOK || !strings.Contains(body, `"queue"`) {
		t.Errorf("readyz: %d %s", status, body)
	}
	s.seed(t)
	if items := s.waiting(t); len(items) != 2 || items[0].State != "queued" {
		t.Fatalf("without a worker these wait: %+v", items)
	}
	worker := begin(t, s.env, io.Discard, "worker", "--sweep.every", "24h")
	s.sent(t)
	worker.end(t)
	server.end(t)
	if items := s.waiting(t); len(items) != 0 {
		t.Errorf("afterwards these wait: %+v", items)
	}
}

func TestServeWithWorkerDoesItAll(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.serving(t, "--with-worker", "--sweep.every", "24h")
	s.seed(t)
	s.sent(t)
}

// Whatever happens to Redis, the sweep of a worker finds the rows.
func TestRedisLosesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(t *testing.T, s *studio){
		"gone before the work": func(t *testing.T, s *studio) {
			s.redis.Stop(t)
			s.seedUntold(t)
		},
		"gone and back empty": func(t *testing.T, s *studio) {
			s.seed(t)
			s.redis.Stop(t)
			s.redis.Start(t)
		},
		"flushed": func(t *testing.T, s *studio) {
			s.seed(t)
			s.redis.Call(t, "FLUSHALL")
		},
		"full": func(t *testing.T, s *studio) {
			s.redis.Call(t, "CONFIG SET maxmemory 1")
			s.seedUntold(t)
		},
		"full after the hint": func(t *testing.T, s *studio) {
			s.seed(t)
			s.redis.Call(t, "CONFIG SET maxmemory 1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			fault(t, s)
			begin(t, s.env, io.Discard, "worker", "--sweep.every", "1s")
			s.sent(t)
		})
	}
}

// seedUntold seeds without Redis, whose state would refuse the command.
func (s *studio) seedUntold(t *testing.T) {
	t.Helper()
	told := s.env
	s.env = append(told[:len(told):len(told)], "REDIS_URL=")
	s.seed(t)
	s.env = told
}

// A server without Redis is up, says what is missing, and goes on by itself.
func TestServeBeforeRedis(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.redis.Stop(t)
	base, _ := s.serving(t)
	if status, body := readiness(t, base); status != http.StatusServiceUnavailable || !strings.Contains(body, `"queue"`) {
		t.Errorf("readyz without Redis: %d %s", status, body)
	}
	s.redis.Start(t)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		status, body := readiness(t, base)
		if status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("readyz with Redis: %d %s", status, body)
		}
	}
}

// A worker waits for what is under way no longer than it is told to: what it cuts
// says so, and did not end by itself.
func TestWorkerHoldsDrainTimeout(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.seed(t)
	mails, begun := silent(t)
	s.env = append(s.env, "SMTP_URL=smtps://anna:password@"+mails, "SENDER_EMAIL=anna@studio.example", "APP_HTTP_DRAIN_TIMEOUT=50ms")
	worker := begin(t, s.env, io.Discard, "worker")
	select {
	case <-begun:
	case <-time.After(time.Minute):
		t.Fatalf("no message is on its way:\n%s", worker.log)
	}
	worker.end(t)
	cut := 0
	for _, i := range s.waiting(t) {
		switch {
		case strings.Contains(i.Detail, context.Canceled.Error()):
			cut++
		case i.Tries > 0:
			t.Errorf("%+v ended by itself", i)
		}
	}
	if cut == 0 {
		t.Errorf("nothing was cut:\n%s", worker.log)
	}
}

// silent takes connections for the length of a test, tells of the first, and says
// nothing.
func silent(t *testing.T) (address string, begun <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	first := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			if n == 0 {
				close(first)
			}
		}
	}()
	return l.Addr().String(), first
}

// Operators see hints that were given up beside the rows, and the rows alone
// while Redis is gone, with an exit code that says so.
func TestJobsWithRedis(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.seed(t)
	q, err := jobs.OpenRedis(jobs.Options{Jobs: []jobs.Job{{Kind: "mail.deliver/1", Run: func(context.Context, string) error {
		return jobs.Permanent(errors.New("it is a test"))
	}}}}, jobs.RedisOptions{URL: s.redis.URL, Poll: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var given []string
	for len(given) < 2 {
		given = nil
		for _, i := range s.waiting(t) {
			if i.State == "given up" && strings.HasSuffix(i.Detail, "; it is a test") {
				given = append(given, i.ID)
			}
		}
	}
	if err := q.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if code, out, stderr := call(t, s.env, "jobs", "delete", "--yes", given[0]); code != exitOK || !strings.Contains(out, given[0]) {
		t.Errorf("delete: exit %d, %s %s", code, out, stderr)
	}
	if code, out, stderr := call(t, s.env, "jobs", "retry", given[0], given[1]); code != exitUser ||
		!strings.Contains(out, given[1]) || !strings.Contains(stderr, given[0]) {
		t.Errorf("retry of one that there is and one that there is not: exit %d, %s %s", code, out, stderr)
	}
	items := s.waiting(t)
	if len(items) != 2 {
		t.Errorf("afterwards these wait: %+v", items)
	}
	s.redis.Stop(t)
	if code, out, stderr := call(t, s.env, "jobs", "list"); code != exitUser || !strings.Contains(out, "mail/") || !strings.Contains(stderr, "REDIS_URL: ") {
		t.Errorf("list without Redis: exit %d, %s %s", code, out, stderr)
	}
	if code, out, stderr := call(t, s.env, "jobs", "delete", "--yes", items[0].ID); code != exitUser || out != "" || !strings.Contains(stderr, "REDIS_URL: ") {
		t.Errorf("delete without Redis: exit %d, %s %s", code, out, stderr)
	}
}
