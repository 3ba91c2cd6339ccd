package mail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const apiKey = "a key of the interface"

// services are the drivers, and where each expects its interface.
func services() map[string]struct {
	driver func(HTTPOptions) *HTTP
	path   string
	header string
} {
	type service = struct {
		driver func(HTTPOptions) *HTTP
		path   string
		header string
	}
	return map[string]service{
		"brevo":    {NewBrevo, "/v3/smtp/email", "Api-Key: " + apiKey},
		"sendgrid": {NewSendGrid, "/v3/mail/send", "Authorization: Bearer " + apiKey},
	}
}

func TestHTTPHandsOver(t *testing.T) {
	t.Parallel()
	e := envelope("0193b5a0-0000-7000-8000-000000000001")
	e.From, e.Subject = "Stüdio <mail@studio.example>", "two\r\nlines"
	want := map[string]string{
		"brevo": `{"sender":{"name":"Stüdio","email":"mail@studio.example"},"to":[{"email":"guest@example.com"}],
			"subject":"two lines","textContent":"text\n","htmlContent":"<p>html</p>\n",
			"headers":{"idempotencyKey":"key-0193b5a0-0000-7000-8000-000000000001","X-Mailin-custom":"0193b5a0-0000-7000-8000-000000000001","Auto-Submitted":"auto-generated",
			"Message-ID":"<0193b5a0-0000-7000-8000-000000000001@studio.example>"}}`,
		"sendgrid": `{"from":{"name":"Stüdio","email":"mail@studio.example"},"personalizations":[{"to":[{"email":"guest@example.com"}]}],
			"custom_args":{"mail_id":"0193b5a0-0000-7000-8000-000000000001"},
			"subject":"two lines","content":[{"type":"text/plain","value":"text\n"},{"type":"text/html","value":"<p>html</p>\n"}],
			"headers":{"Auto-Submitted":"auto-generated","Message-ID":"<0193b5a0-0000-7000-8000-000000000001@studio.example>"},
			"tracking_settings":{"click_tracking":{"enable":false,"enable_text":false},"open_tracking":{"enable":false}}}`,
	}
	for name, service := range services() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key, value, _ := strings.Cut(service.header, ": ")
				if r.Method != http.MethodPost || r.URL.Path != service.path || r.Header.Get(key) != value || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
				}
				got, _ = io.ReadAll(r.Body) // what is missing shows below
				w.WriteHeader(http.StatusAccepted)
			}))
			defer server.Close()
			if err := service.driver(HTTPOptions{Key: apiKey, URL: server.URL + "/"}).Send(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			var a, b any
			if err := errors.Join(json.Unmarshal([]byte(want[name]), &a), json.Unmarshal(got, &b)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHTTPRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service string
		status  int
		answer  string
		refused bool
	}{
		{"brevo", 400, `{"code":"invalid_parameter","message":"email is not valid in to"}`, true},
		{"brevo", 400, `{"code":"invalid_parameter","message":"Sending has been rejected because the sender you used is not valid"}`, false},
		{"brevo", 401, `{"code":"unauthorized","message":"Key not found"}`, false},
		{"brevo", 402, `{"code":"not_enough_credits"}`, false},
		{"brevo", 413, ``, true},
		{"brevo", 429, ``, false},
		{"brevo", 502, strings.Repeat("<html>\n", 100_000), false},
		{"brevo", 302, ``, false},
		{"sendgrid", 400, `{"errors":[{"message":"Does not contain a valid address.","field":"personalizations.0.to.0.email"}]}`, true},
		{"sendgrid", 400, `{"errors":[{"message":"The from email is not valid","field":"from.email"}]}`, false},
		{"sendgrid", 403, `{"errors":[{"message":"The from address does not match a verified Sender Identity","field":"from"}]}`, false},
		{"sendgrid", 413, ``, true},
		{"sendgrid", 500, `not JSON`, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/elsewhere") {
				t.Error("a redirect was followed, with the key")
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer) // the client may have read enough
		}))
		err := services()[c.service].driver(HTTPOptions{Key: apiKey, URL: server.URL}).Send(t.Context(), envelope("1"))
		server.Close()
		if err == nil || errors.Is(err, ErrRefused) != c.refused || !errors.Is(err, ErrNotTaken) || strings.Contains(err.Error(), apiKey) || len(err.Error()) > 500 {
			t.Errorf("%s answers %d %.80s: %v, want it refused for good: %v", c.service, c.status, c.answer, err, c.refused)
		}
	}
}

// The service took the message, whatever became of the rest of its answer.
func TestHTTPAnswerCutAfterItsStatus(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusCreated)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	if err := NewBrevo(HTTPOptions{URL: server.URL}).Send(t.Context(), envelope("1")); err != nil {
		t.Error(err)
	}
}

func TestHTTPLostAnswerAndSilence(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/cut") {
			panic(http.ErrAbortHandler)
		}
		<-release
	}))
	defer server.Close()
	defer close(release)
	if err := NewBrevo(HTTPOptions{URL: server.URL + "/cut"}).Send(t.Context(), envelope("1")); err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrNotTaken) {
		t.Errorf("an answer that was lost: %v", err)
	}
	again := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"duplicate_parameter","message":"idempotencyKey was used"}`) // the client may be gone
	}))
	defer again.Close()
	if err := NewBrevo(HTTPOptions{URL: again.URL}).Send(t.Context(), envelope("1")); err != nil {
		t.Errorf("a repeat of what was taken: %v", err)
	}
	if err := NewSendGrid(HTTPOptions{URL: again.URL}).Send(t.Context(), envelope("1")); !errors.Is(err, ErrRefused) {
		t.Errorf("another service's refusal: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := NewSendGrid(HTTPOptions{URL: server.URL}).Send(ctx, envelope("1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	e := envelope("1")
	e.To = "nobody"
	if err := NewBrevo(HTTPOptions{URL: server.URL}).Send(t.Context(), e); !errors.Is(err, ErrRefused) {
		t.Errorf("bad recipient: %v", err)
	}
}

func TestHTTPCheck(t *testing.T) {
	t.Parallel()
	for path, service := range map[string]func(HTTPOptions) *HTTP{"/v3/account": NewBrevo, "/v3/scopes": NewSendGrid} {
		var status atomic.Int64
		status.Store(http.StatusOK)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != path || !strings.Contains(r.Header.Get("Api-Key")+r.Header.Get("Authorization"), "the-key") {
				t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
			}
			w.WriteHeader(int(status.Load()))
		}))
		h := service(HTTPOptions{Key: "the-key", URL: server.URL})
		if err := h.Check(t.Context()); err != nil {
			t.Error(err)
		}
		status.Store(http.StatusUnauthorized)
		if err := h.Check(t.Context()); err == nil || strings.Contains(err.Error(), "the-key") {
			t.Errorf("a key that is not taken: %v", err)
		}
		server.Close()
		if err := h.Check(t.Context()); err == nil {
			t.Error("nobody listens, and the check is content")
		}
	}
}
