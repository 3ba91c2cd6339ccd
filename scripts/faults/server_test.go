package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// app is the program as a process, with one folder and one address through all
// of its lives.
type app struct {
	bin, dir, addr string
	env            []string
	masters        *masters // nil: in a file of the program
	book           *book
}

// build compiles the program, for the race detector where that is asked for.
func build(t *testing.T, p plan) string {
	t.Helper()
	return buildIn(t, p, ".")
}

// buildIn compiles it from the module that holds a folder.
func buildIn(t *testing.T, p plan, folder string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "app")
	args := []string{"build", "-o", bin}
	if p.race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "github.com/lenzeye/lenzeye/cmd/app")...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return bin
}

// freeAddress picks a port just below those that the system hands to outgoing
// connections, so that nobody takes it while the program is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 30_000+rand.IntN(2_700))
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

func (a *app) data() string    { return filepath.Join(a.dir, "data") }
func (a *app) logFile() string { return filepath.Join(a.dir, "app.log") }

func (a *app) command(ctx context.Context, extra []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.bin, args...)
	cmd.Dir = a.dir
	cmd.Env = append(append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir, "APP_ENVIRONMENT=local", "APP_HTTP_ADDR=" + a.addr,
		"APP_DATA_DIR=" + a.data(), "APP_STORAGE_MIN_FREE=0", "APP_LOG_FORMAT=json",
		"APP_SWEEP_EVERY=1s", "APP_SWEEP_GRACE=2m", "APP_RETENTION_UNDO=1s",
	}, a.env...), a.masters.env()...)
	cmd.Env = append(cmd.Env, extra...)
	cmd.SysProcAttr = endsWithTest()
	return cmd
}

// seeded is what `app seed --json` prints.
type seeded struct {
	Link     struct{ Slug string }
	APIToken string `json:"api_token"`
}

func (a *app) seed(t *testing.T) seeded {
	t.Helper()
	cmd := a.command(t.Context(), nil, "seed", "--json", "--yes", "--slug", "chaos")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var got seeded
	if err := errors.Join(err, json.Unmarshal(out, &got)); err != nil {
		t.Fatalf("app seed: %v\n%s", err, errs.String())
	}
	return got
}

// What a process of the program does.
const (
	serve  = "serve"
	worker = "worker"
)

// life is one run of the program.
type life struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended, with err
	err  error
}

// start begins app serve or app worker.
func (a *app) start(role string, extra ...string) (*life, error) {
	log, err := os.OpenFile(a.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := a.command(context.Background(), extra, role)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	l := &life{cmd: cmd, gone: make(chan struct{})}
	go func() {
		l.err = errors.Join(cmd.Wait(), log.Close())
		close(l.gone)
	}()
	return l, nil
}

// stop drains the program, which must end well.
func (l *life) stop() error {
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-l.gone:
		return l.err
	case <-time.After(time.Minute):
		_ = l.cmd.Process.Kill()
		return errors.New("the program did not end within a minute of SIGTERM")
	}
}

// live keeps the program running, through kills at random moments, until ctx
// ends, and gives its last life. A start that the database's faults end is
// tried again; without such faults the program must not end by itself.
func (a *app) live(ctx context.Context, p plan, random *rand.Rand, enough func()) (*life, error) {
	for done := 0; ; {
		l, err := a.start(serve)
		if err != nil {
			return nil, err
		}
		next := make(<-chan time.Time)
		if p.kills == 0 || done < p.kills {
			next = time.After(p.untilKill(random))
		}
		select {
		case <-l.gone:
		case <-next:
			_ = l.cmd.Process.Kill() // an error: it has just ended by itself
			<-l.gone
			a.book.add(kills, 1)
			if done++; done == p.kills {
				enough()
			}
			continue
		case <-ctx.Done():
			if a.comesUp(l) {
				return l, nil
			}
		}
		a.book.add("starts that failed", 1)
		if p.engine == sqlite {
			return nil, fmt.Errorf("the program ended by itself: %w\n%s", l.err, a.tail())
		}
		rest(context.WithoutCancel(ctx), 100*time.Millisecond)
	}
}

// comesUp tells whether a life is not over before it answers: the database may
// still be coming back from its last fault.
func (a *app) comesUp(l *life) bool {
	for began := time.Now(); time.Since(began) < time.Minute; rest(context.Background(), 20*time.Millisecond) {
		select {
		case <-l.gone:
			return false
		default:
		}
		if got, err := look(context.Background(), a.addr); err == nil && got.Status == "ready" {
			return true
		}
	}
	return true // it lives, and something that it needs does not
}

// ready waits until the program answers that it is.
func (a *app) ready(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < time.Minute; {
		if looked, err := look(ctx, a.addr); err == nil && looked.Status == "ready" {
			return nil
		}
		if !rest(ctx, 20*time.Millisecond) {
			break
		}
	}
	return fmt.Errorf("the program does not become ready\n%s", a.tail())
}

// readiness is what /readyz tells.
type readiness struct {
	Status string
	Parts  map[string]struct{ OK bool }
}

// look asks a process whether it is ready.
func look(ctx context.Context, addr string) (got readiness, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return got, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return got, err
	}
	defer func() { _ = resp.Body.Close() }()
	return got, json.NewDecoder(resp.Body).Decode(&got)
}

func (a *app) tail() string {
	text, _ := os.ReadFile(a.logFile())
	return string(text[max(0, len(text)-4000):])
}

// outcry is what the program's log must never hold. The last two are of a process
// that lacks a master key, which no rotation in good order brings about.
var outcry = regexp.MustCompile(`panic: |DATA RACE|fatal error|the bucket lost the parts|do not authenticate|` +
	`cannot open the key now|master keys do not open`)

// outcries are the lines of the log that match, the first of them.
func (a *app) outcries(t *testing.T) (found []string) {
	t.Helper()
	text, err := os.ReadFile(a.logFile())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if len(found) < 40 && outcry.MatchString(line) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
