package main

import (
	"compress/gzip"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/lenzeye/lenzeye/internal/config"
)

// secured is a collector behind TLS that is busy at first, and the file with its
// certificate.
func secured(t *testing.T) (server *httptest.Server, bodies <-chan []byte, ca string) {
	t.Helper()
	got := make(chan []byte, 1)
	var asked atomic.Bool
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !asked.Swap(true) {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		plain, err := gzip.NewReader(r.Body)
		if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("it is not compressed: %v", err)
			return
		}
		body, err := io.ReadAll(plain)
		if err != nil {
			t.Error(err)
		}
		got <- body
	}))
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, got, ca
}

// A collector behind TLS is trusted by the file that names its roots, and asked
// again when it is busy.
func TestCollectorOverTLS(t *testing.T) {
	t.Parallel()
	server, bodies, ca := secured(t)
	sent := []*tracepb.ResourceSpans{{SchemaUrl: "it is a test"}}
	c := config.Traces{Endpoint: server.URL + "/v1/traces", Timeout: 20 * time.Second, Gzip: true, CA: ca}
	to, err := newCollector(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.UploadTraces(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	var data tracepb.TracesData
	if err := proto.Unmarshal(<-bodies, &data); err != nil || len(data.ResourceSpans) != 1 || data.ResourceSpans[0].SchemaUrl != "it is a test" {
		t.Errorf("it got %v: %v", &data, err)
	}

	c.CA = ""
	if to, err = newCollector(c); err != nil {
		t.Fatal(err)
	}
	if err := to.UploadTraces(t.Context(), sent); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("anybody may be the collector: %v", err)
	}
}

// Files that cannot be used are refused at the start, by the variable's name.
func TestCollectorRefusals(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere.pem": "OTEL_EXPORTER_OTLP_CERTIFICATE: open /nowhere.pem",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=" + empty:     "holds no certificate",
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc":            "OTEL_EXPORTER_OTLP_PROTOCOL: it is none of the choices",
	} {
		env := []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "APP_HTTP_ADDR=127.0.0.1:0",
			"OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:1", given}
		if code, _, stderr := call(t, env, "serve"); code != exitUser || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s", given, code, stderr)
		}
	}
}
