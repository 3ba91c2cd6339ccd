package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	mib  = 1 << 20
	part = 10 * mib
)

// guest sends one transfer.
type guest struct {
	base, id, token string
	client          *http.Client
	data            []byte // what every part is cut from
}

func newGuest(ctx context.Context, s *server, inFlight int) (*guest, error) {
	g := &guest{base: s.base, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: inFlight, WriteBufferSize: 256 << 10,
	}}}
	g.data = make([]byte, part)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(g.data)
	var begun struct {
		ID          string `json:"id"`
		UploadToken string `json:"upload_token"`
	}
	err := g.call(ctx, "POST", "/api/v1/u/"+s.slug+"/transfers", map[string]any{"sender_email": "bench@example.com"}, &begun)
	g.id, g.token = begun.ID, begun.UploadToken
	return g, err
}

// call makes a JSON call.
func (g *guest) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return json.Unmarshal(answer, out)
}

type declared struct {
	ID        string `json:"id"`
	Size      int64  `json:"size"`
	PartSize  int64  `json:"part_size"`
	PartCount int    `json:"part_count"`
}

// declareSizes declares files of these sizes under names of a camera.
func (g *guest) declareSizes(ctx context.Context, sizes []int64) ([]declared, error) {
	all := make([]map[string]any, len(sizes))
	for i, size := range sizes {
		all[i] = map[string]any{"path": fmt.Sprintf("Card A/HLD_%05d.JPG", i), "size": size}
	}
	return g.declareAll(ctx, all)
}

func (g *guest) declare(ctx context.Context, names []string, size int64) ([]declared, error) {
	all := make([]map[string]any, len(names))
	for i, name := range names {
		all[i] = map[string]any{"path": name, "size": size}
	}
	return g.declareAll(ctx, all)
}

func (g *guest) declareAll(ctx context.Context, files []map[string]any) ([]declared, error) {
	var all []declared
	for len(files) > 0 {
		in := files[:min(1000, len(files))]
		var out struct{ Files []declared }
		if err := g.call(ctx, "POST", "/api/v1/transfers/"+g.id+"/files", map[string]any{"files": in}, &out); err != nil {
			return nil, err
		}
		all, files = append(all, out.Files...), files[len(in):]
	}
	return all, nil
}

// job is one part to send.
type job struct {
	file declared
	n    int
}

func jobsOf(files []declared) []job {
	var jobs []job
	for _, f := range files {
		for n := 1; n <= f.PartCount; n++ {
			jobs = append(jobs, job{f, n})
		}
	}
	return jobs
}

// sendAll sends all parts, so many at once, and gives the time it took.
func (g *guest) sendAll(ctx context.Context, jobs []job, inFlight int) (time.Duration, error) {
	began := time.Now()
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	errs := make([]error, inFlight)
	var wg sync.WaitGroup
	for w := range inFlight {
		wg.Go(func() {
			for j := range queue {
				if errs[w] = g.put(ctx, j); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began), errors.Join(errs...)
}

func (g *guest) put(ctx context.Context, j job) error {
	left := min(j.file.PartSize, j.file.Size-int64(j.n-1)*j.file.PartSize)
	readers := make([]io.Reader, 0, left/part+1)
	for at := int64(0); at < left; at += part {
		readers = append(readers, bytes.NewReader(g.data[:min(part, left-at)]))
	}
	url := fmt.Sprintf("%s/api/v1/files/%s/parts/%d", g.base, j.file.ID, j.n)
	req, err := http.NewRequestWithContext(ctx, "PUT", url, io.MultiReader(readers...))
	if err != nil {
		return err
	}
	req.ContentLength = left
	req.Header.Set("Authorization", "Bearer "+g.token)
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT part %d: %s: %s", j.n, resp.Status, answer)
	}
	return err
}
