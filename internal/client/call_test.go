package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// answering is a server that gives each try the next answer, the last one again
// and again, and counts.
func answering(t *testing.T, tries *atomic.Int64, answers ...http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(tries.Add(1))
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func newClient(t *testing.T, base string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(base, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func problem(status int, code api.Code, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code, header...) }
}

func broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// TestWhatIsRepeated holds every kind of refusal to how often it is tried.
func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	fine := text(200, `{"slug":"x"}`)
	unlocked := text(200, `{"access_token":"lzd_x"}`)
	look := func(c *client.Client) error { _, err := c.ViewLink(t.Context(), "x"); return err }
	unlock := func(c *client.Client) error { return c.Share("x", "").Unlock(t.Context(), "y") }
	for name, row := range map[string]struct {
		do      func(*client.Client) error
		answers []http.HandlerFunc
		tries   int64
		code    api.Code // empty: success
	}{
		"busy":                        {look, []http.HandlerFunc{problem(503, api.Busy, "Retry-After", "0"), fine}, 2, ""},
		"internal":                    {look, []http.HandlerFunc{problem(500, api.Internal), fine}, 2, ""},
		"full":                        {look, []http.HandlerFunc{problem(507, api.StorageFull, "Retry-After", "0"), fine}, 2, ""},
		"connection broken":           {look, []http.HandlerFunc{broken, fine}, 2, ""},
		"cut answer":                  {look, []http.HandlerFunc{text(200, `{"slug":`), fine}, 2, ""},
		"a proxy's word":              {look, []http.HandlerFunc{text(502, "<html>"), fine}, 2, ""},
		"not found":                   {look, []http.HandlerFunc{problem(404, api.LinkNotFound), fine}, 1, api.LinkNotFound},
		"too many tries":              {look, []http.HandlerFunc{problem(429, api.TooManyTries, "Retry-After", "0"), fine}, 1, api.TooManyTries},
		"unlocking, connection broke": {unlock, []http.HandlerFunc{broken, unlocked}, 1, "?"},
		"unlocking, busy":             {unlock, []http.HandlerFunc{problem(503, api.Busy, "Retry-After", "0"), unlocked}, 2, ""},
		"unlocking, database":         {unlock, []http.HandlerFunc{problem(503, api.DatabaseUnavailable, "Retry-After", "0"), unlocked}, 1, api.DatabaseUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			err := row.do(newClient(t, answering(t, &tries, row.answers...), client.Options{}))
			if (err == nil) != (row.code == "") || row.code != "?" && row.code != "" && !client.IsCode(err, row.code) {
				t.Errorf("%v", err)
			}
			if tries.Load() != row.tries {
				t.Errorf("%d tries, want %d", tries.Load(), row.tries)
			}
		})
	}
}

// TestErrorsSayWhat looks at the types and texts that callers get.
func TestErrorsSayWhat(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	moved := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://other.example.com/", http.StatusMovedPermanently)
	}
	_, err := newClient(t, answering(t, &tries, moved), client.Options{}).ViewLink(t.Context(), "x")
	var status *client.StatusError
	if !errors.As(err, &status) || status.Status != 301 || !strings.Contains(err.Error(), "https://other.example.com/") || tries.Load() != 1 {
		t.Errorf("a redirect: %v after %d tries", err, tries.Load())
	}
	_, err = newClient(t, answering(t, &tries, problem(410, api.LinkClosed)), client.Options{}).ViewLink(t.Context(), "x")
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 410 {
		t.Errorf("a problem: %v", err)
	}
	c := newClient(t, "http://127.0.0.1:1", client.Options{FirstPatience: time.Millisecond})
	_, err = view(t.Context(), c.Share("the-secret-token", ""))
	if err == nil || !strings.Contains(err.Error(), "gave up after 1 tries") || strings.Contains(err.Error(), "the-secret") {
		t.Errorf("no server: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err = c.ViewLink(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestStalled ends a request that stands still, and tries it again.
func TestStalled(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	release := make(chan struct{})
	stuck := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}
	halfway := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"slug":`)
		_ = http.NewResponseController(w).Flush()
		stuck(w, r)
	}
	var whys []string
	c := newClient(t, answering(t, &tries, stuck, halfway, text(200, "{}")), client.Options{
		Idle: 2 * time.Second, Retrying: func(_ string, err error, _ time.Duration) { whys = append(whys, err.Error()) },
	})
	t.Cleanup(func() { close(release) })
	if _, err := c.ViewLink(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if len(whys) != 2 || !strings.Contains(strings.Join(whys, "\n"), client.ErrStalled.Error()) {
		t.Errorf("why it was tried again: %q", whys)
	}
}

// TestPartArrivedOtherwise trusts no server that says it holds other bytes.
func TestPartArrivedOtherwise(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	c := newClient(t, answering(t, &tries, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"number":1,"size":3,"crc32":"00000001","state":"receiving"}`)
	}), client.Options{})
	var moved int64
	body := strings.NewReader("abc")
	_, err := c.Upload("x", "y").PutPart(t.Context(), "f", 1, io.NewSectionReader(body, 0, 3),
		client.PartOptions{Progress: func(n int64) { moved += n }})
	if !errors.Is(err, client.ErrArrivedOtherwise) || moved != 0 {
		t.Errorf("%v, progress %d", err, moved)
	}
}

