package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	manyFiles    = 2630 // of a wedding
	sendInFlight = 6    // what app send does unless told otherwise
	sendRounds   = 2
)

// benchSend measures `app send` against a bare client that sends the same files
// to the same server, in turns: one large pair of files, and many of all sizes.
func benchSend(ctx context.Context, p plan) error {
	b, err := openBucket()
	if err != nil {
		return err
	}
	defer b.close()
	total := int64(p.gib * 1024 * mib)
	for _, store := range []struct {
		name string
		env  []string
	}{{"directory", nil}, {"bucket", b.env()}} {
		s, err := start(ctx, p, "send-"+store.name, store.env...)
		if err != nil {
			return err
		}
		err = errors.Join(
			sendBoth(ctx, p, s, store.name+", 2 files", []int64{total / 2, total / 2}),
			sendBoth(ctx, p, s, fmt.Sprintf("%s, %d files", store.name, manyFiles), manySizes(total)),
			s.stop(), os.RemoveAll(filepath.Join(p.dir, "send-"+store.name)))
		if err != nil {
			return err
		}
	}
	return nil
}

// manySizes cuts total into the sizes of a photographer's folder: most small, a
// few large.
func manySizes(total int64) []int64 {
	random := rand.New(rand.NewPCG(1, 1))
	weights, sum := make([]float64, manyFiles), 0.0
	for i := range weights {
		w := random.ExpFloat64()
		weights[i] = w * w * w
		sum += weights[i]
	}
	sizes := make([]int64, manyFiles)
	for i, w := range weights {
		sizes[i] = max(1, int64(w/sum*float64(total)))
	}
	return sizes
}

// sendBoth sends a folder by both clients in turns and tells how they compare.
func sendBoth(ctx context.Context, p plan, s *server, what string, sizes []int64) error {
	folder := filepath.Join(p.dir, "folder")
	defer func() { _ = os.RemoveAll(folder) }()
	if err := writeFolder(folder, sizes); err != nil {
		return err
	}
	var total int64
	for _, n := range sizes {
		total += n
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	gib := sendRounds * float64(total) / (1 << 30)
	var bare, ours spent
	for range sendRounds {
		if err := bare.add(exec.CommandContext(ctx, self, "bare", s.base, s.slug, folder)); err != nil {
			return fmt.Errorf("the bare client: %w", err)
		}
		cmd := exec.CommandContext(ctx, p.app, "send", folder, "--to", s.base+"/u/"+s.slug, "--from", "bench@example.com", "--json")
		cmd.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
		if err := ours.add(cmd); err != nil {
			return fmt.Errorf("app send: %w", err)
		}
	}
	rate := func(of spent) string {
		return fmt.Sprintf("%.0f MiB/s, CPU %.2f s a GiB", 1024*gib/of.time.Seconds(), of.cpu.Seconds()/gib)
	}
	figure(what+": bare client", rate(bare), "")
	figure(what+": app send", rate(ours), "")
	figure(what+": of the bare client's", fmt.Sprintf("%.0f %%", 100*bare.time.Seconds()/ours.time.Seconds()), "80 %")
	figure(what+": peak memory of app send", fmt.Sprintf("%.1f MiB", ours.peak), "64 MiB")
	return errors.Join(p.hold(what+": of the bare client's", bare.time.Seconds() >= 0.8*ours.time.Seconds()),
		p.hold(what+": peak memory of app send", ours.peak <= 64))
}

// spent is what the runs of a command took together, and their peak memory in
// MiB.
type spent struct {
	time, cpu time.Duration
	peak      float64
}

// add runs a command and watches its memory.
func (s *spent) add(cmd *exec.Cmd) error {
	var errs bytes.Buffer
	cmd.Stderr, cmd.SysProcAttr = &errs, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-gone:
			s.time += time.Since(began)
			s.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if err != nil {
				return fmt.Errorf("%w: %s", err, errs.String())
			}
			return nil
		case <-tick.C:
			if now, err := memory(cmd.Process.Pid, "VmHWM"); err == nil { // else it is just ending
				s.peak = max(s.peak, now)
			}
		}
	}
}

func writeFolder(folder string, sizes []int64) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for i, size := range sizes {
		f, err := os.Create(filepath.Join(folder, fmt.Sprintf("HLD_%05d.JPG", i)))
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}), size)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// filePart is a part of a file on the disk.
type filePart struct {
	name, id string
	n        int
	from, to int64
}

// bare is a client that does no more than it has to: it declares the files of a
// folder and PUTs their parts from the disk, without a checksum, a comparison or a
// bar. It is a process of its own, as app send is.
func bare(ctx context.Context, base, slug, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	names, sizes := make([]string, len(entries)), make([]int64, len(entries))
	for i, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		names[i], sizes[i] = filepath.Join(folder, e.Name()), info.Size()
	}
	g, err := newGuest(ctx, &server{base: base, slug: slug}, sendInFlight)
	if err != nil {
		return err
	}
	parts, err := g.declareFiles(ctx, names, sizes)
	if err != nil {
		return err
	}
	queue := make(chan filePart, len(parts))
	for _, p := range parts {
		queue <- p
	}
	close(queue)
	errs := make([]error, sendInFlight)
	var all sync.WaitGroup
	for w := range errs {
		all.Go(func() {
			for p := range queue {
				if errs[w] = g.putFile(ctx, p); errs[w] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var done map[string]any
	return g.call(ctx, "POST", "/api/v1/transfers/"+g.id+"/complete", map[string]any{}, &done)
}

func (g *guest) declareFiles(ctx context.Context, names []string, sizes []int64) (parts []filePart, err error) {
	for at := 0; at < len(names); at += 1000 {
		end := min(at+1000, len(names))
		in := make([]map[string]any, end-at)
		for i := range in {
			in[i] = map[string]any{"path": filepath.Base(names[at+i]), "size": sizes[at+i]}
		}
		var out struct{ Files []declared }
		if err := g.call(ctx, "POST", "/api/v1/transfers/"+g.id+"/files", map[string]any{"files": in}, &out); err != nil {
			return nil, err
		}
		for i, f := range out.Files {
			for n := range int64(f.PartCount) {
				parts = append(parts, filePart{names[at+i], f.ID, int(n) + 1, n * f.PartSize, min((n+1)*f.PartSize, f.Size)})
			}
		}
	}
	return parts, nil
}

func (g *guest) putFile(ctx context.Context, p filePart) error {
	f, err := os.Open(p.name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	url := fmt.Sprintf("%s/api/v1/files/%s/parts/%d", g.base, p.id, p.n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, io.NewSectionReader(f, p.from, p.to-p.from))
	if err != nil {
		return err
	}
	req.ContentLength = p.to - p.from
	req.Header.Set("Authorization", "Bearer "+g.token)
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT part %d: %s: %s", p.n, resp.Status, answer)
	}
	return err
}
