package testenv_test

import (
	"database/sql"
	"os"
	"os/exec"
	"testing"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestRestartPostgresKeepsCommits restarts the server of a test process of its
// own, since every other test of that process would feel it.
func TestRestartPostgresKeepsCommits(t *testing.T) {
	t.Parallel()
	if os.Getenv("TESTENV_RESTART") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRestartPostgresKeepsCommits$", "-test.v")
		cmd.Env = append(os.Environ(), "TESTENV_RESTART=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	db, err := sql.Open("pgx", testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE kept (n BIGINT)"); err != nil {
		t.Fatal(err)
	}
	for n, how := range []testenv.Ending{testenv.EndFast, testenv.EndCrash} {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO kept VALUES ($1)", n); err != nil {
			t.Fatal(err)
		}
		if err := testenv.RestartPostgres(t.Context(), how); err != nil {
			t.Fatal(err)
		}
		if err := conn.PingContext(t.Context()); err == nil {
			t.Errorf("a connection lived through %s", how)
		}
		_ = conn.Close() // it is broken
		var rows int
		if err := db.QueryRow("SELECT COUNT(*) FROM kept").Scan(&rows); err != nil || rows != n+1 {
			t.Errorf("after %s %d rows, %v, want %d", how, rows, err, n+1)
		}
	}
}
