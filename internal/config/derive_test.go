package config

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListenAddr(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    string
	}{
		{"default", nil, "127.0.0.1:8080"},
		{"default in production", []string{"APP_ENVIRONMENT=production"}, "127.0.0.1:8080"},
		{"port", []string{"PORT=10000"}, "127.0.0.1:10000"},
		{"any port", []string{"PORT=0"}, "127.0.0.1:0"},
		{"port in production", []string{"PORT=10000", "APP_ENVIRONMENT=production"}, "0.0.0.0:10000"},
		{"port on Render", []string{"PORT= 10000 ", "RENDER=true"}, "0.0.0.0:10000"},
		{"port on Render, local", []string{"PORT=10000", "RENDER=true", "APP_ENVIRONMENT=local"}, "0.0.0.0:10000"},
		{"address", []string{"PORT=10000", "APP_HTTP_ADDR=[::1]:90"}, "[::1]:90"},
		{"every interface", []string{"APP_HTTP_ADDR=:90"}, ":90"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := load(t, Source{Environ: test.environ}).ListenAddr(); got != test.want {
				t.Errorf("ListenAddr() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	render := []string{"RENDER=true", "RENDER_EXTERNAL_URL=https://x.onrender.com"}
	tests := []struct {
		name     string
		source   Source
		listener string
		want     string
	}{
		{"listener", Source{}, "127.0.0.1:41234", "http://127.0.0.1:41234"},
		{"every interface", Source{}, "0.0.0.0:80", "http://localhost:80"},
		{"every interface, IPv6", Source{}, "[::]:80", "http://localhost:80"},
		{"no host", Source{}, ":80", "http://localhost:80"},
		{"IPv6", Source{}, "[::1]:80", "http://[::1]:80"},
		{"Render", Source{Environ: render}, "0.0.0.0:10000", "https://x.onrender.com"},
		{"configured", Source{Environ: []string{"APP_HTTP_PUBLIC_URL=https://files.example/sub/"}}, ":1", "https://files.example/sub"},
		{
			"an env file goes before Render's default",
			Source{Environ: render, Dir: folder(t, map[string]string{"render.env": "APP_HTTP_PUBLIC_URL=https://files.example"})},
			":1", "https://files.example",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := load(t, test.source).PublicURL(test.listener); got != test.want {
				t.Errorf("PublicURL(%q) = %q, want %q", test.listener, got, test.want)
			}
		})
	}
}

func TestMaxStreams(t *testing.T) {
	t.Parallel()
	computed, fixed := load(t, Source{}), load(t, Source{Environ: []string{"APP_HTTP_MAX_STREAMS=7"}})
	for limit, want := range map[ByteSize]int{
		0: 64, -1: 64, math.MaxInt64: 64, 1: 4, 48 * MiB: 4, 52 * MiB: 4, 53 * MiB: 5, 100 * MiB: 52, 304 * MiB: 256, 512 * MiB: 256, 64 * GiB: 256,
	} {
		if got := computed.MaxStreams(int64(limit)); got != want {
			t.Errorf("MaxStreams(%v) = %d, want %d", limit, got, want)
		}
	}
	if got := fixed.MaxStreams(int64(512 * MiB)); got != 7 {
		t.Errorf("a configured number gave %d, want 7", got)
	}
}

func TestStoresAreChosenAlone(t *testing.T) {
	t.Parallel()
	bucket := []string{"WASABI_BUCKET_NAME=bucket", "WASABI_ACCESS_KEY=a", "WASABI_SECRET_KEY=b"}
	for _, test := range []struct {
		name          string
		environ       []string
		engine        Engine
		bucket, redis bool
	}{
		{"none", nil, SQLite, false, false},
		{"database", []string{"DATABASE_URL=postgres://h/d"}, PostgreSQL, false, false},
		{"bucket", bucket, SQLite, true, false},
		{"queue", []string{"REDIS_URL=redis://h:6379"}, SQLite, false, true},
	} {
		c := load(t, Source{Environ: test.environ})
		if c.Database().Engine != test.engine || c.UsesBucket() != test.bucket || c.UsesRedis() != test.redis {
			t.Errorf("%s: engine %s, bucket %v, redis %v", test.name, c.Database().Engine, c.UsesBucket(), c.UsesRedis())
		}
	}
}

func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, want string }{
		{"loopback", "postgres://u:p@127.0.0.1:5432/d", "postgres://u:p@127.0.0.1:5432/d?sslmode=disable"},
		{"loopback name", "postgresql://localhost/d", "postgres://localhost/d?sslmode=disable"},
		{"IPv6 loopback", "postgres://[::1]:5432/d", "postgres://[::1]:5432/d?sslmode=disable"},
		{"private name", "postgres://u:p@dpg-abc-a/d", "postgres://u:p@dpg-abc-a/d?sslmode=disable"},
		{"socket", "postgres:///d?host=/var/run/postgresql.d", "postgres:///d?host=/var/run/postgresql.d&sslmode=disable"},
		{"default socket", "postgres:///d", "postgres:///d?sslmode=disable"},
		{"remote", "postgres://u:p@db.example.com/d", "postgres://u:p@db.example.com/d?sslmode=require"},
		{"remote address", "postgres://10.1.2.3/d", "postgres://10.1.2.3/d?sslmode=require"},
		{"remote IPv6", "postgres://[fd00::1]/d", "postgres://[fd00::1]/d?sslmode=require"},
		{"IPv6 in the query", "postgres:///d?host=fd00::1", "postgres:///d?host=fd00::1&sslmode=require"},
		{"several, one remote", "postgres://a:5432,b.example:5432/d", "postgres://a:5432,b.example:5432/d?sslmode=require"},
		{"several private", "postgres://a:1,b:2/d", "postgres://a:1,b:2/d?sslmode=disable"},
		{"its own rules", "postgres://db.example.com/d?sslmode=verify-full", "postgres://db.example.com/d?sslmode=verify-full"},
		{"its own rules, nearby", "postgres://localhost/d?sslmode=require&x=1", "postgres://localhost/d?sslmode=require&x=1"},
		{"SQLAlchemy", "postgresql+psycopg2://u:p%40@db.example.com/d?a=b", "postgres://u:p%40@db.example.com/d?a=b&sslmode=require"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := load(t, Source{Environ: []string{"DATABASE_URL=" + test.url}}).Database()
			if got.Engine != PostgreSQL || got.Variable != "DATABASE_URL" || got.URL.Reveal() != test.want {
				t.Errorf("database %s by %s: %s, want %s", got.Engine, got.Variable, got.URL.Reveal(), test.want)
			}
		})
	}
}

