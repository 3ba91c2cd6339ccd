package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	maxAnswer     = 64 << 20 // bytes of a JSON answer; a thousand files with their received parts are far below it
	firstWait     = 200 * time.Millisecond
	longestWait   = 15 * time.Second
	maxRetryAfter = 24 * time.Hour // beyond any patience
)

// safety says when a call may be made again.
type safety int

const (
	repeatable safety = iota // doing it twice is doing it once
	onlyUnsent               // only where the server surely did nothing
)

// call is one request to the server, as often as it takes.
type call struct {
	what         string // for errors: "declare files"
	method, path string
	token        string
	header       map[string]string
	in           any             // the JSON body, if not nil
	body         func() *sending // the body, made anew for each try, if not nil
	safety       safety
}

// do makes the call and reads its JSON answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	return c.repeat(ctx, k, func(resp *http.Response) error {
		if out == nil {
			return nil
		}
		err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out)
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax), errors.As(err, &kind):
			return &foreignAnswer{err}
		case err != nil:
			return fmt.Errorf("read the answer: %w", err)
		}
		return nil
	})
}

// repeat makes the call until read has taken a success, or until the call is
// refused for good or patience ends.
func (c *Client) repeat(ctx context.Context, k call, read func(*http.Response) error) error {
	t := &trouble{}
	for {
		asked, err := c.try(ctx, k, t, read)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", k.what, ctx.Err())
		}
		if !isTemporary(err) || k.safety == onlyUnsent && !neverArrived(err) {
			return fmt.Errorf("%s: %w%s", k.what, err, allowedIn(asked))
		}
		if err := c.wait(ctx, k.what, t, asked, err); err != nil {
			return err
		}
	}
}

// trouble is a row of failures without a success between them.
type trouble struct {
	since time.Time
	tries int
	quiet time.Duration // since the first failure, in which nothing moved
	moved atomic.Int64  // when the last try began or moved a byte, in nanoseconds
}

// wait waits before the next try, or says that patience has ended.
func (c *Client) wait(ctx context.Context, what string, t *trouble, asked time.Duration, cause error) error {
	now := c.o.Now()
	if t.tries++; t.tries == 1 {
		t.since = now
	} else { // bytes that flow try nobody's patience, however long they take
		t.quiet += now.Sub(time.Unix(0, t.moved.Load()))
	}
	patience := c.o.Patience
	if !c.answered.Load() {
		patience = min(patience, c.o.FirstPatience)
	}
	d := max(asked, min(longestWait, firstWait<<min(t.tries-1, 10)))
	// Not a secret, so the fast generator will do: it only keeps many clients from
	// coming back in the same moment. Never sooner than what was asked for.
	d += time.Duration(rand.Int64N(int64(d)/2 + 1))
	if t.quiet+d > patience {
		return fmt.Errorf("%s: %w%s (gave up after %d tries in %s)", what, cause, allowedIn(asked), t.tries, now.Sub(t.since).Round(time.Second))
	}
	t.quiet += d
	if c.o.Retrying != nil {
		c.o.Retrying(what, cause, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

// allowedIn says, to somebody who has to come again by hand, when that has a point;
// nothing where the answer did not ask for a wait.
func allowedIn(asked time.Duration) string {
	if asked < time.Second {
		return ""
	}
	return fmt.Sprintf("; the server asks to wait %s", asked)
}

// try makes the call once. asked is the wait that a refusal asks for.
func (c *Client) try(ctx context.Context, k call, t *trouble, read func(*http.Response) error) (asked time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := time.AfterFunc(c.o.Idle, func() { cancel(ErrStalled) })
	defer guard.Stop()
	t.moved.Store(c.o.Now().UnixNano())
	moved := func() {
		guard.Reset(c.o.Idle)
		t.moved.Store(c.o.Now().UnixNano())
	}

	req, sent, err := c.request(ctx, k, moved)
	if err != nil {
		return 0, &LocalError{err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var around *url.Error
		if errors.As(err, &around) {
			err = around.Err // without the address, which may hold a secret
		}
		if errors.Is(context.Cause(ctx), ErrStalled) {
			err = ErrStalled
		}
		if local := sent.failed(); local != nil {
			err = &LocalError{local}
		}
		return 0, err
	}
	defer resp.Body.Close()
	resp.Body = &receiving{ReadCloser: resp.Body, moved: moved}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		c.answered.Store(true)
		return retryAfter(resp, c.o.Now()), refusal(resp)
	}
	err = read(resp)
	var foreign *foreignAnswer
	if !errors.As(err, &foreign) {
		c.answered.Store(true)
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), ErrStalled) {
			err = fmt.Errorf("%w: %w", ErrStalled, err)
		}
		return 0, err
	}
	return 0, nil
}

func (c *Client) request(ctx context.Context, k call, moved func()) (*http.Request, *sending, error) {
	var body io.Reader
	var sent *sending
	var size int64
	media := ""
	switch {
	case k.in != nil:
		var text bytes.Buffer
		out := json.NewEncoder(&text)
		out.SetEscapeHTML(false) // a thousand long names have to stay below the limit of a body
		if err := out.Encode(k.in); err != nil {
			return nil, nil, err
		}
		body, size, media = &text, int64(text.Len()), "application/json"
	case k.body != nil:
		sent = k.body()
		sent.moved = moved
		body, size, media = sent, sent.size, "application/octet-stream"
	}
	req, err := http.NewRequestWithContext(ctx, k.method, c.base+k.path, body)
	if err != nil {
		return nil, nil, err
	}
	req.ContentLength = size
	req.Header.Set("User-Agent", c.o.UserAgent)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	for name, value := range k.header {
		req.Header.Set(name, value)
	}
	return req, sent, nil
}

// foreignAnswer is a success of something that is not our server: a page of a hotel
// whose network wants a click first, which passes, or a wrong address.
type foreignAnswer struct{ err error }

func (e *foreignAnswer) Error() string {
	return "the answer is not that of this program's server: " + e.err.Error()
}

// receiving tells of every byte of an answer.
type receiving struct {
	io.ReadCloser
	moved func()
}

func (r *receiving) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.moved()
	}
	return n, err
}
