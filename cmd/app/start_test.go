package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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
}

func wrongDatabases(good string) map[string]wrongSetting {
	login := strings.Replace(good, "postgres@", testenv.PasswordUser+":s3cret@", 1)
	return map[string]wrongSetting{
		"no database server":  {env: []string{"DATABASE_URL=postgres://u:s3cret@127.0.0.1:1/x"}, name: "DATABASE_URL"},
		"database login":      {env: []string{"DATABASE_URL=" + login}, name: "DATABASE_URL"},
		"unknown database":    {env: []string{"DATABASE_URL=" + strings.Replace(good, "/test_", "/nothing_", 1)}, name: "DATABASE_URL"},
		"not a database URL":  {env: []string{"DATABASE_URL=mysql://u:s3cret@localhost/x"}, name: "DATABASE_URL"},
		"not a master key":    {env: []string{"MASTER_KEY=5ec4e7"}, name: "MASTER_KEY"},
		"another master key":  {env: []string{"MASTER_KEY=" + strings.Repeat("5ec4e7ab", 8)}, name: "MASTER_KEYS", also: "do not open"},
		"another key version": {env: []string{"MASTER_KEYS=7:" + strings.Repeat("5ec4e7ab", 8)}, name: "MASTER_KEYS", also: "version 1"},
	}
}

// wrongStores are refusals of bucket and Redis, for what serves and works.
func wrongStores(t *testing.T, redis string) map[string]wrongSetting {
	t.Helper()
	s := testenv.S3(t)
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>")
	}))
	t.Cleanup(late.Close)
	bucket := func(change ...string) []string {
		return append([]string{"WASABI_BUCKET_NAME=" + s.Bucket, "WASABI_ENDPOINT_URL=" + s.Endpoint, "WASABI_REGION=" + s.Region,
			"WASABI_ACCESS_KEY=" + s.AccessKey, "WASABI_SECRET_KEY=" + s.SecretKey}, change...)
	}
	_, host, _ := strings.Cut(redis, "@")
	return map[string]wrongSetting{
		"unknown bucket":     {env: bucket("WASABI_BUCKET_NAME=nobody-has-this"), name: "WASABI_BUCKET_NAME"},
		"unknown access key": {env: bucket("WASABI_ACCESS_KEY=nobody"), name: "WASABI_ACCESS_KEY", also: "unknown"},
		"wrong secret key":   {env: bucket("WASABI_SECRET_KEY=s3cret"), name: "WASABI_SECRET_KEY"},
		"wrong region":       {env: bucket("WASABI_REGION=eu-nowhere-9"), name: "WASABI_REGION"},
		"clock":              {env: bucket("WASABI_ENDPOINT_URL=" + late.URL), name: "clock of this machine"},
		"not an endpoint":    {env: bucket("WASABI_ENDPOINT_URL=s3.example.com/x y"), name: "WASABI_ENDPOINT_URL"},
		"Redis login":        {env: []string{"REDIS_URL=redis://:s3cret@" + host}, name: "REDIS_URL"},
		"not a Redis URL":    {env: []string{"REDIS_URL=http://u:s3cret@localhost"}, name: "REDIS_URL"},
	}
}

// TestWrongSettingsEndTheStart holds every refusal to one sentence that names the
// setting, within the time that a connection may take.
func TestWrongSettingsEndTheStart(t *testing.T) {
	t.Parallel()
	good := testenv.Database(t, db.EnginePostgres).URL
	redis := testenv.Redis(t)
	env := []string{"APP_ENVIRONMENT=local", "APP_HTTP_ADDR=127.0.0.1:0", "APP_STORAGE_MIN_FREE=0", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"DATABASE_URL=" + good, "REDIS_URL=" + redis, "APP_DB_CONNECT_TIMEOUT=5s", "APP_S3_CONNECT_TIMEOUT=5s"}
	if code, _, stderr := call(t, env, "seed"); code != exitOK {
		t.Fatalf("seed: exit %d, %s", code, stderr)
	}
	for name, wrong := range wrongDatabases(good) {
		for _, command := range []string{"serve", "worker", "seed", "account list", "jobs list"} {
			t.Run(name+", "+command, func(t *testing.T) {
				t.Parallel()
				wantRefusal(t, append(env[:len(env):len(env)], wrong.env...), wrong, command)
			})
		}
	}
	for name, wrong := range wrongStores(t, redis) {
		for _, command := range []string{"serve", "worker"} {
			t.Run(name+", "+command, func(t *testing.T) {
				t.Parallel()
				wantRefusal(t, append(env[:len(env):len(env)], wrong.env...), wrong, command)
			})
		}
	}
}

func wantRefusal(t *testing.T, env []string, wrong wrongSetting, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would serve on
	defer cancel()
	var out, errs safeBuffer
	began := time.Now()
	code := run(ctx, strings.Fields(command), env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	said := errs.String()
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
