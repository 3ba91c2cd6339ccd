package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"app.yaml": "log: {level: loud, levle: info}\nhttp: {max_streams: many}\ns3: {access_key: 0123}\nrender: {detected: true}\nnonsense: 1\n",
		"render.env": "APP_SWEEP_EVRY=1m\nno assignment here, secret\nAPP_SWEEP_EVERY=1x\nAPP_ENVIRONMENT=local\nAPP_CONFIG=x.yaml\n" +
			"UNKNOWN_BUT_NOT_OURS=1\n",
	}
	found := problems(t, Source{
		Dir: folder(t, files),
		Environ: []string{
			"RENDER=1", "APP_CONFIG=app.yaml", "APP_HTTP_ADDR=8080", "APP_DATABASE_URL=postgres://secret", "APP_HTTP_ADDR_FILE=x",
			"APP_RENDER_GIT_COMMIT=x", "DATABASE_URL=mysql://user:secret@h/d", "MASTER_KEY=secret1", "MASTER_KEYS=secret2",
			"MASTER_KEYS_FILE=x", "HOME=/root",
		},
		Flags: map[string]string{"http.max-conn": "1", "http.idle-timeout": "5"},
		Needs: []Need{NeedMasterKey, NeedDatabase, NeedBucket},
	})
	type brief struct{ Name, Origin, Value, Suggest string }
	var got []brief
	for _, p := range found {
		got = append(got, brief{p.Name, p.Origin, p.Value, p.Suggest})
	}
	want := []brief{
		{"log.levle", "app.yaml", "", "log.level"},
		{"nonsense", "app.yaml", "", ""},
		{"render.detected", "app.yaml", "", ""},
		{"render.env:2", "", "", ""},
		{"APP_ENVIRONMENT", "render.env:4", "local", ""},
		{"APP_CONFIG", "render.env:5", "x.yaml", ""},
		{"APP_SWEEP_EVRY", "render.env:1", "", "APP_SWEEP_EVERY"},
		{"MASTER_KEYS", "", "", ""},
		{"APP_DATABASE_URL", "", "", "DATABASE_URL"},
		{"APP_HTTP_ADDR_FILE", "", "", "APP_HTTP_ADDR"},
		{"APP_RENDER_GIT_COMMIT", "", "", ""},
		{"--http.max-conn", "", "", "--http.max-conns"},
		{"log.level", "app.yaml", "loud", ""},
		{"APP_HTTP_ADDR", "", "8080", ""},
		{"http.max_streams", "app.yaml", "many", ""},
		{"--http.idle-timeout", "", "5", ""},
		{"DATABASE_URL", "", "[redacted]", ""},
		{"s3.access_key", "app.yaml", "[redacted]", ""},
		{"APP_SWEEP_EVERY", "render.env:3", "1x", ""},
		{"WASABI_BUCKET_NAME", "", "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	text := found.Error()
	if strings.Contains(text, "secret") {
		t.Errorf("a secret shows in:\n%s", text)
	}
	if lines := strings.Count(text, "\n"); lines != len(want) {
		t.Errorf("%d lines for %d problems:\n%s", lines, len(want), text)
	}
}

func TestProblemSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	tests := []struct{ environ, want string }{
		{"APP_HTTP_MAX_STREAMS=70000", `APP_HTTP_MAX_STREAMS = "70000": it is out of range; allowed: 0 to 65536`},
		{"APP_HTTP_MAX_STREAMS=99999999999999999999", `it is out of range; allowed: 0 to 65536`},
		{"APP_HTTP_MAX_STREAMS=1.5", `it is not a whole number; allowed: 0 to 65536`},
		{"APP_HTTP_MIN_RATE=1K", `APP_HTTP_MIN_RATE = "1K": it is not a size`},
		{"APP_HTTP_MAX_HEADER_BYTES=1MiB", `it is out of range; allowed: 1KiB to 60KiB`},
		{"APP_HTTP_IDLE_TIMEOUT=120", `it is not a duration: give a number with ms, s, m, h or d`},
		{"APP_HTTP_IDLE_TIMEOUT=1ms", `it is out of range; allowed: 100ms to 24h`},
		{"USE_INTERNAL_DB=maybe", `USE_INTERNAL_DB = "maybe": it is neither true nor false; allowed: true, false`},
		{"APP_ENVIRONMENT=prod", `APP_ENVIRONMENT = "prod": it is none of the choices; allowed: production, local`},
		{"PORT=http", `PORT = "http": it is not a number from 0 to 65535`},
		{"APP_HTTP_ADDR=localhost:99999", `the port is not a number from 0 to 65535; allowed: host:port`},
		{"APP_HTTP_PUBLIC_URL=files.example", `APP_HTTP_PUBLIC_URL = "files.example": it does not begin with http:// or https://`},
		{"APP_HTTP_PUBLIC_URL=https://a.example/?x=1", `it has a user, a query or a fragment`},
		{"APP_HTTP_TRUSTED_PROXIES=10.0.0.0/8,proxy", `"proxy": it is neither an address nor a network`},
		{"APP_HTTP_CORS_ORIGINS=https://a.example/", `"https://a.example/": an origin has no path`},
		{"WASABI_ENDPOINT_URL=s3.wasabisys.com", `WASABI_ENDPOINT_URL = "s3.wasabisys.com": it does not begin with http:// or https://`},
		{"WASABI_BUCKET_NAME=My_Bucket", `it is not a bucket's name; allowed: 3 to 63 of a-z 0-9 . -`},
		{"WASABI_REGION=ap southeast", `it is not a region's name`},
		{"DATABASE_URL=host=h dbname=d", `DATABASE_URL = "[redacted]": it does not begin with postgres://`},
		{"DATABASE_URL=postgres://u:p%zz@h/d", `it is not a URL; special characters of the password must be percent-encoded`},
		{"REDIS_URL=http://h", `it does not begin with redis:// or rediss://`},
		{"SMTP_URL=h:25", `it does not begin with smtp:// or smtps://`},
		{"SMTP_URL=smtp://h:0", `the port is not a number from 1 to 65535`},
		{"SENDER_EMAIL=nobody", `SENDER_EMAIL = "nobody": it is not an e-mail address`},
		{"APP_MAIL_SENDGRID_WEBHOOK_KEY=-----BEGIN", `it is not base64; allowed: a public key of ECDSA on P-256, in base64`},
		{"APP_MAIL_SENDGRID_WEBHOOK_KEY=AAAA", `it is not a public key`},
		{"APP_MAIL_SENDGRID_WEBHOOK_KEY=MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE7f/TvossNR82stM8+1z2dZ9wJ2sg78IG1nfSXPyUlIivuTXtQrA/ems26i9Gzfv3bDU/NI7YPenQCEAL859QAw86BO6LcPCga6r36E5LUpb2m812fpnBFEiZu9Og62EE", `it is a public key of another kind`},
		{"APP_WORKER_QUEUES=critical=6,urgent=1", `"urgent=1" is not a queue with a weight`},
		{"APP_WORKER_QUEUES=low=1,low=2", `"low=2" is not a queue with a weight, or there twice`},
		{"APP_WORKER_QUEUES=low=0", `"low=0" is not a queue with a weight`},
		{"APP_CONFIG=missing.yaml", `APP_CONFIG = "missing.yaml": the file cannot be read: no such file or directory`},
		{"APP_DB_URL_FILE=missing", `APP_DB_URL_FILE = "missing": the file cannot be read: no such file or directory`},
		{"MASTER_KEYS_FILE=/dev/null", `MASTER_KEYS_FILE = "/dev/null": the file is empty`},
		{"APP_LOG_LEVEL=" + strings.Repeat("x", 5000), strings.Repeat("x", 200) + "…"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%.40s", test.environ), func(t *testing.T) {
			t.Parallel()
			found := problems(t, Source{Environ: []string{test.environ}})
			if got := found.Error(); !strings.Contains(got, test.want) {
				t.Errorf("%.60s gave\n%s\nwant\n%s", test.environ, got, test.want)
			}
		})
	}
}

