package testenv

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver of the administrator's handle
)

// The servers of this test binary, started by the first test that asks.
var postgresServer = sync.OnceValues(startPostgres)

// PasswordUser is the PostgreSQL login that needs its password; every other one
// is trusted.
const (
	PasswordUser = "with_password"
	Password     = "right"
)

type postgres struct {
	*server
	port  int
	admin *sql.DB
	up    sync.RWMutex // held for writing while the server restarts
}

// Postgres returns the URL of an empty database of its own, on a server with an
// ICU locale that flushes commits as a real one does, but not to the disk. The
// user may do everything. The database is dropped with the test.
func Postgres(t testing.TB) (dsn string) {
	t.Helper()
	return newPostgres(t, "template0")
}

func newPostgres(t testing.TB, template string) (dsn string) {
	t.Helper()
	pg, err := postgresServer()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + secret()
	if err := pg.administer(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		// The context of the test is over by now.
		if err := pg.administer(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return pg.url(name)
}

// administer waits for a restart that another test asked for.
func (p *postgres) administer(ctx context.Context, statement string) error {
	p.up.RLock()
	defer p.up.RUnlock()
	_, err := p.admin.ExecContext(ctx, statement)
	return err
}

func (p *postgres) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

func startPostgres() (*postgres, error) {
	bin, err := postgresFolder()
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := newFolder(owner)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := initPostgres(owner, bin, dir, data); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	// fsync may be off, since nothing here outlives the machine: a killed server
	// keeps what the system took. synchronous_commit off would lose commits.
	s, err := start(owner, dir, "QUIT", nil, filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-k", "",
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB",
		"-c", "max_connections=400", "-c", "wal_level=minimal", "-c", "max_wal_senders=0")
	if err != nil {
		return nil, err
	}
	pg := &postgres{server: s, port: port}
	pg.admin, err = sql.Open("pgx", pg.url("postgres"))
	if err != nil {
		return nil, err
	}
	pg.admin.SetMaxOpenConns(4)
	return pg, s.untilReady(func(ctx context.Context) error { return pg.prepare(ctx, data) })
}

// prepare makes sure that the server at the port is this one.
func (p *postgres) prepare(ctx context.Context, data string) error {
	var got string
	if err := p.admin.QueryRowContext(ctx, "SHOW data_directory").Scan(&got); err != nil {
		return err
	}
	if got != data {
		return fmt.Errorf("the port belongs to the server of %s", got)
	}
	_, err := p.admin.ExecContext(ctx, "CREATE ROLE "+PasswordUser+" LOGIN PASSWORD '"+Password+"'")
	return err
}

func initPostgres(owner account, bin, dir, data string) error {
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync",
		"-E", "UTF8", "--locale-provider=icu", "--icu-locale=en-US", "--locale=C")
	cmd.Dir = dir
	cmd.SysProcAttr = owner.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	logins := "host all " + PasswordUser + " 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
	return os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(logins), 0o644)
}

// postgresFolder finds initdb, which Debian keeps off the PATH.
func postgresFolder() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	return "", errors.New("PostgreSQL is not installed: apt-get install -y --no-install-recommends postgresql")
}
