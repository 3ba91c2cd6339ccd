package config

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Traces is what the OTEL_* names say about traces. Others of these names are not looked at.
type Traces struct {
	Endpoint   string            // whole URL; empty: no traces
	Headers    map[string]Secret // of every request to it
	Timeout    time.Duration     // for one batch to be taken
	Gzip       bool
	CA         string // files in PEM, for an endpoint with https; empty: the system's roots, and no certificate of our own
	ClientCert string
	ClientKey  string

	Service    string
	Attributes map[string]string // of the process

	Sampler string  // a name of samplers
	Ratio   float64 // of those samplers that have one

	Delay        time.Duration // for a batch to fill
	SendTimeout  time.Duration // for one batch with everything around it
	MaxQueue     int           // spans
	MaxBatchSize int           // spans
}

// samplers are the values of OTEL_TRACES_SAMPLER that every SDK knows.
func samplers() []string {
	return []string{
		"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
}

// maxQueue bounds OTEL_BSP_MAX_QUEUE_SIZE: a span that waits takes one or two KiB.
const maxQueue = 1 << 16

// Traces returns where OpenTelemetry sends traces and how, by its own rules. Load has checked the names.
func (c *Config) Traces() Traces {
	t, _ := c.readTraces()
	return t
}

// checkTraces reports what is wrong with the names, when traces are sent.
func (l *loader) checkTraces() {
	_, problems := l.config.readTraces()
	for _, p := range problems {
		p.Origin = l.settings[p.Name].place
		l.problem(p)
	}
}

// otel reads OTEL_* names and collects what is wrong with them.
type otel struct {
	values   map[string]Secret
	problems []Problem
}

func (c *Config) readTraces() (Traces, []Problem) {
	o := &otel{values: c.OTel}
	t := Traces{Endpoint: o.endpoint()}
	if t.Endpoint == "" {
		return Traces{}, o.problems
	}
	t.Headers = o.headers()
	t.Timeout = o.millis(o.name("TIMEOUT"), 10*time.Second)
	t.Gzip = o.choice(o.name("COMPRESSION"), "none", "none", "gzip") == "gzip"
	o.choice(o.name("PROTOCOL"), "http/protobuf", "http/protobuf")
	t.CA, _ = o.get(o.name("CERTIFICATE"))
	t.ClientCert, _ = o.get(o.name("CLIENT_CERTIFICATE"))
	t.ClientKey, _ = o.get(o.name("CLIENT_KEY"))
	if (t.ClientCert == "") != (t.ClientKey == "") {
		o.problem(o.name("CLIENT_CERTIFICATE"), "certificate and key belong together", "both or neither")
	}
	t.Attributes = o.pairs("OTEL_RESOURCE_ATTRIBUTES")
	t.Service = "lenzeye"
	if named, ok := t.Attributes["service.name"]; ok {
		t.Service = named
	}
	if named, ok := o.get("OTEL_SERVICE_NAME"); ok {
		t.Service = named
	}
	t.Sampler = o.choice("OTEL_TRACES_SAMPLER", "parentbased_always_on", samplers()...)
	t.Ratio = o.ratio("OTEL_TRACES_SAMPLER_ARG", t.Sampler)
	t.Delay = o.millis("OTEL_BSP_SCHEDULE_DELAY", 5*time.Second)
	t.SendTimeout = o.millis("OTEL_BSP_EXPORT_TIMEOUT", 30*time.Second)
	t.MaxQueue = o.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, maxQueue)
	t.MaxBatchSize = o.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(512, t.MaxQueue), t.MaxQueue)
	return t, o.problems
}

// get is a value that is set. An empty one is none.
func (o *otel) get(name string) (string, bool) {
	v := strings.TrimSpace(o.values[name].Reveal())
	return v, v != ""
}

// name is the name of a setting of the exporter: that of traces alone where it is given.
func (o *otel) name(what string) string {
	if own := "OTEL_EXPORTER_OTLP_TRACES_" + what; o.values[own].IsSet() {
		return own
	}
	return "OTEL_EXPORTER_OTLP_" + what
}

// problem reports a name; what it was set to may be secret.
func (o *otel) problem(name, reason, allowed string) {
	o.problems = append(o.problems, Problem{Name: name, Reason: reason, Allowed: allowed})
}

// endpoint is a whole URL: that of traces alone is one as it is, the other one gets the path of traces.
func (o *otel) endpoint() string {
	name := o.name("ENDPOINT")
	given, ok := o.get(name)
	if off, _ := o.get("OTEL_SDK_DISABLED"); !ok || strings.EqualFold(off, "true") {
		return ""
	}
	if o.choice("OTEL_TRACES_EXPORTER", "otlp", "otlp", "none") == "none" {
		return ""
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		o.problem(name, "it is not a URL of a collector", "http://HOST:PORT or https://HOST:PORT")
		return ""
	}
	if strings.HasSuffix(name, "_TRACES_ENDPOINT") {
		u.Path = path.Join("/", u.Path)
	} else {
		u.Path = path.Join("/", u.Path, "v1/traces")
	}
	return u.String()
}

func (o *otel) choice(name, def string, allowed ...string) string {
	v, ok := o.get(name)
	if !ok {
		return def
	}
	if v = strings.ToLower(v); !slices.Contains(allowed, v) {
		o.problem(name, "it is none of the choices", strings.Join(allowed, ", "))
		return def
	}
	return v
}

func (o *otel) number(name string, def, most int) int {
	v, ok := o.get(name)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		o.problem(name, "it is not a number within its range", fmt.Sprintf("1 to %d", most))
		return def
	}
	return n
}

// millis reads milliseconds, as these names have them.
func (o *otel) millis(name string, def time.Duration) time.Duration {
	return time.Duration(o.number(name, int(def.Milliseconds()), int(time.Hour.Milliseconds()))) * time.Millisecond
}

func (o *otel) ratio(name, sampler string) float64 {
	v, ok := o.get(name)
	if !ok || !strings.HasSuffix(sampler, "traceidratio") {
		return 1
	}
	r, err := strconv.ParseFloat(v, 64)
	if err != nil || !(r >= 0 && r <= 1) {
		o.problem(name, "it is not a share of traces", "0 to 1")
		return 1
	}
	return r
}

func (o *otel) headers() map[string]Secret {
	headers := map[string]Secret{}
	for name, value := range o.pairs(o.name("HEADERS")) {
		headers[name] = NewSecret(value)
	}
	return headers
}

// pairs reads a list like a=b,c=d whose values may be percent-encoded.
func (o *otel) pairs(name string) map[string]string {
	pairs := map[string]string{}
	given, _ := o.get(name)
	for item := range strings.SplitSeq(given, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		key, value, found := strings.Cut(item, "=")
		key = strings.TrimSpace(key)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || key == "" || err != nil || strings.ContainsAny(key+decoded, "\r\n") {
			o.problem(name, "it is not a list of names and values", "name=value,name=value")
			return pairs
		}
		pairs[key] = decoded
	}
	return pairs
}