func TestInternalDatabase(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, use, want, wantVariable string }{
		{"not asked for", "false", "postgres://out.example/d?sslmode=require", "DATABASE_URL"},
		{"asked for", "1", "postgres://in.example/d?sslmode=prefer", "INTERNAL_DATABASE_URL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := load(t, Source{Environ: []string{
				"DATABASE_URL=postgres://out.example/d", "INTERNAL_DATABASE_URL=postgres://in.example/d", "USE_INTERNAL_DB=" + test.use,
			}}).Database()
			if got.URL.Reveal() != test.want || got.Variable != test.wantVariable {
				t.Errorf("%s by %s, want %s by %s", got.URL.Reveal(), got.Variable, test.want, test.wantVariable)
			}
		})
	}
}

func TestLocalDatabase(t *testing.T) {
	t.Parallel()
	if got := load(t, Source{Environ: []string{"APP_DATA_DIR=/srv/x"}}).Database().Path; got != filepath.Join("/srv/x", "app.db") {
		t.Errorf("path %q", got)
	}
	if got := load(t, Source{Environ: []string{"LOCAL_DB_PATH=y.db"}}).Database().Path; got != "y.db" {
		t.Errorf("path %q", got)
	}
}

func TestS3Endpoint(t *testing.T) {
	t.Parallel()
	for want, environ := range map[string][]string{
		"https://s3.ap-southeast-1.wasabisys.com": nil,
		"https://s3.eu-central-2.wasabisys.com":   {"WASABI_REGION=eu-central-2"},
		"http://127.0.0.1:7070":                   {"WASABI_REGION=x", "WASABI_ENDPOINT_URL=http://127.0.0.1:7070/"},
	} {
		if got := load(t, Source{Environ: environ}).S3Endpoint(); got != want {
			t.Errorf("S3Endpoint() = %q, want %q", got, want)
		}
	}
}

func TestMetricsListener(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		environ []string
		want    bool
	}{
		{nil, true}, {[]string{"RENDER=1"}, false}, {[]string{"APP_HTTP_METRICS_ADDR=:9090"}, false},
	} {
		if got := load(t, Source{Environ: test.environ}).MetricsOnMainListener(); got != test.want {
			t.Errorf("%v: %v, want %v", test.environ, got, test.want)
		}
	}
}

