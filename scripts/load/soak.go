package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"time"
)

const (
	sessionFiles = 2630
	slowGuests   = 64
	inFlight     = 6 // parts of the session

	restTime = 10 * time.Second // after which nobody has asked anything for a while
	// allClosed is when every connection that waited for its next use is gone: the
	// bucket's after 30 s, a guest's after http.keep_alive, the database's after
	// db.max_conn_lifetime and a tenth.
	allClosed = 200 * time.Second
)

// benchBox measures the program on a small box: one session of many files with a
// crowd beside it, then a soak without the crowd, and what is left of all that.
func benchBox(ctx context.Context, p plan) error {
	b, err := openBox(ctx, p)
	if b != nil {
		defer b.close()
	}
	if err != nil {
		return err
	}
	fmt.Printf("small-box (%s)\n---------\n", b.limits())
	figure("start to ready, PostgreSQL", b.ready.Round(time.Millisecond).String(), "")
	idle, err := b.look(ctx)
	if err != nil {
		return err
	}
	figure("idle", idle.String(), "30 MiB")
	if err := b.session(ctx, p); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := b.soak(ctx, p); err != nil {
		return fmt.Errorf("soak: %w", err)
	}
	left, err := b.rested(ctx, allClosed)
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("at rest %v after that", allClosed), left.String(), "as idle")
	if err := b.rows(ctx); err != nil {
		return fmt.Errorf("measure the rows: %w", err)
	}
	return b.end()
}

// session sends 2,630 files while 64 guests send slowly, 1,000 connections are
// idle and 8 readers fetch, and asks meanwhile for whatever carries no body. The
// slow guests and the session together hold every stream.
func (b *box) session(ctx context.Context, p plan) error {
	c, err := gatherAt(ctx, b, slowGuests, 1000, 8)
	if err != nil {
		return err
	}
	g, err := newGuest(ctx, b.server, 1)
	if err != nil {
		return errors.Join(err, c.leave())
	}
	probes := startProbes(ctx, looks(b.base, b.slug, g))
	began := time.Now()
	err = b.send(ctx, spread(sessionFiles, int64(p.gib*1024)*mib), inFlight)
	took := time.Since(began)
	if err := errors.Join(append(probes.end(), err, c.leave())...); err != nil {
		return err
	}
	peak, err := memory(b.cmd.Process.Pid, "VmHWM")
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("%d files, %.1f GiB, %d parts in flight", sessionFiles, p.gib, inFlight), took.Round(time.Second).String(), "")
	figure("read meanwhile by 8 readers", fmt.Sprintf("%d MiB", c.read.Load()/mib), "")
	figure("peak memory with all of them", fmt.Sprintf("%.1f MiB", peak), "128 MiB")
	probes.figures("")
	return nil
}

// spread cuts total into n sizes, most small, a few large, the same every time.
func spread(n int, total int64) []int64 {
	random := rand.New(rand.NewPCG(1, 2))
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		w := random.ExpFloat64()
		weights[i] = w * w
		sum += weights[i]
	}
	sizes := make([]int64, n)
	for i, w := range weights {
		sizes[i] = max(1, int64(w/sum*float64(total)))
	}
	return sizes
}

// send is a whole transfer of files of these sizes.
func (b *box) send(ctx context.Context, sizes []int64, inFlight int) error {
	g, err := newGuest(ctx, b.server, inFlight)
	if err != nil {
		return err
	}
	defer g.client.CloseIdleConnections()
	files, err := g.declareSizes(ctx, sizes)
	if err != nil {
		return err
	}
	if _, err := g.sendAll(ctx, jobsOf(files), inFlight); err != nil {
		return err
	}
	var out struct{ Files int }
	if err := g.complete(ctx, &out); err != nil {
		return err
	}
	if out.Files != len(sizes) {
		return fmt.Errorf("%d files are complete, want %d", out.Files, len(sizes))
	}
	return nil
}

// soakSizes are the files of one transfer of the soak: a hundred parts, ten of
// them of full size.
func soakSizes() []int64 {
	sizes := []int64{4 * part, 3 * part, part, part, part}
	for range 90 {
		sizes = append(sizes, 256<<10)
	}
	return sizes
}

// soak sends transfer after transfer and holds what the program has after 10,000
// parts and more against what it had after 1,000.
func (b *box) soak(ctx context.Context, p plan) error {
	before, err := b.rested(ctx, restTime)
	if err != nil {
		return err
	}
	var early, late []float64
	for sent := 0; sent < p.parts; {
		if err := b.send(ctx, soakSizes(), 8); err != nil {
			return err
		}
		sent += 100
		rss, err := memory(b.cmd.Process.Pid, "VmRSS")
		if err != nil {
			return err
		}
		if sent >= 1000 && sent < 2000 {
			early = append(early, rss)
		}
		if sent > p.parts-1000 {
			late = append(late, rss)
		}
	}
	peak, err := memory(b.cmd.Process.Pid, "VmHWM")
	if err != nil {
		return err
	}
	after, err := b.rested(ctx, restTime)
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("soak of %d parts: memory after 1,000", p.parts), fmt.Sprintf("%.1f MiB", mean(early)), "")
	figure("memory at its end", fmt.Sprintf("%.1f MiB, %+.1f", mean(late), mean(late)-mean(early)), "no drift")
	figure("peak memory since the start", fmt.Sprintf("%.1f MiB", peak), "128 MiB")
	figure("at rest before", before.String(), "")
	figure("at rest after", after.String(), "") // as many connections wait as the last work took
	return nil
}

// rows prints what rows take in PostgreSQL, with their indexes and what updates
// left behind.
func (b *box) rows(ctx context.Context) error {
	for _, r := range []struct{ name, tables, of string }{
		{"a file", "files,file_keys", "files"}, {"a part", "parts", "parts"}, {"a transfer with share, mails and events",
			"transfers,shares,mails,events", "transfers"},
	} {
		var sizes []string
		for table := range strings.SplitSeq(r.tables, ",") {
			sizes = append(sizes, "pg_total_relation_size('"+table+"')")
		}
		query := "SELECT (" + strings.Join(sizes, "+") + ") / COUNT(*) FROM " + r.of
		out, err := exec.CommandContext(ctx, "psql", "-At", "-d", b.about[0].url, "-c", query).CombinedOutput()
		if err != nil {
			return fmt.Errorf("psql: %w: %s", err, out)
		}
		figure("bytes of "+r.name+" in PostgreSQL", strings.TrimSpace(string(out)), "")
	}
	return nil
}

// rested is what the program holds when nobody has asked anything for a time.
func (b *box) rested(ctx context.Context, idle time.Duration) (state, error) {
	select {
	case <-time.After(idle):
		return b.look(ctx)
	case <-ctx.Done():
		return state{}, ctx.Err()
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}
