package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is the program as a process of its own.
type server struct {
	cmd     *exec.Cmd
	base    string // URL
	slug    string
	ready   time.Duration // from exec to the first good answer
	stderr  bytes.Buffer
	waiting chan error
}

// start runs `app serve` with a data directory of its own, and seeds it.
func start(ctx context.Context, p plan, name string, env ...string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir := p.dir + "/" + name
	env = append(os.Environ(), append([]string{
		"APP_DATA_DIR=" + dir, "APP_HTTP_ADDR=" + addr, "APP_LOG_LEVEL=error", "APP_ENVIRONMENT=local",
	}, env...)...)
	s := &server{base: "http://" + addr, waiting: make(chan error, 1)}
	seed := exec.CommandContext(ctx, p.app, "seed", "--json")
	seed.Env = env
	out, err := seed.Output()
	if err != nil {
		return nil, fmt.Errorf("app seed: %w", withStderr(err))
	}
	var seeded struct {
		Link struct{ Slug string }
	}
	if err := json.Unmarshal(out, &seeded); err != nil {
		return nil, fmt.Errorf("app seed: %w", err)
	}
	s.slug = seeded.Link.Slug
	s.cmd = exec.CommandContext(ctx, p.app, "serve")
	s.cmd.Env, s.cmd.Stderr = env, &s.stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.watch()
	err = s.untilReady(ctx)
	s.ready = time.Since(began)
	return s, err
}

func withStderr(err error) error {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return fmt.Errorf("%w: %s", err, e.Stderr)
	}
	return err
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *server) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := http.Get(s.base + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.waiting:
			return fmt.Errorf("app serve ended: %w: %s", err, s.stderr.String())
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// watch waits for the end of the program that was started. How it ended is told
// once; who asks again must not wait for ever.
func (s *server) watch() {
	go func() {
		s.waiting <- s.cmd.Wait()
		close(s.waiting)
	}()
}

// stop ends the server as a platform would.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-s.waiting; err != nil {
		return fmt.Errorf("app serve: %w: %s", err, s.stderr.String())
	}
	return nil
}

// cpu is the processor time that a process has used, user and system.
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const ticks = 100 // USER_HZ, the same on every Linux port
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err1, err2)
}

// memory reads a line of /proc/PID/status in MiB: VmRSS now, VmHWM the peak.
func memory(pid int, line string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s", line)
}
