package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// errand is what somebody wants of a process while a part is away, and how it has
// to be answered: by the code of that part where it is needed, and as ever where
// it is not.
type errand struct {
	call   call
	status int
	code   string // of the problem; empty: it is none
}

// prepare declares a file whose part is sent when something is away. A run of
// outages makes it while all is there.
func (r *run) prepare(ctx context.Context, random *rand.Rand) (*sending, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := r.newSending(random)
	s.files = []*file{r.newFile(random, "sent while something is away.raw", 100_000)}
	if err := s.start(ctx); err != nil {
		return s, fmt.Errorf("start a transfer before an outage: %w", err)
	}
	if err := s.declare(ctx, s.files); err != nil {
		return s, fmt.Errorf("declare a file before an outage: %w", err)
	}
	return s, nil
}

// errand is the one for the outage of a part. A part of a file needs the bucket,
// and is taken without Redis, which only hears of work that can wait.
func (r *run) errand(part string, s *sending) errand {
	switch part {
	case "database":
		return errand{call{method: http.MethodGet, path: "/api/v1/links", token: r.token}, http.StatusServiceUnavailable, "database_unavailable"}
	case "bucket":
		return errand{s.partCall(s.files[0], 1, 0), http.StatusServiceUnavailable, "storage_unavailable"}
	}
	return errand{s.partCall(s.files[0], 1, 0), http.StatusOK, ""}
}

// runs sends a process on an errand while a part is away. Every answer has to
// begin in time and to say what it is; another part that fails just then, as its
// line does now and then, is asked again.
func (r *run) runs(ctx context.Context, e errand, m *member, what string) {
	c := newClient("http://"+m.addr, r.book)
	c.limit = answerLimit
	defer c.http.CloseIdleConnections()
	said := "nothing"
	for began := time.Now(); time.Since(began) < answerLimit; rest(ctx, 200*time.Millisecond) {
		asked := time.Now()
		status, p, err := c.asks(ctx, e.call)
		select {
		case <-m.gone: // who ends by itself is counted where it is seen
			return
		default:
		}
		if err != nil {
			r.book.wrong(unclear, 1, "%s: %s %s to %s has no answer after %v: %v", what, e.call.method, e.call.path, m.addr, time.Since(asked).Round(time.Millisecond), err)
			return
		}
		if status == e.status && p.Code == e.code {
			r.book.add(asIs, 1)
			return
		}
		said = fmt.Sprintf("%d %s %s", status, p.Code, p.Detail)
		if status != http.StatusServiceUnavailable || p.Code == "" {
			break
		}
	}
	r.book.wrong(unclear, 1, "%s: %s %s to %s says %s, want %d %s", what, e.call.method, e.call.path, m.addr, said, e.status, e.code)
}

// asks makes one attempt. A refusal that passes by itself says when to come again,
// or it is an error.
func (c *client) asks(ctx context.Context, one call) (status int, p problem, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	resp, err := c.send(ctx, one)
	if err != nil {
		return 0, p, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, p, err
	}
	if resp.StatusCode < 300 {
		return resp.StatusCode, p, nil
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return 0, p, fmt.Errorf("%d %.200q: %w", resp.StatusCode, text, err)
	}
	if _, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil && resp.StatusCode == http.StatusServiceUnavailable {
		return 0, p, fmt.Errorf("%d %s without Retry-After", resp.StatusCode, p.Code)
	}
	return resp.StatusCode, p, nil
}
