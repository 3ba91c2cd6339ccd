package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// readMetrics reads the values without labels of Prometheus' text form.
func readMetrics(r io.Reader) (map[string]float64, error) {
	values := map[string]float64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || name == "#" || strings.Contains(name, "{") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %w", err)
		}
		values[name] = v
	}
	return values, lines.Err()
}

// metricsAt asks an address for them, on a connection that it closes.
func metricsAt(ctx context.Context, address string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return readMetrics(resp.Body)
}

// crowd is who is there while something is measured.
type crowd struct {
	b      *box
	cancel context.CancelFunc
	all    sync.WaitGroup
	read   atomic.Int64 // bytes that readers got

	mu   sync.Mutex
	errs []error
}

func (c *crowd) spawn(what string, f func() error) {
	c.all.Go(func() {
		if err := f(); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.errs = append(c.errs, fmt.Errorf("%s: %w", what, err))
		}
	})
}

// leave ends everybody.
func (c *crowd) leave() error {
	c.cancel()
	c.all.Wait()
	return errors.Join(c.errs...)
}

// gatherAt brings slow guests, idle connections and readers.
func gatherAt(ctx context.Context, b *box, slow, idle, readers int) (*crowd, error) {
	s, err := newShared(ctx, b)
	if err != nil {
		return nil, err
	}
	g, err := newGuest(ctx, b.server, 1)
	if err != nil {
		return nil, err
	}
	files, err := g.declare(ctx, []string{"slow.bin"}, int64(slow)*part)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{b: b, cancel: cancel}
	for n := range slow {
		c.spawn("slow guest", func() error { return c.dribble(ctx, g, files[0], n+1) })
	}
	c.spawn("idle connections", func() error { return c.idle(ctx, idle) })
	for range readers {
		c.spawn("reader", func() error { return c.fetch(ctx, s) })
	}
	return c, nil
}

// dribble sends a part at 8 KiB a second.
func (c *crowd) dribble(ctx context.Context, g *guest, f declared, n int) error {
	u, err := url.Parse(c.b.base)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "PUT /api/v1/files/%s/parts/%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
		f.ID, n, u.Host, g.token, part)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for at := 0; err == nil; at += 4 << 10 {
		_, err = conn.Write(g.data[at : at+4<<10])
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return err
}

// idle keeps connections open that were used once, and uses them again before
// the server would close them.
func (c *crowd) idle(ctx context.Context, n int) error {
	u, err := url.Parse(c.b.base)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, n)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		for i := range conns {
			if conns[i] == nil {
				if conns[i], err = net.Dial("tcp", u.Host); err != nil {
					return err
				}
			}
			if err := use(conns[i], u.Host); err != nil {
				return fmt.Errorf("connection %d of %d: %w", i, n, err)
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// use makes one small request on a connection, which stays open.
func use(conn net.Conn, host string) error {
	if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// shared is a complete transfer that others read.
type shared struct {
	path, token string
	files       []declared
}

func newShared(ctx context.Context, b *box) (*shared, error) {
	g, err := newGuest(ctx, b.server, 4)
	if err != nil {
		return nil, err
	}
	files, err := g.declare(ctx, []string{"a.raw", "b.raw", "c.raw", "d.raw", "e.raw", "f.raw"}, 8*mib)
	if err != nil {
		return nil, err
	}
	if _, err := g.sendAll(ctx, jobsOf(files), 4); err != nil {
		return nil, err
	}
	var done struct{ Share struct{ URL, Code string } }
	if err := g.complete(ctx, &done); err != nil {
		return nil, err
	}
	_, token, _ := strings.Cut(done.Share.URL, "/d/")
	s := &shared{path: "/api/v1/d/" + token, files: files}
	var unlocked struct {
		Token string `json:"access_token"`
	}
	g.token = ""
	if err := g.call(ctx, "POST", s.path+"/unlock", map[string]any{"code": done.Share.Code}, &unlocked); err != nil {
		return nil, err
	}
	s.token = unlocked.Token
	return s, nil
}

// complete ends the sending, waiting while files are being completed.
func (g *guest) complete(ctx context.Context, out any) error {
	for tries := 0; ; tries++ {
		err := g.call(ctx, "POST", "/api/v1/transfers/"+g.id+"/complete", map[string]any{}, out)
		if err == nil || tries == 60 || !strings.Contains(err.Error(), "still_sealing") {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// fetch reads files of the share over and over, whole ones and ranges.
func (c *crowd) fetch(ctx context.Context, s *shared) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		f := s.files[rand.IntN(len(s.files))]
		req, err := http.NewRequestWithContext(ctx, "GET", c.b.base+s.path+"/files/"+f.ID, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+s.token)
		if rand.IntN(2) == 0 {
			first := rand.Int64N(f.Size)
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, min(f.Size, first+mib)-1))
		}
		resp, err := client.Do(req)
		if err != nil {
			break
		}
		n, err := paced(ctx, resp.Body)
		_ = resp.Body.Close()
		c.read.Add(n)
		if err != nil {
			break
		}
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
			return fmt.Errorf("GET %s: %s", f.ID, resp.Status)
		}
	}
	if ctx.Err() == nil {
		return errors.New("the connection broke")
	}
	return nil
}

// readerRate is what a reader's line carries, in bytes a second: 32 Mbit/s. At
// the speed of loopback eight readers would take all of half a processor.
const readerRate = 4 * mib

// paced reads an answer at readerRate.
func paced(ctx context.Context, body io.Reader) (total int64, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := io.CopyN(io.Discard, body, readerRate/20)
		total += n
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case <-tick.C:
		}
	}
}
