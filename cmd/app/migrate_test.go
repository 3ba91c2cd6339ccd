package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// operator runs commands on a database without a schema.
type operator struct {
	env  []string
	opts db.Options
}

func newOperator(t *testing.T, engine db.Engine) operator {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	o := operator{env: []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + dir, "APP_STORAGE_MIN_FREE=0", "APP_DB_AUTO_MIGRATE=false"}}
	if engine == db.EnginePostgres {
		o.opts.URL = testenv.Postgres(t)
		o.env = append(o.env, "DATABASE_URL="+o.opts.URL)
	} else {
		o.opts.Path = filepath.Join(dir, "app.db")
	}
	return o
}

func eachOperator(t *testing.T, fn func(t *testing.T, o operator)) {
	t.Helper()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			fn(t, newOperator(t, engine))
		})
	}
}

// does runs a command that must end with a code, and gives all it said.
func (o operator) does(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, stdout, stderr := call(t, o.env, args...)
	if code != want {
		t.Fatalf("app %v: exit %d, want %d\n%s%s", args, code, want, stdout, stderr)
	}
	return stdout + stderr
}

func (o operator) version(t *testing.T) (v schemaVersion) {
	t.Helper()
	code, out, stderr := call(t, o.env, "migrate", "version", "--json")
	if err := json.Unmarshal([]byte(out), &v); code != exitOK || err != nil {
		t.Fatalf("version: exit %d, %v\n%s%s", code, err, out, stderr)
	}
	return v
}

// executes runs a statement behind the program's back.
func (o operator) executes(t *testing.T, statement string) {
	t.Helper()
	d, err := db.Open(t.Context(), o.opts)
	if err != nil {
		t.Fatal(err)
	}
	err = d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func says(t *testing.T, said string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in:\n%s", want, said)
		}
	}
}

func TestMigrateThereAndBack(t *testing.T) {
	t.Parallel()
	eachOperator(t, func(t *testing.T, o operator) {
		before := o.version(t)
		if before.Version != 0 || before.Latest == 0 || before.Dirty || len(before.Pending) == 0 || before.Pending[0] != "000001_init" {
			t.Errorf("before: %+v", before)
		}
		says(t, o.does(t, exitUser, "seed"), "run app migrate up")
		says(t, o.does(t, exitOK, "migrate", "up"), "which is at version 0", "000001_init.up", fmt.Sprintf("at version %d.", before.Latest))
		if diff := cmp.Diff(schemaVersion{Version: before.Latest, Latest: before.Latest, Pending: []string{}}, o.version(t)); diff != "" {
			t.Error(diff)
		}
		o.does(t, exitOK, "seed")
		says(t, o.does(t, exitOK, "migrate", "up"), "no change")
		says(t, o.does(t, exitOK, "migrate", "goto", fmt.Sprint(before.Latest)), "no change")
		says(t, o.does(t, exitUser, "migrate", "down", "--all"), "--yes")
		says(t, o.does(t, exitOK, "migrate", "down", "--all", "--yes"), "000001_init.down", "at version 0.")
		o.does(t, exitOK, "migrate", "up", "1")
		says(t, o.does(t, exitOK, "migrate", "down", "1"), "at version 0.")
		o.does(t, exitOK, "migrate", "up")
		o.does(t, exitOK, "seed")
		says(t, o.does(t, exitUser, "migrate", "drop"), "--yes")
		o.does(t, exitOK, "migrate", "drop", "--yes")
		if diff := cmp.Diff(before, o.version(t)); diff != "" {
			t.Error(diff)
		}
		o.does(t, exitOK, "migrate", "up")
	})
}

// A migration fails, somebody reads what to do, does it, and goes on.
func TestMigrateMendsWhatFailed(t *testing.T) {
	t.Parallel()
	eachOperator(t, func(t *testing.T, o operator) {
		o.does(t, exitOK, "migrate", "version") // makes the folder
		o.executes(t, "CREATE TABLE parts (id TEXT)")
		says(t, o.does(t, exitOurs, "migrate", "up"),
			"migrate 000001_init.up", "already exists", "dirty", "app migrate force 0", "app migrate force 1")
		says(t, o.does(t, exitOK, "migrate", "version"), "1 (dirty)", "app migrate force 0")
		if v := o.version(t); !v.Dirty || v.Version != 1 {
			t.Errorf("%+v", v)
		}
		for _, args := range [][]string{{"migrate", "up"}, {"migrate", "down", "1"}, {"migrate", "goto", "1"},
			{"migrate", "down", "--all", "--yes"}, {"seed"}, {"seed", "--db.auto-migrate"}} {
			says(t, o.does(t, exitUser, args...), "app migrate force 0")
		}
		o.executes(t, "DROP TABLE parts")
		o.does(t, exitOK, "migrate", "force", "0")
		o.does(t, exitOK, "migrate", "up")
		o.does(t, exitOK, "seed")
	})
}