func TestYAMLIsReadStrictly(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, yaml, want string }{
		{"not YAML", "a: [", "yaml"},
		{"not a map", "- a\n- b", "yaml"},
		{"a key twice", "log: {level: info}\nlog: {level: warn}", "already defined"},
		{"text where a section is due", "http: yes", "http (app.yaml): there is no such key"},
		{"a section where text is due", "log: {level: {deep: 1}}", "log.level.deep (app.yaml): there is no such key"},
		{"number as text", "s3: {region: 1}", "write it in quotes"},
		{"number as secret", "master_key: 1234567890123456789012345678901234567890123456789012345678901234", "write it in quotes"},
		{"list of numbers", "http: {trusted_proxies: [1]}", "every item of the list must be text"},
		{"list where one is due", "log: {level: [info]}", "write it in quotes"},
		{"bool where a number is due", "http: {max_conns: true}", "write it in quotes"},
		{"fraction", "http: {max_conns: 20.5}", "not a whole number"},
		{"itself", "config: other.yaml", "config (app.yaml): there is no such key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found := problems(t, Source{
				Dir: folder(t, map[string]string{"app.yaml": test.yaml}), Flags: map[string]string{"config": "app.yaml"},
			})
			if got := found.Error(); !strings.Contains(got, test.want) || strings.Contains(got, "1234567") {
				t.Errorf("the file gave\n%s\nwant %q and no secret", got, test.want)
			}
		})
	}
	c := load(t, Source{
		Dir:   folder(t, map[string]string{"app.yaml": "http: {max_conns: 1e3, max_header_bytes: 4096, stream_wait: 0}\ndb: {use_internal: false}\nLOG: {Level: warn}"}),
		Flags: map[string]string{"config": "app.yaml"},
	})
	if c.HTTP.MaxConns != 1000 || c.HTTP.MaxHeaderBytes != 4*KiB || c.HTTP.StreamWait != 0 || c.Log.Level != "warn" {
		t.Errorf("numbers of YAML: %+v", c.HTTP)
	}
}

