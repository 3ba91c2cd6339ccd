package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	good := testenv.Postgres(t)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]db.Options{
		"unknown database": {URL: with(func(u *url.URL) { u.Path = "/nobody" })},
		"unknown user":     {URL: with(func(u *url.URL) { u.User = url.User("nobody") })},
		"wrong password":   {URL: with(func(u *url.URL) { u.User = url.UserPassword(testenv.PasswordUser, "hush") })},
		"no password":      {URL: with(func(u *url.URL) { u.User = url.User(testenv.PasswordUser) })},
		"TLS demanded":     {URL: with(func(u *url.URL) { u.RawQuery = "sslmode=require" })},
		"bad sslmode":      {URL: with(func(u *url.URL) { u.RawQuery = "sslmode=perhaps" })},
		"no database":      {URL: with(func(u *url.URL) { u.Path = "" })},
		"another scheme":   {URL: "mysql://root:hush@localhost/x"},
		"unreadable URL":   {URL: "postgres://root:hush@local host:x/x"},
		"bad port":         {URL: "postgres://root:hush@localhost:port/x"},
		"nothing":          {},
		"a directory":      {Path: dir},
		"under a file":     {Path: filepath.Join(text, "app.db")},
		"no SQLite file":   {Path: text},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := db.Open(t.Context(), opts)
			if err == nil {
				d.Close()
			}
			if !errors.Is(err, db.ErrRefused) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
	d := testenv.Open(t, db.Options{URL: with(func(u *url.URL) { u.User = url.UserPassword(testenv.PasswordUser, testenv.Password) })})
	if err := d.Ping(t.Context()); err != nil {
		t.Errorf("with the right password: %v", err)
	}
}

func TestIsUnique(t *testing.T) {
	t.Parallel()
	testenv.EachEngine(t, func(t *testing.T, open func(t testing.TB) *db.DB) {
		d := open(t)
		run(t, d, "CREATE TABLE u (id TEXT PRIMARY KEY, k TEXT UNIQUE, n BIGINT NOT NULL)")
		run(t, d, "INSERT INTO u (id, k, n) VALUES ('a', 'a', 1)")
		for query, want := range map[string]bool{
			"INSERT INTO u (id, k, n) VALUES ('a', 'b', 1)":    true,
			"INSERT INTO u (id, k, n) VALUES ('b', 'a', 1)":    true,
			"INSERT INTO u (id, k, n) VALUES ('c', 'c', NULL)": false,
		} {
			err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, query)
				if db.IsUnique(err) != want {
					t.Errorf("inside: %s: %v", query, err)
				}
				return fmt.Errorf("insert: %w", err)
			})
			if db.IsUnique(err) != want || err == nil {
				t.Errorf("%s: %v", query, err)
			}
		}
	})
	if db.IsUnique(nil) || db.IsUnique(sql.ErrNoRows) {
		t.Error("an error that is none, or another")
	}
}

func TestNoRowsStaysItself(t *testing.T) {
	t.Parallel()
	testenv.EachEngine(t, func(t *testing.T, open func(t testing.TB) *db.DB) {
		var name string
		err := open(t).QueryRowContext(t.Context(), "SELECT name FROM chores WHERE name = $1", "none").Scan(&name)
		if err != sql.ErrNoRows {
			t.Errorf("%v", err)
		}
	})
}

func TestFullSQLiteFile(t *testing.T) {
	t.Parallel()
	d := testenv.Open(t, testenv.Database(t, db.EngineSQLite))
	err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "PRAGMA max_page_count = 1"); err != nil { // rises to what there is
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO chores (name, cursor) VALUES ('big', $1)", strings.Repeat("x", 1<<20))
		return err
	})
	if !errors.Is(err, db.ErrFull) {
		t.Errorf("%v", err)
	}
	if err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM chores WHERE name = 'big'")
		return err
	}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSQLiteFilesAreThePrivateKind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // modes are not its way of access control
	}
	path := filepath.Join(t.TempDir(), "new", "a b?#%20&c.db")
	d := testenv.Open(t, db.Options{Path: path})
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
}

func TestCheckDurability(t *testing.T) {
	t.Parallel()
	testenv.EachEngine(t, func(t *testing.T, open func(t testing.TB) *db.DB) {
		d := open(t)
		var want error
		if d.Engine() == db.EnginePostgres {
			want = db.ErrNoFlush // the tests' server has fsync off, which a session cannot turn on
		}
		if err := d.CheckDurability(t.Context()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	})
	for setting, want := range map[string]error{"off": db.ErrNotDurable, "local": db.ErrNoFlush} {
		opts := testenv.Database(t, db.EnginePostgres)
		opts.URL += "&synchronous_commit=" + setting
		if err := testenv.Open(t, opts).CheckDurability(t.Context()); !errors.Is(err, want) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
