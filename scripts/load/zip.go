package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// benchZIP fetches ten ZIPs of many files at once from a server that has just
// started, so that its peak is theirs.
func benchZIP(ctx context.Context, p plan) error {
	s, err := start(ctx, p, "zip")
	if err != nil {
		return err
	}
	address, access, err := shareSome(ctx, s, manyFiles, 256<<10)
	if err := errors.Join(err, s.stop()); err != nil {
		return err
	}
	if s, err = s.again(ctx); err != nil {
		return err
	}
	pid := s.cmd.Process.Pid
	idle, err := memory(pid, "VmRSS")
	if err != nil {
		return err
	}
	first, _, err := fetchZIP(ctx, s.base+address, access, 1)
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("first byte of a ZIP of %d files", manyFiles), first.Round(100*time.Microsecond).String(), "200ms")
	type answer struct {
		first time.Duration
		n     int64
		err   error
	}
	answers := make(chan answer)
	const together = 10
	began := time.Now()
	for range together {
		go func() {
			first, n, err := fetchZIP(ctx, s.base+address, access, 1<<62)
			answers <- answer{first, n, err}
		}()
	}
	var worst time.Duration
	var bytes int64
	for range together {
		a := <-answers
		worst, bytes, err = max(worst, a.first), bytes+a.n, errors.Join(err, a.err)
	}
	took := time.Since(began)
	peak, err1 := memory(pid, "VmHWM")
	if err := errors.Join(err, err1, s.stop()); err != nil {
		return err
	}
	figure("slowest first byte of ten at once", worst.Round(100*time.Microsecond).String(), "")
	figure("throughput of ten at once", fmt.Sprintf("%.0f MiB/s", float64(bytes)/mib/took.Seconds()), "")
	figure("resident memory idle", fmt.Sprintf("%.1f MiB", idle), "")
	figure("peak memory of ten at once, above idle", fmt.Sprintf("%.1f MiB", peak-idle), "64 MiB")
	return errors.Join(p.hold("first byte of a ZIP", first <= 200*time.Millisecond), p.hold("peak memory of ten at once", peak-idle <= 64))
}

// shareSome sends so many files of a size and gives what it takes to fetch their
// ZIP.
func shareSome(ctx context.Context, s *server, count int, size int64) (address, access string, err error) {
	g, err := newGuest(ctx, s, 4)
	if err != nil {
		return "", "", err
	}
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("Wedding/Card %d/HLD_%05d.JPG", i%7, i)
	}
	files, err := g.declare(ctx, names, size)
	if err != nil {
		return "", "", err
	}
	if _, err := g.sendAll(ctx, jobsOf(files), 4); err != nil {
		return "", "", err
	}
	var done struct{ Share struct{ URL, Code string } }
	if err := g.call(ctx, "POST", "/api/v1/transfers/"+g.id+"/complete", map[string]any{}, &done); err != nil {
		return "", "", err
	}
	share := "/api/v1/d/" + filepath.Base(done.Share.URL)
	var open struct {
		Token string `json:"access_token"`
	}
	guest := &guest{base: s.base, client: g.client}
	err = guest.call(ctx, "POST", share+"/unlock", map[string]any{"code": done.Share.Code}, &open)
	g.client.CloseIdleConnections()
	return share + "/archive.zip", open.Token, err
}

// fetchZIP reads so many bytes of a ZIP, or all, and tells when the first came.
func fetchZIP(ctx context.Context, url, access string, most int64) (first time.Duration, n int64, err error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("GET of the ZIP: %s", resp.Status)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
		return 0, 0, err
	}
	first = time.Since(began)
	n, err = io.CopyBuffer(io.Discard, io.LimitReader(resp.Body, most-1), make([]byte, 256<<10))
	if err == nil && most > resp.ContentLength && n+1 != resp.ContentLength {
		err = fmt.Errorf("the ZIP has %d bytes, %d were said", n+1, resp.ContentLength)
	}
	return first, n + 1, err
}

// again starts a server that was stopped, with all that it holds.
func (s *server) again(ctx context.Context) (*server, error) {
	next := &server{base: s.base, slug: s.slug, waiting: make(chan error, 1)}
	next.cmd = exec.CommandContext(ctx, s.cmd.Path, s.cmd.Args[1:]...)
	next.cmd.Env, next.cmd.Stderr = s.cmd.Env, &next.stderr
	next.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := next.cmd.Start(); err != nil {
		return nil, err
	}
	next.watch()
	return next, next.untilReady(ctx)
}
