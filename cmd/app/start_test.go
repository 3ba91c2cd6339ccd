package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// wrongSetting is a setting that nothing can be done with, and the name that the
// refusal must say.
type wrongSetting struct {
	env  []string
	name string
	also string // what else it says
	not  string // commands that say something else
}

// commands of each kind: what opens the database, what needs master keys that
// open it, what asks the bucket, and what hands work to Redis.
var (
	ofDatabase = []string{"serve", "worker", "migrate up", "migrate version", "seed", "reconcile", "scrub", "keys list", "keys status",
		"keys rotate master", "account list", "account create b@example.com --name B", "jobs list", "doctor"}
	ofKeys   = []string{"serve", "worker", "seed", "reconcile", "scrub", "keys status", "keys rotate master", "account list", "jobs list", "doctor"}
	ofBucket = []string{"serve", "worker", "s3-check", "seed", "reconcile", "scrub", "doctor"}
	ofRedis  = []string{"serve", "worker", "seed", "scrub", "jobs list", "jobs retry mail/1", "account delete studio@example.com --yes", "doctor"}
)

// wrongDatabases are mistakes about what every process opens.
func wrongDatabases(good, deaf string) map[string]wrongSetting {
	login := strings.Replace(good, "postgres@", testenv.PasswordUser+":s3cret@", 1)
	return map[string]wrongSetting{
		"no database server":   {env: []string{"DATABASE_URL=postgres://u:s3cret@127.0.0.1:1/x"}, name: "DATABASE_URL"},
		"silent database":      {env: []string{"DATABASE_URL=postgres://u:s3cret@" + deaf + "/x"}, name: "DATABASE_URL", also: "no answer within 2s"},
		"database without TLS": {env: []string{"DATABASE_URL=" + strings.Replace(good, "sslmode=disable", "sslmode=require", 1)}, name: "DATABASE_URL", also: "TLS"},
		"database login":       {env: []string{"DATABASE_URL=" + login}, name: "DATABASE_URL"},
		"unknown database":     {env: []string{"DATABASE_URL=" + strings.Replace(good, "/test_", "/nothing_", 1)}, name: "DATABASE_URL"},
		"not a database URL":   {env: []string{"DATABASE_URL=mysql://u:s3cret@localhost/x"}, name: "DATABASE_URL"},
		"not a master key":     {env: []string{"MASTER_KEY=5ec4e7"}, name: "MASTER_KEY"},
	}
}

func wrongKeys() map[string]wrongSetting {
	return map[string]wrongSetting{
		"another master key":  {env: []string{"MASTER_KEY=" + strings.Repeat("5ec4e7ab", 8)}, name: "MASTER_KEY:", also: "do not open"},
		"another key version": {env: []string{"APP_MASTER_KEYS=7:" + strings.Repeat("5ec4e7ab", 8)}, name: "APP_MASTER_KEYS", also: "version 1"},
	}
}

// wrongBuckets are refusals of a bucket, and what answers in place of one.
func wrongBuckets(t *testing.T) map[string]wrongSetting {
	t.Helper()
	s := testenv.S3(t)
	answers := func(body string, status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(-47*time.Minute).UTC().Format(http.TimeFormat))
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(server.Close)
		return "WASABI_ENDPOINT_URL=" + server.URL
	}
	late := answers("<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>", http.StatusForbidden)
	locked := answers("<Error><Code>AuthenticationLockout</Code><Message>Locked.</Message></Error>", http.StatusForbidden)
	hidden := answers("<Error><Code>AccessDenied</Code><Message>Denied.</Message></Error>", http.StatusForbidden)
	portal := answers("<html>welcome</html>", http.StatusOK)
	bucket := func(change ...string) []string { return append(bucketEnv(s), change...) }
	both := "WASABI_ACCESS_KEY and WASABI_SECRET_KEY"
	return map[string]wrongSetting{
		"unknown bucket":     {env: bucket("WASABI_BUCKET_NAME=nobody-has-this"), name: "WASABI_BUCKET_NAME"},
		"bucket by another":  {env: bucket("APP_S3_BUCKET=nobody-has-this"), name: "APP_S3_BUCKET"},
		"unknown access key": {env: bucket("WASABI_ACCESS_KEY=nobody"), name: "WASABI_ACCESS_KEY", also: "unknown"},
		"wrong secret key":   {env: bucket("WASABI_SECRET_KEY=s3cret"), name: "WASABI_SECRET_KEY"},
		"wrong region":       {env: bucket("WASABI_REGION=eu-nowhere-9"), name: "WASABI_REGION"},
		"clock":              {env: bucket(late), name: "clock of this machine", also: "47m"},
		"locked out":         {env: bucket(locked), name: both, also: "locked"},
		"no S3":              {env: bucket(portal), name: "WASABI_ENDPOINT_URL", also: "does not speak S3"},
		"no TLS there":       {env: bucket("WASABI_ENDPOINT_URL=" + strings.Replace(s.Endpoint, "http:", "https:", 1)), name: "WASABI_ENDPOINT_URL"},
		"no such host":       {env: bucket("WASABI_ENDPOINT_URL=http://nobody.invalid"), name: "WASABI_ENDPOINT_URL", also: "no host"},
		"not an endpoint":    {env: bucket("WASABI_ENDPOINT_URL=s3.example.com/x y"), name: "WASABI_ENDPOINT_URL"},
		// s3-check shows in a row which permission is missing, so it ends with 1.
		"no permission": {env: bucket(hidden), name: both, also: "AccessDenied", not: "s3-check"},
	}
}

