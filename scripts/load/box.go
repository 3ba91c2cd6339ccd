package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// box is the program as it runs on a small rented machine: half a processor,
// 512 MiB, no folder that it may write to, nobody's rights, and PostgreSQL,
// Redis and a bucket beside it.
type box struct {
	*server
	metrics string // URL
	group   string // folder of its processor limit; empty: there is none
	bucket  *bucket
	about   []*service
}

const (
	boxMemory = 512 * mib
	boxCPU    = "50000" // of 100000 microseconds
)

// openBox starts everything and makes a studio.
func openBox(ctx context.Context, p plan) (b *box, err error) {
	b = &box{server: &server{waiting: make(chan error, 1)}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := os.Chmod(p.dir, 0o755); err != nil { // nobody has to find the program
		return b, err
	}
	pg, err := openPostgres(ctx, p)
	if err != nil {
		return b, err
	}
	b.about = append(b.about, pg)
	redis, err := openRedis(ctx)
	if err != nil {
		return b, err
	}
	b.about = append(b.about, redis)
	if b.bucket, err = openBucket(); err != nil {
		return b, err
	}
	b.bucket.keep(256 * mib)
	addr, err := freeAddr()
	if err != nil {
		return b, err
	}
	metrics, err := freeAddr()
	if err != nil {
		return b, err
	}
	b.base, b.metrics = "http://"+addr, "http://"+metrics+"/metrics"
	env := append(b.bucket.env(), "PATH="+os.Getenv("PATH"), "APP_ENVIRONMENT=production", "APP_LOG_LEVEL=error",
		"MASTER_KEYS=1:"+strings.Repeat("5a", 32), "DATABASE_URL="+pg.url, "REDIS_URL="+redis.url, "APP_HTTP_ADDR="+addr,
		"APP_HTTP_METRICS_ADDR="+metrics, "APP_HTTP_PUBLIC_URL="+b.base, "APP_ACCOUNT_QUOTA=1TiB",
		// What a container of this size would make the program choose by itself.
		"GOMEMLIMIT="+strconv.Itoa(boxMemory*9/10),
		// Fewer than it would choose, so that the session finds every other one held.
		"APP_HTTP_MAX_STREAMS="+strconv.Itoa(slowGuests+inFlight))
	if err := b.seed(ctx, p, env); err != nil {
		return b, err
	}
	return b, b.start(ctx, p, env)
}

func (b *box) seed(ctx context.Context, p plan, env []string) error {
	migrate := exec.CommandContext(ctx, p.app, "migrate", "up")
	migrate.Env = env
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("app migrate up: %w: %s", err, out)
	}
	seed := exec.CommandContext(ctx, p.app, "seed", "--json", "--yes")
	seed.Env = env
	out, err := seed.Output()
	if err != nil {
		return fmt.Errorf("app seed: %w", withStderr(err))
	}
	var seeded struct{ Link struct{ Slug string } }
	if err := json.Unmarshal(out, &seeded); err != nil {
		return fmt.Errorf("app seed: %w", err)
	}
	b.slug = seeded.Link.Slug
	return nil
}

// start runs the program inside its limits.
func (b *box) start(ctx context.Context, p plan, env []string) error {
	nowhere := filepath.Join(p.dir, "nowhere")
	if err := os.Mkdir(nowhere, 0o555); err != nil {
		return err
	}
	script := `exec "$@"`
	if b.limitCPU() {
		script = `echo $$ >"$GROUP/cgroup.procs"; ` + script
	}
	command := []string{"-c", script, "sh", "prlimit", fmt.Sprintf("--data=%d", boxMemory)}
	if os.Getuid() == 0 {
		command = append(command, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL")
	}
	b.cmd = exec.CommandContext(ctx, "/bin/sh", append(command, p.app, "serve", "--with-worker")...)
	b.cmd.Dir, b.cmd.Stderr = nowhere, &b.stderr
	b.cmd.Env = append(env, "GROUP="+b.group, "TMPDIR="+nowhere, "HOME="+nowhere)
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := b.cmd.Start(); err != nil {
		return err
	}
	b.watch()
	err := b.untilReady(ctx)
	b.ready = time.Since(began)
	return err
}

// limitCPU makes a control group (version 1) of half a processor.
func (b *box) limitCPU() bool {
	b.group = fmt.Sprintf("/sys/fs/cgroup/cpu/lenzeye-bench-%d", os.Getpid())
	if os.Mkdir(b.group, 0o755) == nil && os.WriteFile(filepath.Join(b.group, "cpu.cfs_quota_us"), []byte(boxCPU), 0o644) == nil {
		return true
	}
	_ = os.Remove(b.group) // it may not be there
	b.group = ""
	return false
}

// limits says what held the program.
func (b *box) limits() string {
	held := "512 MiB of data, no folder to write to"
	if os.Getuid() == 0 {
		held += ", user nobody"
	}
	if b.group != "" {
		return held + ", half a processor"
	}
	return held + "; no control group for the processor here, so all of it"
}

// end drains the program.
func (b *box) end() error {
	err := b.stop()
	b.cmd = nil
	return err
}

// close gives everything back.
func (b *box) close() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Process.Kill()     // an error: it has ended
		_ = errors.Join(<-b.waiting) // it was killed
	}
	if b.bucket != nil {
		b.bucket.close()
	}
	for _, s := range b.about {
		s.stop(syscall.SIGINT)
	}
	if b.group != "" {
		_ = os.Remove(b.group) // what is left of it is empty
	}
}

// state is what the program holds at a moment.
type state struct {
	rss, goroutines, descriptors, connections float64
}

// look reads /metrics and /proc.
func (b *box) look(ctx context.Context) (state, error) {
	var s state
	values, err := metricsAt(ctx, b.metrics)
	if err != nil {
		return s, err
	}
	s.goroutines, s.descriptors = values["go_goroutines"], values["process_open_fds"]
	s.connections = values["lenzeye_connections"]
	s.rss, err = memory(b.cmd.Process.Pid, "VmRSS")
	if s.goroutines == 0 || s.descriptors == 0 {
		err = errors.Join(err, errors.New("/metrics has neither goroutines nor descriptors"))
	}
	return s, err
}

func (s state) String() string {
	return fmt.Sprintf("%.1f MiB, %.0f goroutines, %.0f descriptors, %.0f connections", s.rss, s.goroutines, s.descriptors, s.connections)
}
