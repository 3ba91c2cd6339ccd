package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestPageOfRender does what docs/deploy-render.md says an operator does on a
// machine of their own: render.env from its example, the bucket's check, the first
// studio. Nothing but the blanks is filled in.
func TestPageOfRender(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/deploy-render.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := blocks(string(page), "sh")
	if len(shown) != 2 {
		t.Fatalf("the page shows %d blocks", len(shown))
	}
	dir := t.TempDir()
	making := strings.NewReplacer("configs/render.env.example", absolute(t, "../../configs/render.env.example")).Replace(shown[0])
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", making)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", making, err, out)
	}
	b := testenv.S3(t)
	file := filepath.Join(dir, "render.env")
	fill(t, file, map[string]string{
		"MASTER_KEYS": "1:" + strings.Repeat("ab", 32), "WASABI_BUCKET_NAME": b.Bucket, "WASABI_REGION": b.Region,
		"WASABI_ACCESS_KEY": b.AccessKey, "WASABI_SECRET_KEY": b.SecretKey,
	})
	// The page's bucket is at Wasabi; the test's server has an address of its own.
	add(t, file, "WASABI_ENDPOINT_URL="+b.Endpoint)
	env := []string{"APP_ENVIRONMENT=production"}
	inFolder(t, dir, env, "s3-check", "--stall", "1s", "--size", "64KiB")

	database := testenv.Database(t, db.EnginePostgres).URL
	migrated := append(env, "DATABASE_URL="+database)
	inFolder(t, dir, migrated, "migrate", "up") // which is what Render does
	add(t, file, regexp.MustCompile(`(?m)^DATABASE_URL=.*$`).ReplaceAllString(shown[1], "DATABASE_URL="+database))
	said := inFolder(t, dir, env, "account", "create", "anna@example.com", "--name", "Anna's Studio", "--quota", "500GiB", "--token", "laptop")
	if !strings.Contains(said, "lza_") {
		t.Errorf("no token is printed: %s", said)
	}
	if !strings.Contains(inFolder(t, dir, env, "account", "signin", "anna@example.com"), "https://lenzeye-xxxx.onrender.com/") {
		t.Error("links do not begin with the service's address")
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// fill replaces the values of names that a file of settings has.
func fill(t *testing.T, file string, values map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range values {
		line := regexp.MustCompile(`(?m)^` + name + `=.*$`)
		if !line.Match(text) {
			t.Errorf("%s has no %s to fill in", file, name)
		}
		text = line.ReplaceAll(text, []byte(name+"="+value))
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, file, lines string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\n" + lines + "\n"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// inFolder runs a command in a folder, which must end well, and gives what it
// printed.
func inFolder(t *testing.T, dir string, env []string, words ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "app", words...)
	cmd.Dir, cmd.Env = dir, append(env, "PATH="+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("app %s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// A journal keeps what is printed: where systemd starts it, serve makes no studio
// and prints no token.
func TestJournalGetsNoToken(t *testing.T) {
	t.Parallel()
	env := []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "APP_STORAGE_MIN_FREE=0", "JOURNAL_STREAM=8:4711"}
	out := &safeBuffer{}
	p := begin(t, env, io.Writer(out), "serve", "--http.addr", "127.0.0.1:0")
	hears(t, p.log, `listening`)
	p.end(t)
	if _, list, _ := call(t, env, "account", "list", "--json"); strings.Contains(list, "@") {
		t.Errorf("it made a studio: %s", list)
	}
	if strings.Contains(out.String()+p.log.String(), "lza_") {
		t.Errorf("it printed a token: %s", out)
	}
}
