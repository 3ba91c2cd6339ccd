package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlp is a collector that keeps what it is sent.
type otlp struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	bodies  [][]byte
	headers []http.Header
}

func newOTLP(t *testing.T) *otlp {
	t.Helper()
	o := &otlp{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
			t.Errorf("the collector got %s %s, %v", r.Method, r.URL.Path, err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.bodies, o.headers = append(o.bodies, body), append(o.headers, r.Header)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// span is one that the collector got.
type span struct {
	*tracepb.Span
	attributes map[string]string
}

func (s span) trace() string  { return hex.EncodeToString(s.TraceId) }
func (s span) id() string     { return hex.EncodeToString(s.SpanId) }
func (s span) parent() string { return hex.EncodeToString(s.ParentSpanId) }

// spans are all that came.
func (o *otlp) spans() (all []span) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, body := range o.bodies {
		var data tracepb.TracesData
		if err := proto.Unmarshal(body, &data); err != nil {
			o.t.Fatal(err)
		}
		for _, of := range data.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					found := span{s, map[string]string{}}
					for _, a := range s.Attributes {
						found.attributes[a.Key] = a.Value.GetStringValue()
					}
					all = append(all, found)
				}
			}
		}
	}
	return all
}

// named are the spans of a name.
func named(all []span, name string) (found []span) {
	for _, s := range all {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// below finds the name of a span right below another.
func below(all []span, s span, name string) bool {
	return slices.ContainsFunc(all, func(c span) bool {
		return c.Name == name && c.trace() == s.trace() && c.parent() == s.id()
	})
}

// keepsSecrets looks for secrets in everything that was sent.
func (o *otlp) keepsSecrets(secrets map[string]string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, body := range o.bodies {
		for what, secret := range secrets {
			if bytes.Contains(body, []byte(secret)) {
				o.t.Errorf("%s was sent to the collector", what)
			}
		}
		if got := o.headers[i].Get("Authorization"); got != "collector-secret" {
			o.t.Errorf("the collector was asked with %q", got)
		}
	}
	if !bytes.Contains(bytes.Join(o.bodies, nil), []byte("studio-one")) {
		o.t.Error("no service is named")
	}
}

// deaf is the endpoint of a collector that takes nothing.
func deaf(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	if answer == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil || l.Close() != nil {
			t.Fatal(err)
		}
		return "http://user:password@" + l.Addr().String()
	}
	server := httptest.NewServer(answer)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return strings.Replace(server.URL, "http://", "http://user:password@", 1)
}
