package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// service is a server that the program leans on, for the length of a run.
type service struct {
	url     string
	cmd     *exec.Cmd
	waiting chan error
}

// startService runs a command until stop, or until the system ends this process.
func startService(cmd *exec.Cmd) (*service, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &service{cmd: cmd, waiting: make(chan error, 1)}
	go func() { s.waiting <- cmd.Wait() }()
	return s, nil
}

func (s *service) stop(how os.Signal) {
	_ = s.cmd.Process.Signal(how) // an error: it has ended
	_ = errors.Join(<-s.waiting)  // how it ended does not matter any more
}

// openPostgres starts a PostgreSQL of its own that flushes as a real one does.
// It refuses root, so root gives it to the user postgres.
func openPostgres(ctx context.Context, p plan) (*service, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	bin := ""
	if len(found) > 0 {
		bin = found[len(found)-1] + "/"
	}
	dir := filepath.Join(p.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	as := []string{}
	if os.Getuid() == 0 {
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"}
		if out, err := exec.CommandContext(ctx, "chown", "postgres", dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("give the folder to postgres: %w: %s", err, out)
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := append(as, bin+"initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := exec.CommandContext(ctx, initdb[0], initdb[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	command := append(as, bin+"postgres", "-D", data, "-p", port, "-k", "", "-c", "listen_addresses=127.0.0.1")
	s, err := startService(exec.Command(command[0], command[1:]...))
	if err != nil {
		return nil, err
	}
	s.url = "postgres://postgres@" + addr + "/postgres?sslmode=disable"
	return s, s.until(ctx, bin+"pg_isready", "-q", "-h", "127.0.0.1", "-p", port)
}

// openRedis starts a Redis of its own that evicts nothing and keeps nothing.
func openRedis(ctx context.Context) (*service, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s, err := startService(exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"))
	if err != nil {
		return nil, err
	}
	s.url = "redis://" + addr
	return s, s.until(ctx, "redis-cli", "-p", port, "ping")
}

// until asks by a command again and again whether the service is there.
func (s *service) until(ctx context.Context, ask ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := exec.CommandContext(ctx, ask[0], ask[1:]...).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case err := <-s.waiting:
			s.waiting <- err
			return fmt.Errorf("%s ended: %w", s.cmd.Path, err)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: %w: %s", strings.Join(ask, " "), err, out), ctx.Err())
		case <-tick.C:
		}
	}
}
