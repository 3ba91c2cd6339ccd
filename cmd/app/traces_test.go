package main

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// secretive is a transfer with everything in it that no trace may hold.
type secretive struct {
	secrets map[string]string
	share   string // path of the share's calls
	access  string
	file    string
}

// sends makes a transfer of a file of two parts, completes it and fetches it
// through a share.
func (s *solo) sends() secretive {
	s.t.Helper()
	const name, sender = "rome-villa-borghese.cr3", "giulia.bianchi@example.com"
	slug := s.link[strings.LastIndex(s.link, "/")+1:]
	var started api.Started
	s.read(s.asks("POST", "/api/v1/u/"+slug+"/transfers", "", `{"sender_email": "`+sender+`", "sender_name": "Giulia Bianchi"}`), &started)
	content := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16+1)
	var declared api.Declared
	s.read(s.asks("POST", "/api/v1/transfers/"+started.ID+"/files", started.UploadToken,
		`{"files": [{"path": "`+name+`", "size": 10485776}]}`), &declared)
	file := declared.Files[0].File.ID
	for n, part := range []string{string(content[:10<<20]), string(content[10<<20:])} {
		path := "/api/v1/files/" + file + "/parts/" + string(rune('1'+n))
		if got := s.asks("PUT", path, started.UploadToken, part); got.StatusCode != http.StatusOK {
			s.t.Fatalf("part %d: %d %s", n+1, got.StatusCode, got.body)
		}
	}
	s.stored("/api/v1/files/"+file, started.UploadToken)
	if got := s.asks("POST", "/api/v1/transfers/"+started.ID+"/complete", started.UploadToken, ""); got.StatusCode != http.StatusOK {
		s.t.Fatalf("complete: %d %s", got.StatusCode, got.body)
	}
	var share api.Share
	s.read(s.asks("POST", "/api/v1/transfers/"+started.ID+"/shares", s.token, `{"code": "open-sesame-7"}`), &share)
	token := (*share.URL)[strings.LastIndex(*share.URL, "/")+1:]
	var unlocked api.Unlocked
	s.read(s.asks("POST", "/api/v1/d/"+token+"/unlock", "", `{"code": "open-sesame-7"}`), &unlocked)
	got := s.asks("GET", "/api/v1/d/"+token+"/files/"+file, unlocked.AccessToken, "")
	if got.StatusCode != http.StatusOK || !bytes.Equal(got.body, content) {
		s.t.Fatalf("fetch: %d with %d bytes", got.StatusCode, len(got.body))
	}
	return secretive{share: "/api/v1/d/" + token, access: unlocked.AccessToken, file: file, secrets: map[string]string{
		"a file's name": "borghese", "a mail address": "giulia", "a name": "Bianchi", "an upload token": started.UploadToken,
		"an API token": s.token, "a share's token": token, "a code": "sesame", "an access token": unlocked.AccessToken,
		"a link": slug, "a path": "/parts/1", "content": "0123456789abcdef0123", "the collector's password": "collector-secret",
	}}
}

// stored waits until a file is.
func (s *solo) stored(path, token string) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		if got := s.asks("GET", path, token, ""); strings.Contains(string(got.body), `"state":"stored"`) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("%s is not stored\n%s", path, s.log)
		}
	}
}

// ends stops a server, which must end well.
func (s *solo) ends() {
	s.t.Helper()
	s.stop()
	if code := s.exit(); code != exitOK {
		s.t.Errorf("exit code %d\n%s", code, s.log)
	}
}

