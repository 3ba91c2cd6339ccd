package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// A server finds what waits and hands it to the configured mail server. It is a
// process of its own, which is told of the test's certificate.
func TestServeSendsBySMTP(t *testing.T) {
	t.Parallel()
	server := testenv.NewSMTP(t)
	for name, address := range map[string]string{"smtp": server.STARTTLS, "smtps": server.TLS} {
		dir := t.TempDir()
		way := url.URL{Scheme: name, User: url.UserPassword(testenv.SMTPUsername, testenv.SMTPPassword), Host: address}
		env := []string{
			"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + filepath.Join(dir, "data"), "APP_STORAGE_MIN_FREE=0",
			"SMTP_URL=" + way.String(), "SENDER_EMAIL=Studio Anna <anna@studio.example>",
		}
		if code, _, stderr := call(t, env, "seed"); code != exitOK {
			t.Fatalf("seed: exit %d, %s", code, stderr)
		}
		before := len(server.Mails())
		cmd := exec.CommandContext(t.Context(), "app", "serve", "--http.addr", "127.0.0.1:0", "--sweep.every", "1s")
		cmd.Dir, cmd.Env = dir, append(env, "SSL_CERT_FILE="+server.CertFile, "PATH="+os.Getenv("PATH"))
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		arrived := arrive(server, before+2)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || !arrived {
			t.Fatalf("%s: %d messages arrived, want 2, and serve ended with %v:\n%s", name, len(server.Mails())-before, err, said.String())
		}
		var to []string
		for _, m := range server.Mails()[before:] {
			to = append(to, m.To)
			if m.From != "anna@studio.example" || m.User != testenv.SMTPUsername {
				t.Errorf("from %s by %s", m.From, m.User)
			}
		}
		if slices.Sort(to); !slices.Equal(to, []string{"anna@example.com", "studio@example.com"}) {
			t.Errorf("to %v", to)
		}
	}
}

// arrive waits for so many messages.
func arrive(server *testenv.SMTP, n int) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for len(server.Mails()) < n {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}

// Of the sweeps of any number of processes one in a period hints at mail: those
// that follow within three quarters of it leave it at that, since periods vary
// by a tenth.
func TestMailIsSweptOnceAPeriod(t *testing.T) {
	t.Parallel()
	o, _ := seededFolder(t, "anna@example.com") // whose messages wait
	o.env = append(o.env, "APP_SWEEP_EVERY=1h")
	first, second := o.opensAs(t, role{works: true}), o.opensAs(t, role{works: true})
	last := func() (at int64) {
		t.Helper()
		if err := first.db.QueryRowContext(t.Context(), `SELECT last_run_at FROM chores WHERE name = 'mail.sweep'`).Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	sweep := func(p *parts) {
		t.Helper()
		if err := p.sweepMail(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep(first)
	for _, tc := range []struct {
		ago time.Duration
		due bool
	}{{0, false}, {44 * time.Minute, false}, {46 * time.Minute, true}} {
		ran := last() - tc.ago.Microseconds()
		o.executes(t, fmt.Sprintf(`UPDATE chores SET last_run_at = %d WHERE name = 'mail.sweep'`, ran))
		for _, p := range []*parts{second, first} {
			sweep(p)
		}
		if swept := last() != ran; swept != tc.due {
			t.Errorf("%v after a sweep another: %v, want %v", tc.ago, swept, tc.due)
		}
	}
}
