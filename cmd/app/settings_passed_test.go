package main

import (
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/web"
)

// passed is a setting, and what a package below is given for it. That package's
// own tests show what it does with that.
type passed struct {
	key, value string
	want       any
	got        func(*config.Config) any
}

func passedOn() []passed {
	return []passed{
		{"db.ping_before_use", "false", false, func(c *config.Config) any { return databaseOptions(c).PingBeforeUse }},
		{"db.max_conn_lifetime", "7s", 7 * time.Second, func(c *config.Config) any { return databaseOptions(c).MaxConnLifetime }},
		{"db.acquire_timeout", "7s", 7 * time.Second, func(c *config.Config) any { return databaseOptions(c).AcquireTimeout }},
		{"db.connect_timeout", "7s", 7 * time.Second, func(c *config.Config) any { return databaseOptions(c).ConnectTimeout }},
		{"db.read_timeout", "7s", 7 * time.Second, func(c *config.Config) any { return databaseOptions(c).ReadTimeout }},
		{"db.max_conns", "7", 7, func(c *config.Config) any { return databaseOptions(c).MaxConns }},
		{"db.url", "postgres://h/d", "postgres://h/d?sslmode=disable", func(c *config.Config) any { return databaseOptions(c).URL }},
		{"db.local_path", "x.db", "x.db", func(c *config.Config) any { return databaseOptions(c).Path }},

		{"s3.bucket", "bucket", "bucket", func(c *config.Config) any { return bucketOptions(c, 0).Bucket }},
		{"s3.endpoint", "http://h", "http://h", func(c *config.Config) any { return bucketOptions(c, 0).Endpoint }},
		{"s3.region", "eu-central-1", "eu-central-1", func(c *config.Config) any { return bucketOptions(c, 0).Region }},
		{"s3.access_key", "a", "a", func(c *config.Config) any { return bucketOptions(c, 0).AccessKey }},
		{"s3.secret_key", "b", "b", func(c *config.Config) any { return bucketOptions(c, 0).SecretKey }},
		{"s3.pool", "7", 7, func(c *config.Config) any { return bucketOptions(c, 0).PoolSize }},
		{"s3.attempts", "7", 7, func(c *config.Config) any { return bucketOptions(c, 0).Attempts }},
		{"s3.connect_timeout", "7s", 7 * time.Second, func(c *config.Config) any { return bucketOptions(c, 0).ConnectTimeout }},
		{"s3.read_timeout", "7s", 7 * time.Second, func(c *config.Config) any { return bucketOptions(c, 0).ReadTimeout }},
		{"s3.path_style", "false", true, func(c *config.Config) any { return bucketOptions(c, 0).VirtualHost }},
		{"http.max_streams", "7", 7, func(c *config.Config) any { return bucketOptions(c, 1<<30).MaxStreams }},

		{"redis.url", "redis://h", "redis://h", func(c *config.Config) any { return redisOptions(c).URL }},
		{"worker.queues", "critical=1", map[string]int{"critical": 1}, func(c *config.Config) any { return redisOptions(c).Queues }},
		{"worker.concurrency", "7", 7, func(c *config.Config) any { return queueOptions(c).Concurrency }},

		{"retention.unfinished", "7s", 7 * time.Second, func(c *config.Config) any { return transferSettings(c, "").Unfinished }},
		{"retention.complete", "7s", 7 * time.Second, func(c *config.Config) any { return transferSettings(c, "").Complete }},
		{"retention.warn_before", "0s", time.Duration(0), func(c *config.Config) any { return transferSettings(c, "").WarnBefore }},
		{"retention.undo", "0s", time.Duration(1), func(c *config.Config) any { return transferSettings(c, "").Undo }},
		{"transfer.max_age", "7s", 7 * time.Second, func(c *config.Config) any { return transferSettings(c, "").MaxAge }},
		{"sweep.every", "7s", sweepsEvery(7 * time.Second), func(c *config.Config) any { return periods(c) }},
		{"sweep.grace", "0s", time.Duration(1), func(c *config.Config) any { return transferSettings(c, "").Grace }},

		{"retention.events", "7h", 7 * time.Hour, func(c *config.Config) any { return accountOptions(c).KeepEvents }},
		{"retention.mail", "0s", false, func(c *config.Config) any { return hasChore(c, "mail.prune") }},
		{"scrub.bytes_per_day", "0", int64(0), func(c *config.Config) any { return transferSettings(c, "").ScrubBytes }},
		{"scrub.again_after", "7s", 7 * time.Second, func(c *config.Config) any { return transferSettings(c, "").ScrubAgain }},

		{"http.stream_wait", "0s", time.Duration(web.None), func(c *config.Config) any { return webLimits(c, 0).StreamWait }},
		{"http.max_waiting", "0", web.None, func(c *config.Config) any { return webLimits(c, 0).MaxWaiting }},
		{"http.max_requests_jitter", "999", true, func(c *config.Config) any { return endsApart(c) }},
		{"http.min_rate", "0", int64(web.None), func(c *config.Config) any { return webLimits(c, 0).MinRate }},
	}
}

