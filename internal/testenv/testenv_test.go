package testenv_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

func TestEachEngineGivesEmptyMigratedDatabases(t *testing.T) {
	t.Parallel()
	testenv.EachEngine(t, func(t *testing.T, open func(t testing.TB) *db.DB) {
		for range 2 {
			d := open(t)
			s, err := d.Schema(t.Context())
			if err != nil || s.Version != s.Latest || s.Latest == 0 || s.Dirty {
				t.Fatalf("schema %+v, %v", s, err)
			}
			err = d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO chores (name) VALUES ($1)", "only one")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPostgresKeepsCommitsAndSortsAsRealOnesDo(t *testing.T) {
	t.Parallel()
	pg, err := sql.Open("pgx", testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	var commit, first string
	if err := pg.QueryRow("SHOW synchronous_commit").Scan(&commit); err != nil || commit != "on" {
		t.Fatalf("synchronous_commit %q, %v", commit, err)
	}
	if err := pg.QueryRow("SELECT x FROM (VALUES ('B'), ('a')) v (x) ORDER BY x").Scan(&first); err != nil || first != "a" {
		t.Fatalf("first in order %q, %v: not an ICU locale", first, err)
	}
}

func TestS3GivesBucketsOfTheirOwn(t *testing.T) {
	t.Parallel()
	a, b := testenv.S3(t), testenv.S3(t)
	if a.Bucket == b.Bucket || a.Endpoint != b.Endpoint {
		t.Fatalf("%s and %s", a.Bucket, b.Bucket)
	}
	res, err := http.Get(a.Endpoint + "/" + a.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a request without a signature: %s", res.Status)
	}
}

func TestRedisGivesDatabasesOfTheirOwn(t *testing.T) {
	t.Parallel()
	a, b := testenv.Redis(t), testenv.Redis(t)
	if a == b {
		t.Fatalf("both are %s", a)
	}
	u, err := url.Parse(a)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(answer, "-NOAUTH") {
		t.Errorf("without the password: %q, %v", answer, err)
	}
}

func TestChromiumRuns(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(testenv.Chromium(t), "--version").Output()
	if err != nil || !strings.Contains(string(out), "Chrom") {
		t.Fatalf("%q, %v", out, err)
	}
}

// TestServersEndWithTheTestProcess kills a test process that started all of them.
func TestServersEndWithTheTestProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv("TESTENV_CHILD") != "" {
		testenv.Postgres(t)
		fmt.Println("started", testenv.Redis(t), testenv.S3(t).Endpoint)
		select {} // until it is killed
	}
	tmp := t.TempDir()
	if err := os.Chmod(tmp, 0o777|os.ModeSticky); err != nil { // as /tmp is
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(tmp), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServersEndWithTheTestProcess$")
	cmd.Env = append(os.Environ(), "TESTENV_CHILD=1", "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "started redis://") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := filepath.Glob(filepath.Join(tmp, "lenzeye-test-*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("left behind: %v", left)
		case <-tick.C:
		}
	}
	addr := strings.TrimPrefix(strings.Fields(line)[2], "http://")
	if conn, err := net.Dial("tcp", addr); err == nil {
		t.Errorf("something still listens on %s", addr)
		conn.Close()
	}
}