// A request is a span, what it does in database and bucket are spans below it, the
// job that it hints at goes on with its trace, and nothing of it is a secret.
func TestTracesOfATransfer(t *testing.T) {
	t.Parallel()
	to := newOTLP(t)
	s := newSolo(t, append(bucketEnv(testenv.S3(t)), "OTEL_EXPORTER_OTLP_ENDPOINT="+to.url, "OTEL_SERVICE_NAME=studio-one",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=collector-secret", "APP_SWEEP_EVERY=24h", "APP_HTTP_TRUSTED_PROXIES=192.0.2.1")...)
	sent := s.sends()
	s.mailed()
	s.asks("GET", "/healthz", "", "")
	s.asks("GET", "/version", "", "", "Traceparent", "00-11111111111111111111111111111111-2222222222222222-01")
	s.ends() // which sends what waits
	all := to.spans()

	puts := named(all, "PUT /api/v1/files/{id}/parts/{n}")
	if len(puts) != 2 {
		t.Fatalf("%d spans of parts", len(puts))
	}
	for _, put := range puts {
		if put.parent() != "" || put.Kind != tracepb.Span_SPAN_KIND_SERVER || put.attributes["http.route"] != "/api/v1/files/{id}/parts/{n}" {
			t.Errorf("a part's span: %v", put)
		}
		for _, step := range []string{"database read", "database tx", "blob put_part"} {
			if !below(all, put, step) {
				t.Errorf("no %s below the request of a part", step)
			}
		}
		inside(t, all, put)
	}
	if !below(all, puts[0], "blob complete") && !below(all, puts[1], "blob complete") {
		t.Error("no completion below the requests of the parts")
	}
	job := wantJob(t, all, named(all, "POST /api/v1/transfers/{id}/complete"))
	for _, step := range []string{"database tx", "database read"} {
		if !below(all, job, step) {
			t.Errorf("no %s below the job", step)
		}
	}
	fetch := named(all, "GET /api/v1/d/{token}/files/{id}")
	if len(fetch) != 1 || !below(all, fetch[0], "blob range") || !below(all, fetch[0], "database read") {
		t.Errorf("the download: %v", fetch)
	}
	if quiet := append(named(all, "GET /healthz"), named(all, "GET /version")...); len(quiet) != 0 {
		t.Errorf("probes are traced: %v", quiet)
	}
	to.keepsSecrets(sent.secrets)
}

// A trace goes on in a worker: what lies in Redis in between holds ids only.
func TestTracesGoOnInAWorker(t *testing.T) {
	t.Parallel()
	to, own := newOTLP(t), testenv.NewOwnRedis(t)
	stores := []string{
		"REDIS_URL=" + own.URL, "DATABASE_URL=" + testenv.Database(t, db.EnginePostgres).URL, "APP_SWEEP_EVERY=24h",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + to.url, "OTEL_EXPORTER_OTLP_HEADERS=authorization=collector-secret",
		"OTEL_RESOURCE_ATTRIBUTES=service.name=studio-one",
	}
	s := newSolo(t, stores...)
	sent := s.sends()
	hints := hintsIn(t, own.URL)
	if len(hints) == 0 {
		t.Error("no hint waits in Redis")
	}
	for _, hint := range hints {
		if !regexp.MustCompile(`\{"id":"[-0-9a-f]{36}","trace":"00-[0-9a-f]{32}-[0-9a-f]{16}-01"\}`).MatchString(hint) {
			t.Errorf("a hint in Redis holds %q", hint)
		}
	}
	worker := begin(t, append(stores, "APP_ENVIRONMENT=local", "APP_DATA_DIR="+s.dir, "APP_STORAGE_MIN_FREE=0"), io.Discard, "worker")
	s.mailed()
	worker.end(t)
	s.ends()
	all := to.spans()
	job := wantJob(t, all, named(all, "POST /api/v1/transfers/{id}/complete"))
	if !below(all, job, "database tx") {
		t.Error("no step below the job")
	}
	to.keepsSecrets(sent.secrets)
}

// hintsIn are the tasks that wait in a Redis, as asynq keeps them.
func hintsIn(t *testing.T, url string) (hints []string) {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer func() { _ = client.Close() }()
	keys, err := client.Keys(t.Context(), "asynq:{*}:t:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		hint, err := client.HGet(t.Context(), key, "msg").Result()
		if err != nil {
			t.Fatal(err)
		}
		hints = append(hints, hint)
	}
	return hints
}

// wantJob finds the span of the job that sent mail, in the trace of the request
// that hinted at it.
func wantJob(t *testing.T, all, requests []span) span {
	t.Helper()
	for _, job := range named(all, "job mail.deliver/1") {
		for _, r := range requests {
			if job.trace() == r.trace() && job.parent() == r.id() && job.Kind == tracepb.Span_SPAN_KIND_CONSUMER {
				return job
			}
		}
	}
	t.Fatalf("no job goes on with the trace of %v: %v", requests, named(all, "job mail.deliver/1"))
	return span{}
}

// mailed waits until a message is written.
func (s *solo) mailed() {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		files, err := filepath.Glob(filepath.Join(s.dir, "mail", "*.eml"))
		if err == nil && len(files) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("no mail was written: %v\n%s", err, s.log)
		}
	}
}

