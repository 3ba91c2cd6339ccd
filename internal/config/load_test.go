package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// folder makes a folder with files for a Source.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, source Source) *Config {
	t.Helper()
	if source.Dir == "" {
		source.Dir = t.TempDir()
	}
	c, err := Load(source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems loads what must not load.
func problems(t *testing.T, source Source) Problems {
	t.Helper()
	if source.Dir == "" {
		source.Dir = t.TempDir()
	}
	c, err := Load(source)
	var found Problems
	if !errors.As(err, &found) {
		t.Fatalf("Load gave %v, %v, want Problems", c != nil, err)
	}
	return found
}

func entry(t *testing.T, c *Config, name string) Entry {
	t.Helper()
	for _, e := range c.Describe() {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no entry %s", name)
	return Entry{}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"app.yaml":  "log: {level: debug}\nhttp:\n  max_conns: 11\n  max_waiting: 11\n  drain_timeout: 11s\ns3: {region: from-yaml}\n",
		"local.env": "APP_HTTP_MAX_CONNS=12\nAPP_HTTP_MAX_WAITING=12\n\nAPP_HTTP_DRAIN_TIMEOUT=12s\n",
	}
	c := load(t, Source{
		Dir:     folder(t, files),
		Environ: []string{"APP_CONFIG=app.yaml", "APP_HTTP_MAX_WAITING=13", "APP_HTTP_DRAIN_TIMEOUT=13s", "HOME=/"},
		Flags:   map[string]string{"http.drain-timeout": "14s"},
	})
	tests := []struct{ key, value, origin string }{
		{"log.format", "auto", "default"},
		{"log.level", "debug", "yaml app.yaml"},
		{"s3.region", "from-yaml", "yaml app.yaml"},
		{"http.max_conns", "12", "file local.env:1"},
		{"http.max_waiting", "13", "env APP_HTTP_MAX_WAITING"},
		{"http.drain_timeout", "14s", "flag --http.drain-timeout"},
		{"config", "app.yaml", "env APP_CONFIG"},
	}
	for _, test := range tests {
		if e := entry(t, c, test.key); e.Value != test.value || e.Origin != test.origin {
			t.Errorf("%s is %q from %q, want %q from %q", test.key, e.Value, e.Origin, test.value, test.origin)
		}
	}
	if c.HTTP.MaxConns != 12 || c.HTTP.DrainTimeout != 14*time.Second || c.Log.Level != "debug" {
		t.Errorf("the tree does not hold what Describe shows: %+v", c.HTTP)
	}
}

func TestNamesWithoutPrefix(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("ab", 32)
	tests := []struct {
		variable, value string
		got             func(*Config) string
	}{
		{"DATABASE_URL", "postgres://h/d", func(c *Config) string { return c.DB.URL.Reveal() }},
		{"INTERNAL_DATABASE_URL", "postgres://h/d", func(c *Config) string { return c.DB.InternalURL.Reveal() }},
		{"LOCAL_DB_PATH", "x.db", func(c *Config) string { return c.DB.LocalPath }},
		{"REDIS_URL", "rediss://h:6379", func(c *Config) string { return c.Redis.URL.Reveal() }},
		{"MASTER_KEY", key, func(c *Config) string { return c.MasterKey.Reveal() }},
		{"MASTER_KEYS", "1:" + key, func(c *Config) string { return c.MasterKeys.Reveal() }},
		{"BREVO_SMTP_SERVER", "smtp.h", func(c *Config) string { return c.Mail.BrevoSMTPServer }},
		{"BREVO_SMTP_PASSWORD", " p ", func(c *Config) string { return c.Mail.BrevoSMTPPassword.Reveal() }},
		{"SENDER_EMAIL", "Studio <a@b.c>", func(c *Config) string { return c.Mail.Sender }},
		{"ADMIN_EMAIL", "a@b.c", func(c *Config) string { return c.Mail.AdminEmail }},
		{"WASABI_ACCESS_KEY", "x", func(c *Config) string { return c.S3.AccessKey.Reveal() }},
		{"WASABI_SECRET_KEY", "x", func(c *Config) string { return c.S3.SecretKey.Reveal() }},
		{"WASABI_ENDPOINT_URL", "https://s3.h", func(c *Config) string { return c.S3.Endpoint }},
		{"WASABI_REGION", "eu-central-1", func(c *Config) string { return c.S3.Region }},
	}
	for _, test := range tests {
		t.Run(test.variable, func(t *testing.T) {
			t.Parallel()
			c := load(t, Source{Environ: []string{test.variable + "=" + test.value}})
			if got := test.got(c); got != test.value {
				t.Errorf("%s gave %q, want %q", test.variable, got, test.value)
			}
		})
	}
	together := load(t, Source{Environ: []string{
		"WASABI_BUCKET_NAME=bucket", "WASABI_ACCESS_KEY=a", "WASABI_SECRET_KEY=b", "USE_INTERNAL_DB=True", "INTERNAL_DATABASE_URL=postgres://h/d",
		"SMTP_URL=smtp://h", "SENDER_EMAIL=a@b.c", "BREVO_SMTP_LOGIN=l", "BREVO_SMTP_PORT=2525",
	}})
	if together.S3.Bucket != "bucket" || !together.DB.UseInternal || together.Mail.BrevoSMTPPort != 2525 || !together.Mail.SMTPURL.IsSet() {
		t.Errorf("names were not read: %+v", together)
	}
}

func TestPrefixWinsWithinASource(t *testing.T) {
	t.Parallel()
	c := load(t, Source{
		Dir:     folder(t, map[string]string{"local.env": "APP_S3_REGION=from-file\nWASABI_REGION=old\nAPP_DB_LOCAL_PATH=file.db\n"}),
		Environ: []string{"APP_HTTP_ADDR=127.0.0.1:1", "PORT=2", "LOCAL_DB_PATH=env.db"},
	})
	if c.HTTP.Addr != "127.0.0.1:1" || c.S3.Region != "from-file" || c.DB.LocalPath != "env.db" {
		t.Errorf("addr %q, region %q, path %q", c.HTTP.Addr, c.S3.Region, c.DB.LocalPath)
	}
}

func TestEmptyValues(t *testing.T) {
	t.Parallel()
	c := load(t, Source{
		Dir: folder(t, map[string]string{
			"app.yaml":  "log:\nhttp:\n  addr: ''\n  keep_alive:\n",
			"local.env": "APP_LOG_LEVEL=\nDATABASE_URL=postgres://h/d\n",
		}),
		Environ: []string{"APP_HTTP_MAX_CONNS=", "DATABASE_URL=", "PORT="},
		Flags:   map[string]string{"config": "app.yaml", "db.url": ""},
	})
	if c.HTTP.Addr != "127.0.0.1:8080" || c.HTTP.KeepAlive != 2*time.Minute || c.HTTP.MaxConns != 2000 || c.Log.Level != "info" {
		t.Errorf("an empty value replaced a default: %+v, %+v", c.HTTP, c.Log)
	}
	if c.DB.URL.IsSet() {
		t.Error("an empty flag did not clear the key")
	}
	found := problems(t, Source{Flags: map[string]string{"log.level": ""}})
	if len(found) != 1 || found[0].Name != "--log.level" {
		t.Errorf("an empty flag of a key that needs a value gave %v", found)
	}
}

func TestEnvironmentIsChosenFirst(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"render.env": "APP_S3_REGION=render", "local.env": "APP_S3_REGION=local", "sendgrid.env": "APP_S3_REGION=sendgrid",
		"app.yaml": "environment: production",
	}
	only := func(names ...string) map[string]string {
		kept := map[string]string{}
		for _, name := range names {
			kept[name] = files[name]
		}
		return kept
	}
	tests := []struct {
		name       string
		files      map[string]string
		environ    []string
		flags      map[string]string
		want       Environment
		wantRegion string
		wantOrigin string
	}{
		{"default", files, nil, nil, Local, "local", "default"},
		{"older name", only("render.env", "sendgrid.env"), nil, nil, Local, "sendgrid", "default"},
		{"no file", nil, nil, nil, Local, "ap-southeast-1", "default"},
		{"render", files, []string{"RENDER=true"}, nil, Production, "render", "env RENDER"},
		{"render without a file", only("local.env"), []string{"RENDER=true"}, nil, Production, "ap-southeast-1", "env RENDER"},
		{"render overruled", files, []string{"RENDER=true", "APP_ENVIRONMENT=local"}, nil, Local, "local", "env APP_ENVIRONMENT"},
		{"render empty", files, []string{"RENDER="}, nil, Local, "local", "default"},
		{"variable", files, []string{"APP_ENVIRONMENT= production "}, nil, Production, "render", "env APP_ENVIRONMENT"},
		{"flag", files, []string{"APP_ENVIRONMENT=production"}, map[string]string{"environment": "local"}, Local, "local", "flag --environment"},
		{"yaml", files, []string{"APP_CONFIG=app.yaml"}, nil, Production, "render", "yaml app.yaml"},
		{"yaml overruled", files, []string{"APP_CONFIG=app.yaml", "APP_ENVIRONMENT=local"}, nil, Local, "local", "env APP_ENVIRONMENT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, Source{Dir: folder(t, test.files), Environ: test.environ, Flags: test.flags})
			if c.Environment != test.want || c.S3.Region != test.wantRegion {
				t.Errorf("environment %q with region %q, want %q with %q", c.Environment, c.S3.Region, test.want, test.wantRegion)
			}
			if got := entry(t, c, "environment").Origin; got != test.wantOrigin {
				t.Errorf("the environment comes from %q, want %q", got, test.wantOrigin)
			}
		})
	}
}