// silentBuckets do not answer: a server waits for them, and a command does not.
func silentBuckets(deaf string) map[string]wrongSetting {
	bucket := func(endpoint string) []string {
		return []string{"WASABI_BUCKET_NAME=photos", "WASABI_ENDPOINT_URL=" + endpoint, "WASABI_ACCESS_KEY=a", "WASABI_SECRET_KEY=s3cret"}
	}
	return map[string]wrongSetting{
		"no bucket server": {env: bucket("http://127.0.0.1:1"), name: "WASABI_ENDPOINT_URL", also: "refused"},
		"silent bucket":    {env: bucket("http://" + deaf), name: "WASABI_ENDPOINT_URL", also: "no answer within 2s"},
	}
}

func wrongQueues(redis, deaf string) (refusing, silent map[string]wrongSetting) {
	_, host, _ := strings.Cut(redis, "@")
	refusing = map[string]wrongSetting{
		"Redis login":     {env: []string{"REDIS_URL=redis://:s3cret@" + host}, name: "REDIS_URL"},
		"not a Redis URL": {env: []string{"REDIS_URL=http://u:s3cret@localhost"}, name: "REDIS_URL"},
		"wrong login beside a silent bucket": {
			env:  append(silentBuckets(deaf)["silent bucket"].env, "REDIS_URL=redis://:s3cret@"+host),
			name: "REDIS_URL", not: "seed scrub doctor", // which name the bucket
		},
	}
	silent = map[string]wrongSetting{
		"no Redis":     {env: []string{"REDIS_URL=redis://:s3cret@127.0.0.1:1"}, name: "REDIS_URL"},
		"silent Redis": {env: []string{"REDIS_URL=redis://:s3cret@" + deaf}, name: "REDIS_URL"},
	}
	return refusing, silent
}

// deafHost takes connections and never says a word.
func deafHost(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestWrongSettingsEndTheStart holds every refusal to one sentence that names the
// setting, within the time that a connection may take.
func TestWrongSettingsEndTheStart(t *testing.T) {
	t.Parallel()
	good, redis, deaf := testenv.Database(t, db.EnginePostgres).URL, testenv.Redis(t), deafHost(t)
	env := []string{"APP_ENVIRONMENT=local", "APP_HTTP_ADDR=127.0.0.1:0", "APP_STORAGE_MIN_FREE=0", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"DATABASE_URL=" + good, "REDIS_URL=" + redis, "APP_DB_CONNECT_TIMEOUT=2s", "APP_S3_CONNECT_TIMEOUT=2s"}
	if code, _, stderr := call(t, env, "seed"); code != exitOK {
		t.Fatalf("seed: exit %d, %s", code, stderr)
	}
	refuse := func(all map[string]wrongSetting, commands []string) {
		for name, wrong := range all {
			for _, command := range commands {
				first, _, _ := strings.Cut(command, " ")
				if slices.Contains(strings.Fields(wrong.not), first) {
					continue
				}
				t.Run(name+", "+command, func(t *testing.T) {
					t.Parallel()
					wantRefusal(t, append(env[:len(env):len(env)], wrong.env...), wrong, command)
				})
			}
		}
	}
	refuse(wrongDatabases(good, deaf), ofDatabase)
	refuse(wrongKeys(), ofKeys)
	refuse(wrongBuckets(t), ofBucket)
	refuse(silentBuckets(deaf), ofBucket[2:])
	refusing, silent := wrongQueues(redis, deaf)
	refuse(refusing, ofRedis)
	refuse(silent, ofRedis[2:])
}

// TestAddressThatIsTaken names the setting that the address came from.
func TestAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(deafHost(t))
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "APP_STORAGE_MIN_FREE=0"}
	wantRefusal(t, append(env[:len(env):len(env)], "PORT="+port), wrongSetting{name: "PORT: listen tcp", also: "in use"}, "serve")
	wantRefusal(t, append(env[:len(env):len(env)], "APP_HTTP_ADDR=127.0.0.1:0"),
		wrongSetting{name: "--http.metrics-addr: listen tcp", also: "in use"}, "serve --http.metrics-addr 127.0.0.1:"+port)
}