func TestMailDriver(t *testing.T) {
	t.Parallel()
	sender := "SENDER_EMAIL=a@b.c"
	tests := []struct {
		name    string
		environ []string
		want    string
	}{
		{"local", nil, MailFile},
		{"production", []string{"APP_ENVIRONMENT=production"}, MailNone},
		{"production to files", []string{"APP_ENVIRONMENT=production", "APP_MAIL_DRIVER=file"}, MailFile},
		{"SMTP", []string{"SMTP_URL=smtp://h", sender}, MailSMTP},
		{"Brevo's SMTP", []string{"BREVO_SMTP_LOGIN=l", "BREVO_SMTP_PASSWORD=p", sender}, MailSMTP},
		{"Brevo", []string{"APP_MAIL_BREVO_API_KEY=k", sender}, MailBrevo},
		{"SendGrid", []string{"APP_MAIL_SENDGRID_API_KEY=k", sender}, MailSendGrid},
		{"chosen", []string{"SMTP_URL=smtp://h", "APP_MAIL_SENDGRID_API_KEY=k", "APP_MAIL_DRIVER=sendgrid", sender}, MailSendGrid},
		{"to files all the same", []string{"SMTP_URL=smtp://h", "APP_MAIL_DRIVER=file"}, MailFile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := load(t, Source{Environ: test.environ}).MailDriver(); got != test.want {
				t.Errorf("MailDriver() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestSMTP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    SMTPServer
	}{
		{"plain", []string{"SMTP_URL=smtp://mail.example"}, SMTPServer{Host: "mail.example", Port: 587}},
		{"TLS", []string{"SMTP_URL=smtps://u%40x:p%2Fq@mail.example/"}, SMTPServer{Host: "mail.example", Port: 465, Username: "u@x", Password: NewSecret("p/q"), ImplicitTLS: true}},
		{"port", []string{"SMTP_URL=smtp://u:p@[::1]:2525"}, SMTPServer{Host: "::1", Port: 2525, Username: "u", Password: NewSecret("p")}},
		{"Brevo", []string{"BREVO_SMTP_LOGIN=l", "BREVO_SMTP_PASSWORD=p"}, SMTPServer{Host: "smtp-relay.brevo.com", Port: 587, Username: "l", Password: NewSecret("p")}},
		{
			"Brevo with TLS", []string{"BREVO_SMTP_LOGIN=l", "BREVO_SMTP_PASSWORD=p", "BREVO_SMTP_PORT=465", "BREVO_SMTP_SERVER=h"},
			SMTPServer{Host: "h", Port: 465, Username: "l", Password: NewSecret("p"), ImplicitTLS: true},
		},
		{"both", []string{"BREVO_SMTP_LOGIN=l", "BREVO_SMTP_PASSWORD=p", "SMTP_URL=smtp://h"}, SMTPServer{Host: "h", Port: 587}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := load(t, Source{Environ: append(test.environ, "SENDER_EMAIL=a@b.c")}).SMTP()
			if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() })); diff != "" {
				t.Errorf("SMTP() (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNamesAsGiven holds messages to the name that the operator used, wherever the value came from.
func TestNamesAsGiven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app.yaml": "s3: {region: eu-west-1}\n", "local.env": "# by hand\nWASABI_SECRET_KEY=s3cret\n", "redis": "redis://u:s3cret@localhost\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := load(t, Source{
		Dir: dir, Flags: map[string]string{"s3.bucket": "photos", "config": "app.yaml"},
		Environ: []string{"APP_S3_ACCESS_KEY=key", "REDIS_URL_FILE=redis", "APP_DB_URL=postgres://u:s3cret@localhost/d"},
	})
	for key, want := range map[string]string{
		"s3.bucket": "--s3.bucket", "s3.region": "s3.region (app.yaml)", "s3.access_key": "APP_S3_ACCESS_KEY",
		"s3.secret_key": "WASABI_SECRET_KEY (local.env:2)", "s3.endpoint": "WASABI_ENDPOINT_URL", "redis.url": "REDIS_URL_FILE",
		"http.max_streams": "APP_HTTP_MAX_STREAMS", "no.key": "no.key",
	} {
		if got := c.NameOf(key); got != want {
			t.Errorf("%s is named %s, want %s", key, got, want)
		}
	}
	if got := c.Database().Variable; got != "APP_DB_URL" {
		t.Errorf("the database is named %s", got)
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "s3cret") {
		t.Errorf("it tells a secret: %s", text)
	}
}
