package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request. Its body is JSON unless the header says otherwise.
type call struct {
	method, path string
	token        string // a bearer token
	header       map[string]string
	body         []byte
	chunked      bool // leave Content-Length out
}

// answer is what came back, read as far as it came.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string {
	return fmt.Sprintf("%d %.600s", a.status, a.body)
}

// code is a problem's code, or empty.
func (a answer) code() string {
	var p struct{ Code string }
	if a.status < 400 || json.Unmarshal(a.body, &p) != nil {
		return ""
	}
	return p.Code
}

// agent speaks HTTP to one server and holds every answer to the conventions.
type agent struct {
	base  string
	http  *http.Client
	from  string                          // the client address that it claims through X-Forwarded-For
	tick  func()                          // called at each step of a request
	ready func(ctx context.Context) error // waits for a server that went away
}

func newAgent(s *server) *agent {
	return &agent{
		base: "http://" + s.addr, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
		tick: func() {}, ready: s.ready,
	}
}

// violation is an answer that breaks the conventions; it is never tried again.
type violation struct {
	call   call
	answer answer
	what   string
}

func (v violation) Error() string {
	return fmt.Sprintf("%s %s answered %s: %s", v.call.method, v.call.path, v.answer, v.what)
}

// do sends a call until it has an answer: a connection that breaks counts as
// 503, and 503 and 429 wait for as long as they ask.
func (a *agent) do(ctx context.Context, c call) (answer, error) {
	for {
		got, err := a.once(ctx, c)
		var broken violation
		switch {
		case ctx.Err() != nil:
			return got, ctx.Err()
		case errors.As(err, &broken):
			return got, err
		case err != nil:
			if err := a.ready(ctx); err != nil {
				return got, err
			}
		case got.status == http.StatusServiceUnavailable, got.status == http.StatusTooManyRequests,
			got.code() == "still_sealing":
			if err := pause(ctx, got.header.Get("Retry-After")); err != nil {
				return got, err
			}
		default:
			return got, nil
		}
	}
}

// pause waits for the seconds of a Retry-After.
func pause(ctx context.Context, seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return fmt.Errorf("Retry-After %q: %w", seconds, err)
	}
	timer := time.NewTimer(time.Duration(n) * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends a call and reads its answer. After an error the answer holds what
// came until then.
func (a *agent) once(ctx context.Context, c call) (answer, error) {
	req, err := a.request(ctx, c)
	if err != nil {
		return answer{}, err
	}
	a.tick()
	resp, err := a.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got := answer{status: resp.StatusCode, header: resp.Header}
	got.body, err = io.ReadAll(&ticking{r: resp.Body, tick: a.tick})
	a.tick()
	if err != nil {
		return got, err
	}
	if what := breaks(c, got); what != "" {
		return got, violation{call: c, answer: got, what: what}
	}
	return got, nil
}

func (a *agent) request(ctx context.Context, c call) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if len(c.body) > 0 {
		body = &ticking{r: bytes.NewReader(c.body), tick: a.tick}
	}
	req, err := http.NewRequestWithContext(ctx, c.method, a.base+c.path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(c.body))
	if c.chunked {
		req.ContentLength = -1
	}
	if len(c.body) > 0 && c.method != http.MethodPut {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if a.from != "" {
		req.Header.Set("X-Forwarded-For", a.from)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	return req, nil
}

// ticking is a body that tells of each read.
type ticking struct {
	r    io.Reader
	tick func()
}

func (t *ticking) Read(p []byte) (int, error) {
	t.tick()
	return t.r.Read(p)
}

// breaks says which convention of the interface an answer breaks, or nothing.
func breaks(c call, got answer) string {
	if got.header.Get("X-Request-Id") == "" {
		return "no X-Request-Id"
	}
	waits := got.status == http.StatusServiceUnavailable || got.status == http.StatusTooManyRequests ||
		got.status == http.StatusInsufficientStorage || got.code() == "still_sealing"
	if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); waits && (err != nil || seconds < 0) {
		return "no Retry-After in seconds"
	}
	if got.header.Get("Access-Control-Allow-Credentials") != "" {
		return "CORS allows credentials"
	}
	if c.method == http.MethodHead || !strings.HasPrefix(c.path, "/api/") {
		return ""
	}
	if got.status >= 400 {
		return breaksProblem(got)
	}
	if got.header.Get("Content-Type") != "application/json" {
		return ""
	}
	var v any
	if err := json.Unmarshal(got.body, &v); err != nil {
		return err.Error()
	}
	return breaksValue("", v)
}

func breaksProblem(got answer) string {
	if kind := got.header.Get("Content-Type"); kind != "application/problem+json" {
		return "a problem of type " + kind
	}
	var p map[string]any
	if err := json.Unmarshal(got.body, &p); err != nil {
		return err.Error()
	}
	for _, name := range []string{"type", "title", "status", "detail", "code", "request_id"} {
		if p[name] == nil || p[name] == "" {
			return "a problem without " + name
		}
	}
	if p["status"] != float64(got.status) {
		return "a problem with another status"
	}
	if p["request_id"] != got.header.Get("X-Request-Id") {
		return "a problem with another request_id"
	}
	return ""
}

var (
	idShape   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	timeShape = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	crcShape  = regexp.MustCompile(`^[0-9a-f]{8}$`)
	codeShape = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
)

// breaksValue looks at every value by the name that it stands under.
func breaksValue(name string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if what := breaksValue(key, inner); what != "" {
				return what
			}
		}
	case []any:
		for _, inner := range v {
			if what := breaksValue(name, inner); what != "" {
				return what
			}
		}
	case string:
		var shape *regexp.Regexp
		switch {
		case name == "id" || name == "transfer_id" || name == "share_id" || name == "file_id":
			shape = idShape
		case strings.HasSuffix(name, "_at") || name == "modified":
			shape = timeShape
		case name == "crc32":
			shape = crcShape
		}
		if shape != nil && !shape.MatchString(v) {
			return fmt.Sprintf("%s is %q", name, v)
		}
	case nil:
		if slices.Contains([]string{"files", "errors", "parts", "received", "features", "account_keys", "recipients"}, name) {
			return name + " is null"
		}
	}
	return ""
}

// want sends a call, demands a status and reads the answer into out, whose
// fields must all be there.
func want[T any](ctx context.Context, a *agent, c call, status int, out *T) error {
	got, err := a.do(ctx, c)
	if err != nil {
		return err
	}
	if got.status != status {
		return fmt.Errorf("%s %s answered %s, want %d", c.method, c.path, got, status)
	}
	return json.Unmarshal(got.body, out)
}

// jsonText is a value that is decoded later.
type jsonText = json.RawMessage

func decode[T any](text jsonText) (v T, err error) {
	return v, json.Unmarshal(text, &v)
}

// asJSON encodes what a test made itself.
func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// pages follows a list to its end. path has a limit already.
func pages[T any](ctx context.Context, a *agent, path, token, plural string) ([]T, error) {
	var all []T
	for cursor := ""; ; {
		var page map[string]jsonText
		if err := want(ctx, a, call{method: http.MethodGet, path: path + cursor, token: token}, http.StatusOK, &page); err != nil {
			return nil, err
		}
		items, err := decode[[]jsonText](page[plural])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, item := range items {
			v, err := decode[T](item)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		next, err := decode[*string](page["next_cursor"])
		if err != nil || next == nil {
			return all, err
		}
		cursor = "&cursor=" + *next
	}
}
