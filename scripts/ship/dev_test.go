//go:build unix

package ship_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDev starts everything as a developer does, looks for the three stores
// behind the program, and ends it with Ctrl-C. Nothing may be left.
func TestDev(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	temporary, file := t.TempDir(), filepath.Join(t.TempDir(), "dev.env")
	if err := os.Chmod(temporary, 0o755); err != nil { // PostgreSQL runs as another user where this is root
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(temporary), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("../dev")
	cmd.Env = append(os.Environ(), "APP_HTTP_ADDR="+addr, "TMPDIR="+temporary, "DEV_ENV="+file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal does
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answer := string(get(t, addr, "/readyz"))
	for _, part := range []string{"database", "bucket", "queue"} {
		if !strings.Contains(answer, part) {
			t.Errorf("/readyz has no %s: %s", part, answer)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "WASABI_BUCKET_NAME", "WASABI_ENDPOINT_URL", "MASTER_KEYS"} {
		if !strings.Contains(string(text), "\nexport "+name+"=") || !isSetting(name) {
			t.Errorf("%s has no %s:\n%s", file, name, text)
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 130 || t.Failed() {
		t.Errorf("scripts/dev ended with %d and said:\n%s", code, out.String())
	}
	left, err := filepath.Glob(filepath.Join(temporary, "lenzeye-dev-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v: %v", left, err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("it left its environment: %v", err)
	}
}
