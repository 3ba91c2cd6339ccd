package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The names of OpenTelemetry come from the environment and the env file; the
// stronger wins, and what they hold is shown to nobody.
func TestTracesFromEnvironmentAndFile(t *testing.T) {
	t.Parallel()
	c := load(t, Source{
		Dir: folder(t, map[string]string{"local.env": "OTEL_EXPORTER_OTLP_ENDPOINT=http://file:4318\nOTEL_SERVICE_NAME=a\n"}),
		Environ: []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=https://env:4318/base", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20c2VjcmV0, x-team = studio",
			"OTEL_RESOURCE_ATTRIBUTES=service.name=b,deployment.environment.name=test", "OTEL_TRACES_SAMPLER=parentbased_traceidratio",
			"OTEL_TRACES_SAMPLER_ARG=0.25", "OTEL_EXPORTER_OTLP_TIMEOUT=2500", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
			"OTEL_BSP_MAX_QUEUE_SIZE=100", "OTEL_EXPORTER_OTLP_CERTIFICATE=ca.pem", "OTEL_METRICS_EXPORTER=whatever",
		},
	})
	got := c.Traces()
	if h := got.Headers; len(h) != 2 || h["authorization"].Reveal() != "Basic c2VjcmV0" || h["x-team"].Reveal() != "studio" {
		t.Errorf("headers %d, %q", len(h), h["authorization"].Reveal())
	}
	got.Headers = nil
	want := Traces{
		Endpoint: "https://env:4318/base/v1/traces", Timeout: 2500 * time.Millisecond, Gzip: true, CA: "ca.pem",
		Service: "a", Attributes: map[string]string{"service.name": "b", "deployment.environment.name": "test"},
		Sampler: "parentbased_traceidratio", Ratio: 0.25,
		Delay: 5 * time.Second, SendTimeout: 30 * time.Second, MaxQueue: 100, MaxBatchSize: 100,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	if e := entry(t, c, "OTEL_SERVICE_NAME"); e.Origin != "file local.env:2" || e.Value != "[redacted]" {
		t.Errorf("entry %+v", e)
	}
}

func TestTracesGoWhereTheyAreSent(t *testing.T) {
	t.Parallel()
	for want, environ := range map[string][]string{
		"http://a:4318/v1/traces": {"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318/"},
		"http://b/":               {"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://b"},
		"http://c/own?x=1":        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c/own?x=1"},
	} {
		got := load(t, Source{Environ: environ}).Traces()
		if got.Endpoint != want || got.Service != "lenzeye" || got.Sampler != "parentbased_always_on" || got.Ratio != 1 {
			t.Errorf("%v: %+v, want %s", environ, got, want)
		}
	}
	for _, environ := range [][]string{
		{}, {"OTEL_SERVICE_NAME=a"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_SDK_DISABLED=true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_TRACES_EXPORTER=none"},
		{"OTEL_TRACES_SAMPLER=nonsense"}, // where nothing is sent nothing has to be right
	} {
		if got := load(t, Source{Environ: environ}).Traces(); got.Endpoint != "" {
			t.Errorf("%v: sent to %s", environ, got.Endpoint)
		}
	}
}

func TestTracesProblemsNameTheVariable(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://user:secret@a"
	for given, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector:4317": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is not a URL",
		"OTEL_TRACES_EXPORTER=zipkin":                       "OTEL_TRACES_EXPORTER: it is none of the choices; allowed: otlp, none",
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                  "OTEL_EXPORTER_OTLP_PROTOCOL: it is none of the choices; allowed: http/protobuf",
		"OTEL_EXPORTER_OTLP_HEADERS=secret":                 "OTEL_EXPORTER_OTLP_HEADERS: it is not a list",
		"OTEL_EXPORTER_OTLP_HEADERS=a=secret%0d%0ab":        "OTEL_EXPORTER_OTLP_HEADERS: it is not a list",
		"OTEL_EXPORTER_OTLP_TIMEOUT=10s":                    "OTEL_EXPORTER_OTLP_TIMEOUT: it is not a number",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=key.pem":             "certificate and key belong together",
		"OTEL_TRACES_SAMPLER=often":                         "OTEL_TRACES_SAMPLER: it is none of the choices",
		"OTEL_BSP_MAX_QUEUE_SIZE=1000000":                   "OTEL_BSP_MAX_QUEUE_SIZE: it is not a number within its range; allowed: 1 to 65536",
	} {
		found := problems(t, Source{Environ: []string{endpoint, given}})
		if text := found.Error(); len(found) != 1 || !strings.Contains(text, want) || strings.Contains(text, "secret") {
			t.Errorf("%s: %s", given, text)
		}
	}
	ratio := problems(t, Source{Environ: []string{endpoint, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=NaN"}})
	if !strings.Contains(ratio.Error(), "OTEL_TRACES_SAMPLER_ARG: it is not a share of traces; allowed: 0 to 1") {
		t.Error(ratio)
	}
}