// TestRangeGoesOn continues after cuts, and takes no answer for another range.
func TestRangeGoesOn(t *testing.T) {
	t.Parallel()
	body := pattern(100_000, 3)
	var tries atomic.Int64
	var asked []string
	c := newClient(t, answering(t, &tries, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Range"))
		http.ServeContent(&cut{w, 40_000}, r, "", time.Time{}, bytes.NewReader(body))
	}), client.Options{})
	var got bytes.Buffer
	if err := c.Share("x", "y").Fetch(t.Context(), "f", client.Range{From: 10, Size: 90_000}, &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), body[10:90_010]) {
		t.Error("the bytes differ")
	}
	if diff := cmp.Diff([]string{"bytes=10-90009", "bytes=40010-90009", "bytes=80010-90009"}, asked); diff != "" {
		t.Errorf("ranges: %s", diff)
	}
	c = newClient(t, answering(t, &tries, text(200, string(body))), client.Options{})
	if err := c.Share("x", "y").Fetch(t.Context(), "f", client.Range{From: 10, Size: 5}, &got); err == nil {
		t.Error("the whole was taken for a range")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]client.Link{
		"https://a.example/u/demo":          {Base: "https://a.example", Slug: "demo"},
		" https://a.example:8443/p/u/demo/": {Base: "https://a.example:8443/p", Slug: "demo"},
		"http://a/u/demo#t=id.lzu_x":        {Base: "http://a", Slug: "demo", TransferID: "id", UploadToken: "lzu_x"},
		"http://a/u/demo#t=nothing":         {},
		"a.example/u/demo":                  {},
		"ftp://a/u/demo":                    {},
		"https://a.example/d/demo":          {},
		"https://a.example/u/":              {},
		"https://a.example/u/a/b":           {},
		"":                                  {},
	} {
		got, err := client.ParseLink(address)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want.Slug != "") || err != nil && !errors.Is(err, client.ErrAddress) {
			t.Errorf("%q: %v %s", address, err, diff)
		}
	}
	if base, token, err := client.ParseShare("https://a.example/d/t0ken"); base != "https://a.example" || token != "t0ken" || err != nil {
		t.Errorf("%q %q %v", base, token, err)
	}
	if _, err := client.New("nonsense", client.Options{}); !errors.Is(err, client.ErrAddress) {
		t.Errorf("nonsense: %v", err)
	}
}

// TestPace sends eight bytes at four a second.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		done := make(chan error)
		pace := client.NewPace(4)
		c, err := client.New("http://server", client.Options{HTTP: &http.Client{Transport: reads{}}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // at once: the limit is for both together
			go func() {
				_, err := c.Upload("x", "y").PutPart(t.Context(), "f", 1, io.NewSectionReader(strings.NewReader("abcd"), 0, 4),
					client.PartOptions{Pace: pace})
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// reads is a network that takes bodies and answers for the part "abcd".
type reads struct{}

func (reads) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(`{"number":1,"size":4,"crc32":"ed82cd11"}`))}, nil
}
