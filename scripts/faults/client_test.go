package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// patience is how long one call without a stream may take.
const patience = time.Minute

// client speaks HTTP to the program. Everything that may pass by itself it
// tries again, in more haste than a real client, until its context ends.
type client struct {
	base   string
	http   *http.Client
	book   *book
	broken func()        // called when a connection broke
	limit  time.Duration // within what time answers begin; 0: none is known
}

func newClient(base string, b *book) *client {
	return &client{
		base: base, book: b, broken: func() {},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}},
	}
}

// call is one request. body is made anew for each attempt.
type call struct {
	method, path, token string
	header              map[string]string
	length              int64
	body                func() io.Reader
}

// asJSON gives a call the body of v.
func (c call) asJSON(v any) call {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's own value
	}
	c.length, c.body = int64(len(text)), func() io.Reader { return strings.NewReader(string(text)) }
	c.header = map[string]string{"Content-Type": "application/json"}
	return c
}

// problem is what the program answers where it refuses.
type problem struct {
	Status    int
	Code      string
	Detail    string
	RequestID string `json:"request_id"`
	Call      string `json:"-"`
}

func (p *problem) Error() string {
	return fmt.Sprintf("%s answered %d %s: %s (request %s)", p.Call, p.Status, p.Code, p.Detail, p.RequestID)
}

// do sends a call until it is answered, and reads the answer into out unless
// that is nil. A refusal is a *problem.
func (c *client) do(ctx context.Context, one call, out any) error {
	for {
		err, again := c.try(ctx, one, out)
		if !again {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s %s: %w", one.method, one.path, err)
		}
	}
}

// try sends a call once. again tells that nothing speaks against another try.
func (c *client) try(ctx context.Context, one call, out any) (err error, again bool) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := c.send(limited, one)
	if err != nil {
		return err, true
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.hurt(ctx)
		return err, true
	}
	if resp.StatusCode < 300 {
		if out == nil {
			return nil, false
		}
		if err := json.Unmarshal(text, out); err != nil {
			return fmt.Errorf("%s %s answered %.200q: %w", one.method, one.path, text, err), false
		}
		return nil, false
	}
	p := &problem{Status: resp.StatusCode, Call: one.method + " " + one.path}
	if err := json.Unmarshal(text, p); err != nil || p.Code == "" {
		return fmt.Errorf("%s answered %d %.200q", p.Call, resp.StatusCode, text), false
	}
	return p, c.passes(ctx, p, resp.Header)
}

// passes tells whether a refusal passes by itself, and has then waited.
func (c *client) passes(ctx context.Context, p *problem, h http.Header) bool {
	switch {
	case p.Status == http.StatusServiceUnavailable, p.Status == http.StatusTooManyRequests, p.Code == "still_sealing":
		seconds, err := strconv.Atoi(h.Get("Retry-After"))
		if err != nil {
			p.Detail += ", without Retry-After"
			return false
		}
		c.book.add("waits as "+p.Code, 1)
		rest(ctx, min(time.Duration(seconds)*time.Second, 500*time.Millisecond+rand.N(500*time.Millisecond)))
		return true
	case p.Code == "body_cut": // the line broke, and yet the answer came
		c.hurt(ctx)
		return true
	}
	return false
}

// send makes one attempt and gives the answer with its body unread.
func (c *client) send(ctx context.Context, one call) (*http.Response, error) {
	body := io.Reader(http.NoBody)
	if one.body != nil && one.length > 0 {
		body = one.body()
	}
	req, err := http.NewRequestWithContext(ctx, one.method, c.base+one.path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = one.length
	for name, value := range one.header {
		req.Header.Set(name, value)
	}
	if one.token != "" {
		req.Header.Set("Authorization", "Bearer "+one.token)
	}
	began := time.Now()
	resp, err := c.http.Do(req)
	c.book.answered(one.method+" "+one.path, time.Since(began), c.limit)
	if err != nil {
		c.hurt(ctx)
		return nil, err
	}
	return resp, nil
}

// hurt is told of a connection that broke. The program may be starting.
func (c *client) hurt(ctx context.Context) {
	c.broken()
	rest(ctx, 20*time.Millisecond+rand.N(100*time.Millisecond))
}

// fileJSON is a file as the interface tells it.
type fileJSON struct {
	ID, Path, State string
	Size            int64
	PartSize        int64 `json:"part_size"`
	PartCount       int   `json:"part_count"`
	Received        [][2]int
}

func (f fileJSON) has(n int) bool {
	for _, run := range f.Received {
		if run[0] <= n && n <= run[1] {
			return true
		}
	}
	return false
}

// partJSON is a part as the interface tells it.
type partJSON struct {
	Number int
	Size   int64
	CRC32  string
	State  string
}

// every reads a list to its end.
func every[T any](ctx context.Context, c *client, path, token, plural string) ([]T, error) {
	var all []T
	for cursor := ""; ; {
		var page map[string]json.RawMessage
		if err := c.do(ctx, call{method: http.MethodGet, path: path + "?limit=1000" + cursor, token: token}, &page); err != nil {
			return nil, err
		}
		var items []T
		if err := json.Unmarshal(page[plural], &items); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, items...)
		var next *string
		if err := json.Unmarshal(page["next_cursor"], &next); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if next == nil {
			return all, nil
		}
		cursor = "&cursor=" + *next
	}
}