// hasChore tells whether a process with these settings does a chore.
func hasChore(c *config.Config, name string) bool {
	p := &parts{cfg: c, log: slog.New(slog.DiscardHandler)}
	return slices.ContainsFunc(p.chores(), func(chore jobs.Chore) bool { return chore.Name == name })
}

// periods are those of the chores that look for what is due.
func periods(c *config.Config) map[string]time.Duration {
	p := &parts{cfg: c, log: slog.New(slog.DiscardHandler)}
	found := map[string]time.Duration{}
	for _, chore := range p.chores() {
		if chore.Name != "mail.prune" { // by the hour, whatever is set
			found[chore.Name] = chore.Every
		}
	}
	return found
}

func sweepsEvery(d time.Duration) map[string]time.Duration {
	return map[string]time.Duration{"transfer.sweep": d, "transfer.scrub": d, "account.sweep": d, "signin.sweep": d, "mail.sweep": d}
}

// endsApart tells whether instances with these settings end after different
// numbers of requests. That a hundred draw the same has no chance.
func endsApart(c *config.Config) bool {
	first := webLimits(c, 0).MaxRequests
	for range 100 {
		if webLimits(c, 0).MaxRequests != first {
			return true
		}
	}
	return false
}

// shownElsewhere names for each remaining setting the test, or the story of
// testdata/script, that fails without it.
func shownElsewhere() map[string]string {
	return map[string]string{
		"environment":            "TestEnvironmentIsChosenFirst",
		"config":                 "TestPrecedence",
		"master_keys":            "TestProductionStart",
		"master_key":             "TestProductionRefusesWhatIsMissing",
		"http.metrics_addr":      "metrics.txtar",
		"db.internal_url":        "TestInternalDatabase",
		"db.use_internal":        "TestInternalDatabase",
		"db.auto_migrate":        "TestMigrateThereAndBack",
		"mail.driver":            "TestMailDriver",
		"mail.sender":            "TestServeSendsBySMTP",
		"mail.smtp_url":          "TestServeSendsBySMTP",
		"mail.brevo_smtp_server": "TestSMTP", "mail.brevo_smtp_port": "TestSMTP",
		"mail.brevo_smtp_login": "TestSMTP", "mail.brevo_smtp_password": "TestSMTP",
		"mail.webhook_secret":       "TestMailThatBounces",
		"mail.sendgrid_webhook_key": "TestMailEventsThatAreSigned",
		"mail.brevo_api_key":        "TestMailWayOutFollowsTheSettings",
		"mail.sendgrid_api_key":     "TestMailWayOutFollowsTheSettings",
		"mail.admin_email":          "TestFirstStudioIsTheOperators",
	}
}