// inside wants the steps of a request within its time.
func inside(t *testing.T, all []span, of span) {
	t.Helper()
	for _, s := range all {
		if s.parent() == of.id() && !strings.HasPrefix(s.Name, "job ") &&
			(s.StartTimeUnixNano+uint64(time.Millisecond) < of.StartTimeUnixNano || s.EndTimeUnixNano > of.EndTimeUnixNano+uint64(time.Millisecond)) {
			t.Errorf("%s is not within %s", s.Name, of.Name)
		}
	}
}

// Ids of a caller are taken from a proxy that is trusted, and from nobody else.
func TestTraceparentOfProxies(t *testing.T) {
	t.Parallel()
	const given, ids = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, tc := range map[string]struct {
		trusted string
		header  string
		follows bool
	}{
		"trusted":   {"127.0.0.1", given, true},
		"anybody":   {"192.0.2.1", given, false},
		"malformed": {"127.0.0.1", "00-" + ids + "-zz-01", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newOTLP(t)
			s := newSolo(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+to.url, "APP_HTTP_TRUSTED_PROXIES="+tc.trusted)
			s.asks("GET", "/api/v1/me", s.token, "", "Traceparent", tc.header)
			s.ends()
			me := named(to.spans(), "GET /api/v1/me")
			if len(me) != 1 {
				t.Fatalf("spans %v", me)
			}
			if follows := me[0].trace() == ids && me[0].parent() == "00f067aa0ba902b7"; follows != tc.follows {
				t.Errorf("trace %s below %q", me[0].trace(), me[0].parent())
			}
		})
	}
}

// A sampler that takes nothing, a switch and a missing endpoint send nothing.
func TestNoTracesUnasked(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"never":       "OTEL_TRACES_SAMPLER=always_off",
		"disabled":    "OTEL_SDK_DISABLED=true",
		"no exporter": "OTEL_TRACES_EXPORTER=none",
		"no endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT=",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newOTLP(t)
			s := newSolo(t, "OTEL_SERVICE_NAME=a", "OTEL_EXPORTER_OTLP_ENDPOINT="+to.url, setting)
			s.asks("GET", "/api/v1/me", s.token, "")
			s.ends()
			if all := to.spans(); len(all) != 0 {
				t.Errorf("%d spans were sent", len(all))
			}
		})
	}
}

// A collector that is dead, hangs or refuses changes nothing for anybody: the
// transfer goes on, the end is on time and good, and the log says it once.
func TestDeadCollector(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"gone":  nil,
		"hangs": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() },
		"busy":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"wrong": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSolo(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+deaf(t, answer), "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_BSP_MAX_QUEUE_SIZE=8",
				"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=1", "OTEL_EXPORTER_OTLP_TIMEOUT=60000")
			s.sends()
			began := time.Now()
			s.ends()
			if took := time.Since(began); took > flushTimeout+time.Minute {
				t.Errorf("it ended after %v", took)
			}
			said := strings.Count(s.log.String(), "does not take traces") + strings.Count(s.log.String(), "last traces were not sent")
			if said < 1 || said > 2 || strings.Contains(s.log.String(), "password") {
				t.Errorf("it said so %d times:\n%s", said, s.log)
			}
		})
	}
}