// TestSeedBeforeABucketMakesNothing: a seed that cannot store its files leaves no
// half of a studio behind.
func TestSeedBeforeABucketMakesNothing(t *testing.T) {
	t.Parallel()
	env := []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "APP_S3_CONNECT_TIMEOUT=2s"}
	lacking := append(env[:len(env):len(env)], silentBuckets(deafHost(t))["silent bucket"].env...)
	wantRefusal(t, lacking, wrongSetting{name: "WASABI_ENDPOINT_URL"}, "seed")
	wantRefusal(t, env, wrongSetting{name: "--slug NO"}, "seed --slug NO")
	code, out, stderr := call(t, env, "account", "list", "--json")
	if code != exitOK || strings.TrimSpace(out) != "[]" {
		t.Errorf("exit %d, %s%s", code, out, stderr)
	}
}

// longestTimeout is of the settings in TestWrongSettingsEndTheStart and of Redis.
const longestTimeout = queueTimeout

func wantRefusal(t *testing.T, env []string, wrong wrongSetting, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would serve on
	defer cancel()
	var out, errs safeBuffer
	began := time.Now()
	code := run(ctx, strings.Fields(command), env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	said := errs.String()
	if took := time.Since(began); took > longestTimeout+20*time.Second { // the machine may be busy
		t.Errorf("it took %s", took)
	}
	if code != exitUser || ctx.Err() != nil {
		t.Errorf("exit %d after %s, want %d\n%s", code, time.Since(began), exitUser, said)
	}
	_, sentence, found := strings.Cut(said, "app: ")
	if !found || strings.Count(strings.TrimSpace(sentence), "\n") > 0 && !strings.Contains(sentence, "the configuration is not usable:") {
		t.Errorf("it is not one sentence: %s", said)
	}
	if !strings.Contains(sentence, wrong.name) || !strings.Contains(sentence, wrong.also) {
		t.Errorf("want %s %s: %s", wrong.name, wrong.also, said)
	}
	for _, secret := range []string{"s3cret", "5ec4e7"} {
		if strings.Contains(said+out.String(), secret) {
			t.Errorf("it tells the secret: %s", said)
		}
	}
}

// TestSilentStoresDoNotEndTheStart: a bucket and a Redis that do not answer may
// come back, so the server runs and says that it is not ready.
func TestSilentStoresDoNotEndTheStart(t *testing.T) {
	t.Parallel()
	addr := "127.0.0.1:0"
	env := []string{"APP_ENVIRONMENT=local", "APP_HTTP_ADDR=" + addr, "APP_STORAGE_MIN_FREE=0", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"WASABI_BUCKET_NAME=photos", "WASABI_ENDPOINT_URL=http://127.0.0.1:1", "WASABI_ACCESS_KEY=a", "WASABI_SECRET_KEY=b",
		"REDIS_URL=redis://127.0.0.1:1", "APP_S3_CONNECT_TIMEOUT=2s"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs safeBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve"}, env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, after, ready := strings.Cut(out.String(), "Lenzeye is ready at ")
		if base, _, whole := strings.Cut(after, "\n"); ready && whole {
			resp, err := http.Get(base + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("/readyz is %d, want 503", resp.StatusCode)
			}
			break
		}
		select {
		case code := <-ended:
			t.Fatalf("it ended with %d: %s", code, errs.String())
		case <-tick.C:
		}
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