func loadWith(t *testing.T, environ ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Source{Environ: environ, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSettingsArePassedOn(t *testing.T) {
	t.Parallel()
	needs := map[string][]string{
		"s3.bucket":                {"WASABI_ACCESS_KEY=a", "WASABI_SECRET_KEY=b"},
		"http.max_requests_jitter": {"APP_HTTP_MAX_REQUESTS=1000"},
	}
	for _, p := range passedOn() {
		variable := "APP_" + strings.ToUpper(strings.ReplaceAll(p.key, ".", "_"))
		if diff := cmp.Diff(p.want, p.got(loadWith(t, append(needs[p.key], variable+"="+p.value)...))); diff != "" {
			t.Errorf("%s=%s (-want +got):\n%s", variable, p.value, diff)
		}
		if cmp.Equal(p.want, p.got(loadWith(t))) {
			t.Errorf("%s: the default is no different from %s", p.key, p.value)
		}
	}
}

// A setting that no test would miss is as good as not there.
func TestEverySettingHasATest(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for key := range serveEffects() {
		shown[key] = true
	}
	for _, p := range passedOn() {
		shown[p.key] = true
	}
	tests := testNames(t)
	for key, test := range shownElsewhere() {
		if shown[key] = tests[test]; !tests[test] {
			t.Errorf("%s: there is no test %s", key, test)
		}
	}
	for _, k := range config.Keys() {
		if !shown[k.Name] && !strings.HasPrefix(k.Name, "render.") {
			t.Errorf("no test shows what %s does: add it to serveEffects, passedOn or shownElsewhere", k.Name)
		}
	}
}

// testNames are the functions and stories that test the program.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, root := range []string{".", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".txtar") {
				return err
			}
			names[filepath.Base(path)] = true
			source, err := os.ReadFile(path)
			for line := range strings.Lines(string(source)) {
				if name, ok := strings.CutPrefix(line, "func Test"); ok {
					name, _, _ = strings.Cut(name, "(")
					names["Test"+name] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// jittered stays within its bounds, reaches more than one of them, and is off
// where the number is.
func TestJitter(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 200 {
		n := jittered(1000, 50)
		if n < 950 || n > 1050 {
			t.Fatalf("%d requests", n)
		}
		seen[n] = true
	}
	if len(seen) < 2 || jittered(0, 50) != 0 || jittered(1000, 0) != 1000 || jittered(2, 1) < 1 {
		t.Errorf("%d different numbers of 200", len(seen))
	}
}

func TestMemoryLimitFromTheContainer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env       []string
		container uint64
		want      memoryLimits
	}{
		"none":             {nil, 0, memoryLimits{}},
		"none to speak of": {nil, math.MaxUint64, memoryLimits{}},
		"512 MiB":          {[]string{"HOME=/"}, 512 << 20, memoryLimits{container: 512 << 20, forGo: 483183820}},
		"Go's is set":      {[]string{"GOMEMLIMIT=400MiB"}, 512 << 20, memoryLimits{container: 512 << 20}},
		"set to nothing":   {[]string{"GOMEMLIMIT="}, 512 << 20, memoryLimits{container: 512 << 20, forGo: 483183820}},
	} {
		if got := limitsOf(tc.container, tc.env); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
	cfg := loadWith(t)
	for memory, want := range map[int64]int{0: 64, 512 << 20: 256, 128 << 20: 80, 50 << 20: 4} {
		if got := webLimits(cfg, memory).MaxStreams; got != want {
			t.Errorf("with %d bytes %d streams, want %d", memory, got, want)
		}
	}
}

func TestFirstStudioIsTheOperators(t *testing.T) {
	t.Parallel()
	s := newSolo(t, "ADMIN_EMAIL=anna@studio.example")
	if r := s.asks("GET", "/api/v1/me", s.token, ""); !strings.Contains(string(r.body), "anna@studio.example") {
		t.Errorf("%s", r.body)
	}
}