// A process may be killed after the last statement and before the version is
// written down: then all of it is there.
func TestMigrateMendsWhatWasKilledAtItsEnd(t *testing.T) {
	t.Parallel()
	eachOperator(t, func(t *testing.T, o operator) {
		o.does(t, exitOK, "migrate", "up")
		o.executes(t, "UPDATE schema_migrations SET dirty = TRUE")
		latest := o.version(t).Latest
		says(t, o.does(t, exitUser, "migrate", "up"), fmt.Sprintf("app migrate force %d", latest))
		o.does(t, exitOK, "migrate", "force", fmt.Sprint(latest))
		says(t, o.does(t, exitOK, "migrate", "up"), "no change")
		o.does(t, exitOK, "seed")
	})
}

// The release before this one meets a database that is ahead.
func TestMigrateLeavesAheadAlone(t *testing.T) {
	t.Parallel()
	eachOperator(t, func(t *testing.T, o operator) {
		o.does(t, exitOK, "migrate", "up")
		o.executes(t, "UPDATE schema_migrations SET version = 4711")
		says(t, o.does(t, exitOK, "migrate", "up"), "no change")
		says(t, o.does(t, exitOK, "migrate", "version"), "4711", "ahead")
		says(t, o.does(t, exitUser, "migrate", "down", "1"), "4711", "another release")
		o.does(t, exitOK, "seed")
	})
}

func TestMigrateUpFromManyPlacesAtOnce(t *testing.T) {
	t.Parallel()
	o := newOperator(t, db.EnginePostgres)
	ended := make(chan string)
	for range 4 {
		go func() {
			var out, errs safeBuffer
			code := run(t.Context(), []string{"migrate", "up"}, o.env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
			ended <- fmt.Sprintf("exit %d: %s", code, strings.ReplaceAll(out.String(), "\n", " "))
			if code != exitOK {
				t.Errorf("exit %d: %s", code, errs.String())
			}
		}()
	}
	changed := 0
	for range 4 {
		if said := <-ended; !strings.Contains(said, "no change") {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d of 4 changed something", changed)
	}
}

func TestMigrateNamesTheWrongVariable(t *testing.T) {
	t.Parallel()
	good := testenv.Postgres(t)
	login := strings.Replace(good, "postgres@", testenv.PasswordUser+":wr0ng@", 1)
	for name, env := range map[string][]string{
		"nobody listens":   {"DATABASE_URL=postgres://u:s3cret@127.0.0.1:1/x"},
		"wrong password":   {"DATABASE_URL=" + login},
		"no URL":           {"DATABASE_URL=mysql://u:s3cret@localhost/x"},
		"unknown database": {"DATABASE_URL=" + strings.Replace(good, "/test_", "/nothing_", 1)},
		"internal":         {"USE_INTERNAL_DB=true", "INTERNAL_DATABASE_URL=postgres://u:s3cret@127.0.0.1:1/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := operator{env: append(env, "APP_ENVIRONMENT=local", "APP_DB_CONNECT_TIMEOUT=5s", "APP_DATA_DIR="+t.TempDir())}
			variable, _, _ := strings.Cut(env[len(env)-1], "=")
			for _, args := range [][]string{{"migrate", "up"}, {"migrate", "version"}} {
				said := o.does(t, exitUser, args...)
				says(t, said, variable)
				if strings.Contains(said, "s3cret") || strings.Contains(said, "wr0ng") {
					t.Errorf("it tells the password: %s", said)
				}
			}
		})
	}
}

func TestMigrateThatIsInterruptedExits130(t *testing.T) {
	t.Parallel()
	o := newOperator(t, db.EngineSQLite)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs safeBuffer
	code := run(ctx, []string{"migrate", "up"}, o.env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	if code != exitInterrupted || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("exit %d: %s%s", code, out.String(), errs.String())
	}
	if v := o.version(t); v.Version != 0 || v.Dirty {
		t.Errorf("%+v", v)
	}
}
