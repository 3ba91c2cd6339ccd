package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
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

// benchSlow holds 64 bodies half-way, which are all streams, lets 200 more wait and
// keeps 1,000 connections idle, and asks meanwhile for whatever carries no body.
func benchSlow(ctx context.Context, p plan) error {
	const streams = 64
	s, err := start(ctx, p, "slow", "APP_HTTP_MAX_STREAMS="+strconv.Itoa(streams), "APP_HTTP_STREAM_WAIT=60s")
	if err != nil {
		return err
	}
	crowd, g, err := gather(ctx, s, streams, 200, 1000)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	if err := s.untilHeld(ctx, streams, 200); err != nil {
		return errors.Join(err, s.stop())
	}
	probes := startProbes(ctx, looks(s.base, s.slug, g))
	select {
	case <-time.After(20 * time.Second): // before one that waits makes another give way
	case <-ctx.Done():
	}
	if err := errors.Join(probes.end()...); err != nil {
		return err
	}
	peak, err := memory(s.cmd.Process.Pid, "VmHWM")
	if err != nil {
		return err
	}
	figure("peak memory, 64 slow, 200 waiting, 1,000 idle", fmt.Sprintf("%.1f MiB", peak), "128 MiB")
	probes.figures(" meanwhile")
	for _, c := range crowd {
		_ = c.Close()
	}
	return s.stop()
}

// untilHeld waits until so many bodies have a stream and so many wait for one.
func (s *server) untilHeld(ctx context.Context, held, waiting float64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		values, err := metricsAt(ctx, s.base+"/metrics")
		if err != nil {
			return err
		}
		if values["lenzeye_streams"] == held && values["lenzeye_streams_waiting"] == waiting {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%v bodies have a stream and %v wait, want %v and %v",
				values["lenzeye_streams"], values["lenzeye_streams_waiting"], held, waiting)
		}
	}
}

// gather opens the connections of slow guests: the first slow bodies get a
// stream and stop half-way, the next wait for one, the rest send nothing. It gives
// the guest whose parts they are.
func gather(ctx context.Context, s *server, slow, waiting, idle int) (crowd []net.Conn, g *guest, err error) {
	if g, err = newGuest(ctx, s, 1); err != nil {
		return nil, nil, err
	}
	address, err := url.Parse(s.base)
	if err != nil {
		return nil, nil, err
	}
	files, err := g.declare(ctx, []string{"slow.bin"}, int64(slow+waiting)*part)
	if err != nil {
		return nil, nil, err
	}
	for i := range slow + waiting + idle {
		c, err := net.Dial("tcp", address.Host)
		if err != nil {
			return crowd, g, err
		}
		crowd = append(crowd, c)
		if i >= slow+waiting {
			continue
		}
		head := fmt.Sprintf("PUT /api/v1/files/%s/parts/%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
			files[0].ID, i+1, address.Host, g.token, part)
		if _, err := c.Write([]byte(head)); err != nil {
			return crowd, g, err
		}
		if i < slow {
			if _, err := c.Write(g.data[:part/2]); err != nil {
				return crowd, g, err
			}
		}
	}
	return crowd, g, nil
}