func TestProductionRefusesWhatIsMissing(t *testing.T) {
	t.Parallel()
	all := []Need{NeedMasterKey, NeedDatabase, NeedBucket, NeedPublicURL}
	full := []string{
		"APP_ENVIRONMENT=production", "MASTER_KEY=k", "DATABASE_URL=postgres://h/d", "WASABI_BUCKET_NAME=bucket", "WASABI_ACCESS_KEY=a", "WASABI_SECRET_KEY=b",
		"APP_HTTP_PUBLIC_URL=https://send.example.com",
	}
	load(t, Source{Environ: full, Needs: all})
	load(t, Source{Environ: append(full[:6:6], "RENDER_EXTERNAL_URL=https://send.onrender.com"), Needs: all})
	load(t, Source{Environ: full[:1]})
	load(t, Source{Needs: all})
	for i, wantName := range []string{"", "MASTER_KEYS", "DATABASE_URL", "WASABI_BUCKET_NAME", "WASABI_ACCESS_KEY", "WASABI_SECRET_KEY", "APP_HTTP_PUBLIC_URL"} {
		if wantName == "" {
			continue
		}
		environ := append(append([]string{}, full[:i]...), full[i+1:]...)
		found := problems(t, Source{Environ: environ, Needs: all})
		if len(found) != 1 || found[0].Name != wantName {
			t.Errorf("without %s: %v, want one problem that names %s", full[i], found, wantName)
		}
	}
	internal := append([]string{"USE_INTERNAL_DB=1", "INTERNAL_DATABASE_URL=postgres://h/d", "DATABASE_URL="}, full[3:]...)
	load(t, Source{Environ: append(internal, full[0], full[1]), Needs: all})
}

func TestSettingsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    []string
	}{
		{"two master keys", []string{"MASTER_KEY=a", "MASTER_KEYS=1:b"}, []string{"MASTER_KEY"}},
		{"internal without URL", []string{"USE_INTERNAL_DB=1", "DATABASE_URL=postgres://h/d"}, []string{"INTERNAL_DATABASE_URL"}},
		{"bucket without keys", []string{"APP_S3_BUCKET=bucket"}, []string{"WASABI_ACCESS_KEY", "WASABI_SECRET_KEY"}},
		{"jitter above its number", []string{"APP_HTTP_MAX_REQUESTS=50", "APP_HTTP_MAX_REQUESTS_JITTER=50"}, []string{"APP_HTTP_MAX_REQUESTS_JITTER"}},
		{"short grace in production", []string{"APP_ENVIRONMENT=production", "APP_SWEEP_GRACE=59m"}, []string{"APP_SWEEP_GRACE"}},
		{"SMTP without server", []string{"APP_MAIL_DRIVER=smtp"}, []string{"SMTP_URL", "SENDER_EMAIL"}},
		{"SMTP without sender", []string{"SMTP_URL=smtp://h"}, []string{"SENDER_EMAIL"}},
		{"Brevo without password", []string{"BREVO_SMTP_LOGIN=l", "SENDER_EMAIL=a@b.c"}, []string{"BREVO_SMTP_PASSWORD"}},
		{"Brevo without key", []string{"APP_MAIL_DRIVER=brevo", "SENDER_EMAIL=a@b.c"}, []string{"APP_MAIL_BREVO_API_KEY"}},
		{"SendGrid without key", []string{"APP_MAIL_DRIVER=sendgrid", "SENDER_EMAIL=a@b.c"}, []string{"APP_MAIL_SENDGRID_API_KEY"}},
		{"a bad one is reported once", []string{"SMTP_URL=smtp://h", "SENDER_EMAIL=x"}, []string{"SENDER_EMAIL"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range problems(t, Source{Environ: test.environ}) {
				got = append(got, p.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
	load(t, Source{Environ: []string{"APP_SWEEP_GRACE=0s", "APP_RETENTION_COMPLETE=1s"}})
}

func TestChecksOfOthers(t *testing.T) {
	t.Parallel()
	var seen []string
	check := func(value string) error {
		seen = append(seen, value)
		return errors.New("entry 1 is not 64 hex digits")
	}
	source := Source{Environ: []string{"MASTER_KEYS=1:zz"}, Checks: map[string]func(string) error{"master_keys": check, "master_key": check}}
	found := problems(t, source)
	want := Problems{{
		Name: "MASTER_KEYS", Value: "[redacted]", Reason: "entry 1 is not 64 hex digits", Allowed: "version:hex, more after commas",
	}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1:zz"}, seen); diff != "" {
		t.Errorf("checked values (-want +got):\n%s", diff)
	}
}

func TestNearestFlag(t *testing.T) {
	t.Parallel()
	for unknown, want := range map[string]string{
		"--http.adr": "http.addr", "http.max_streams": "http.max-streams", "frobnicate-everything": "", strings.Repeat("http.addr", 10_000): "",
	} {
		if got := NearestFlag(unknown); got != want {
			t.Errorf("NearestFlag(%.40q) = %q, want %q", unknown, got, want)
		}
	}
}
