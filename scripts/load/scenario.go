package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

func benchDirectory(ctx context.Context, p plan) error {
	if err := benchWrite(ctx, p); err != nil {
		return err
	}
	s, err := start(ctx, p, "directory")
	if err != nil {
		return err
	}
	return errors.Join(measure(ctx, p, s, "1.2 s"), s.stop())
}

// benchBucket measures against a bucket that speaks S3 and keeps nothing, in
// this process, so that its work is not counted.
func benchBucket(ctx context.Context, p plan) error {
	b, err := openBucket()
	if err != nil {
		return err
	}
	defer b.close()
	s, err := start(ctx, p, "bucket", b.env()...)
	if err != nil {
		return err
	}
	return errors.Join(measure(ctx, p, s, "1.0 s, and 2x of the relay"), s.stop())
}

// measure sends large parts four at a time, then small files.
func measure(ctx context.Context, p plan, s *server, budget string) error {
	pid := s.cmd.Process.Pid
	figure("start to ready", s.ready.Round(time.Millisecond).String(), "150ms")
	idle, err := memory(pid, "VmRSS")
	if err != nil {
		return err
	}
	figure("resident memory idle", fmt.Sprintf("%.1f MiB", idle), "30 MiB")
	g, err := newGuest(ctx, s, 4)
	if err != nil {
		return err
	}
	files, err := g.declare(ctx, []string{"large.bin"}, int64(p.gib*1024)*mib)
	if err != nil {
		return err
	}
	before, err := cpu(pid)
	if err != nil {
		return err
	}
	took, err := g.sendAll(ctx, jobsOf(files), 4)
	if err != nil {
		return err
	}
	after, err := cpu(pid)
	if err != nil {
		return err
	}
	peak, err := memory(pid, "VmHWM")
	if err != nil {
		return err
	}
	figure("CPU for a sealed GiB, 4 in flight", fmt.Sprintf("%.2f s", (after-before).Seconds()/p.gib), budget)
	figure("throughput", fmt.Sprintf("%.0f MiB/s", p.gib*1024/took.Seconds()), "")
	figure("peak memory, 4 in flight", fmt.Sprintf("%.1f MiB", peak), "64 MiB")
	return small(ctx, p, s)
}

// small sends many small files, which measures rows rather than bytes.
func small(ctx context.Context, p plan, s *server) error {
	g, err := newGuest(ctx, s, 4)
	if err != nil {
		return err
	}
	names := make([]string, p.files)
	for i := range names {
		names[i] = fmt.Sprintf("Card A/HLD_%05d.JPG", i)
	}
	began := time.Now()
	files, err := g.declare(ctx, names, 64<<10)
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("declare %d files", p.files), time.Since(began).Round(time.Millisecond).String(), "")
	took, err := g.sendAll(ctx, jobsOf(files), 4)
	if err != nil {
		return err
	}
	peak, err := memory(s.cmd.Process.Pid, "VmHWM")
	if err != nil {
		return err
	}
	figure("files of 64 KiB a second", fmt.Sprintf("%.0f", float64(p.files)/took.Seconds()), "")
	figure("peak memory after them", fmt.Sprintf("%.1f MiB", peak), "64 MiB")
	return nil
}

// benchSlow holds 64 bodies half-way, lets 200 more wait and keeps 1,000
// connections idle, and asks meanwhile whether anybody is at home.
func benchSlow(ctx context.Context, p plan) error {
	s, err := start(ctx, p, "slow", "APP_HTTP_MAX_STREAMS=64", "APP_HTTP_STREAM_WAIT=60s")
	if err != nil {
		return err
	}
	crowd, err := gather(ctx, s, 64, 200, 1000)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	worst := time.Duration(0)
	for range 100 {
		began := time.Now()
		resp, err := http.Get(s.base + "/readyz")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", resp.Status)
		}
		worst = max(worst, time.Since(began))
	}
	peak, err := memory(s.cmd.Process.Pid, "VmHWM")
	if err != nil {
		return err
	}
	figure("peak memory, 64 slow, 200 waiting, 1,000 idle", fmt.Sprintf("%.1f MiB", peak), "128 MiB")
	figure("slowest of 100 /readyz meanwhile", worst.Round(100*time.Microsecond).String(), "50ms")
	for _, c := range crowd {
		_ = c.Close()
	}
	return s.stop()
}

// gather opens the connections of slow guests: the first slow bodies get a
// stream and stop half-way, the next wait for one, the rest send nothing.
func gather(ctx context.Context, s *server, slow, waiting, idle int) ([]net.Conn, error) {
	g, err := newGuest(ctx, s, 1)
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(s.base)
	if err != nil {
		return nil, err
	}
	files, err := g.declare(ctx, []string{"slow.bin"}, int64(slow+waiting)*part)
	if err != nil {
		return nil, err
	}
	var crowd []net.Conn
	for i := range slow + waiting + idle {
		c, err := net.Dial("tcp", address.Host)
		if err != nil {
			return crowd, err
		}
		crowd = append(crowd, c)
		if i >= slow+waiting {
			continue
		}
		head := fmt.Sprintf("PUT /api/v1/files/%s/parts/%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
			files[0].ID, i+1, address.Host, g.token, part)
		if _, err := c.Write([]byte(head)); err != nil {
			return crowd, err
		}
		if i < slow {
			if _, err := c.Write(g.data[:part/2]); err != nil {
				return crowd, err
			}
		}
	}
	return crowd, nil
}