func TestDefaultsFollowTheEnvironment(t *testing.T) {
	t.Parallel()
	local, production := load(t, Source{}), load(t, Source{Environ: []string{"RENDER=true"}})
	if local.Account.Quota != 0 || !local.DB.AutoMigrate {
		t.Errorf("local: quota %v, auto_migrate %v", local.Account.Quota, local.DB.AutoMigrate)
	}
	if production.Account.Quota != 25*GiB || production.DB.AutoMigrate {
		t.Errorf("production: quota %v, auto_migrate %v", production.Account.Quota, production.DB.AutoMigrate)
	}
}

func TestListsAndWeights(t *testing.T) {
	t.Parallel()
	c := load(t, Source{
		Dir: folder(t, map[string]string{"app.yaml": "http:\n  trusted_proxies: [10.1.2.3/8, '::1']\nworker: {queues: low=2}\n"}),
		Environ: []string{
			"APP_CONFIG=app.yaml", "APP_HTTP_CORS_ORIGINS=https://A.example , http://localhost:3000",
		},
	})
	wantProxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if diff := cmp.Diff(wantProxies, c.HTTP.TrustedProxies, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("proxies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"https://a.example", "http://localhost:3000"}, c.HTTP.CORSOrigins); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"low": 2}, c.Worker.Queues); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"critical": 6, "default": 3, "low": 1}, load(t, Source{}).Worker.Queues); diff != "" {
		t.Errorf("default queues (-want +got):\n%s", diff)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("cd", 32)
	elsewhere := filepath.Join(folder(t, map[string]string{"db": "postgres://u:p@h/d\n"}), "db")
	c := load(t, Source{
		Dir: folder(t, map[string]string{
			"keys": "2:" + key + "\r\n", "smtp": "smtp://h\n", "local.env": "SMTP_URL_FILE=smtp\nSENDER_EMAIL=a@b.c\n",
		}),
		Environ: []string{"MASTER_KEYS_FILE=keys", "APP_DB_URL_FILE=" + elsewhere},
	})
	if c.MasterKeys.Reveal() != "2:"+key || c.DB.URL.Reveal() != "postgres://u:p@h/d" || c.Mail.SMTPURL.Reveal() != "smtp://h" {
		t.Error("a secret was not read from its file as it stands there")
	}
	for name, want := range map[string]string{
		"master_keys": "env MASTER_KEYS_FILE", "db.url": "env APP_DB_URL_FILE", "mail.smtp_url": "file local.env:1",
	} {
		if e := entry(t, c, name); e.Origin != want || e.Value != "[redacted]" {
			t.Errorf("%s is %q from %q, want it redacted from %q", name, e.Value, e.Origin, want)
		}
	}
}

func TestPlatformFacts(t *testing.T) {
	t.Parallel()
	files := map[string]string{"render.env": "RENDER_GIT_COMMIT=copied\nRENDER_EXTERNAL_URL=https://copied\n"}
	c := load(t, Source{
		Dir:     folder(t, files),
		Environ: []string{"RENDER=true", "RENDER_EXTERNAL_URL=https://x.onrender.com", "RENDER_SERVICE_NAME=web", "RENDER_CPU_COUNT=0.5"},
	})
	want := Render{Detected: true, ExternalURL: "https://x.onrender.com", ServiceName: "web"}
	if diff := cmp.Diff(want, c.Render); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}
