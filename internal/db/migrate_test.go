package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// empty opens a database without a schema.
func empty(t testing.TB, engine db.Engine) *db.DB {
	t.Helper()
	return testenv.Open(t, emptyOptions(t, engine))
}

func emptyOptions(t testing.TB, engine db.Engine) db.Options {
	t.Helper()
	if engine == db.EnginePostgres {
		return db.Options{URL: testenv.Postgres(t)}
	}
	return db.Options{Path: filepath.Join(t.TempDir(), "app.db")}
}

func eachEmpty(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			fn(t, empty(t, engine))
		})
	}
}

// files makes migrations 1, 2, … from pairs of up and down.
func files(pairs ...[2]string) fstest.MapFS {
	out := make(fstest.MapFS)
	for i, pair := range pairs {
		name := fmt.Sprintf("%06d_step", i+1)
		out[name+".up.sql"] = &fstest.MapFile{Data: []byte(pair[0])}
		out[name+".down.sql"] = &fstest.MapFile{Data: []byte(pair[1])}
	}
	return out
}

var three = [][2]string{
	{"CREATE TABLE t1 (id TEXT PRIMARY KEY)", "DROP TABLE t1"},
	{"CREATE TABLE t2 (id TEXT PRIMARY KEY, t1 TEXT REFERENCES t1 (id)); CREATE INDEX t2_t1 ON t2 (t1)", "DROP TABLE t2"},
	{"ALTER TABLE t2 ADD COLUMN n BIGINT NOT NULL DEFAULT 0", "ALTER TABLE t2 DROP COLUMN n"},
}

func schema(t testing.TB, d *db.DB) db.Schema {
	t.Helper()
	s, err := d.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// up, down and goTo plan and run as a command does, under one lock.
func up(ctx context.Context, m *db.Migrator, steps int) error {
	plan, err := m.PlanUp(ctx, steps)
	return errors.Join(err, m.Run(ctx, plan))
}

func down(ctx context.Context, m *db.Migrator, steps int) error {
	plan, err := m.PlanDown(ctx, steps)
	return errors.Join(err, m.Run(ctx, plan))
}

func goTo(ctx context.Context, m *db.Migrator, version uint) error {
	plan, err := m.PlanGoto(ctx, version)
	return errors.Join(err, m.Run(ctx, plan))
}

func with(t testing.TB, d *db.DB, fn func(m *db.Migrator) error) error {
	t.Helper()
	m, err := d.Migrator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return errors.Join(fn(m), m.Close())
}

// shape lists tables, columns and indexes.
func shape(t testing.TB, d *db.DB) []string {
	t.Helper()
	query := "SELECT COALESCE(sql, name) FROM sqlite_master ORDER BY 1"
	if d.Engine() == db.EnginePostgres {
		query = `SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '')
			FROM information_schema.columns WHERE table_schema = current_schema()
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1`
	}
	rows, err := d.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProductMigrationsGoUpDownAndUp(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		before := schema(t, d)
		if before.Version != 0 || before.Latest == 0 || before.Dirty {
			t.Fatalf("before: %+v", before)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := shape(t, d)
		if s := schema(t, d); s.Version != s.Latest || len(first) < 20 {
			t.Fatalf("up: %+v, %d parts", s, len(first))
		}
		if err := with(t, d, func(m *db.Migrator) error { return goTo(t.Context(), m, 0) }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, schema(t, d)); diff != "" {
			t.Error(diff)
		}
		for _, line := range shape(t, d) {
			if !strings.Contains(line, "schema_migrations") && line != "version_unique" {
				t.Errorf("down leaves %s", line)
			}
		}
		for range 2 { // the second changes nothing
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(first, shape(t, d)); diff != "" {
			t.Errorf("up again: %s", diff)
		}
	})
}

func TestMigratorSteps(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		d.UseMigrations(files(three...))
		ctx := t.Context()
		for i, step := range []struct {
			run  func(m *db.Migrator) error
			want uint
			ok   bool
		}{
			{func(m *db.Migrator) error { return goTo(ctx, m, 2) }, 2, true},
			{func(m *db.Migrator) error { return up(ctx, m, 0) }, 3, true},
			{func(m *db.Migrator) error { return up(ctx, m, 0) }, 3, true},
			{func(m *db.Migrator) error { return up(ctx, m, 1) }, 3, true},
			{func(m *db.Migrator) error { return down(ctx, m, 2) }, 1, true},
			{func(m *db.Migrator) error { return down(ctx, m, 2) }, 1, false},
			{func(m *db.Migrator) error { return down(ctx, m, -1) }, 1, false},
			{func(m *db.Migrator) error { return up(ctx, m, 3) }, 1, false},
			{func(m *db.Migrator) error { return up(ctx, m, 1) }, 2, true},
			{func(m *db.Migrator) error { return down(ctx, m, 1) }, 1, true},
			{func(m *db.Migrator) error { return m.Force(ctx, 9) }, 1, false},
			{func(m *db.Migrator) error { return goTo(ctx, m, 9) }, 1, false},
			{func(m *db.Migrator) error { return goTo(ctx, m, 0) }, 0, true},
			{func(m *db.Migrator) error { return goTo(ctx, m, 0) }, 0, true},
			{func(m *db.Migrator) error { return down(ctx, m, 1) }, 0, true},
			{func(m *db.Migrator) error { return up(ctx, m, 0) }, 3, true},
			{func(m *db.Migrator) error { return down(ctx, m, 0) }, 0, true},
			{func(m *db.Migrator) error { return up(ctx, m, 3) }, 3, true},
			{func(m *db.Migrator) error { return m.Force(ctx, 1) }, 1, true},
			{func(m *db.Migrator) error { return m.Force(ctx, 0) }, 0, true},
			{func(m *db.Migrator) error { return m.Drop(ctx) }, 0, true},
			{func(m *db.Migrator) error { return up(ctx, m, 0) }, 3, true},
		} {
			err := with(t, d, step.run)
			if s := schema(t, d); (err == nil) != step.ok || s.Version != step.want || s.Dirty {
				t.Fatalf("step %d: %+v, %v", i, s, err)
			}
		}
		run(t, d, "INSERT INTO t1 (id) VALUES ('x')")
		run(t, d, "INSERT INTO t2 (id, t1, n) VALUES ('y', 'x', 1)")
		if err := with(t, d, func(m *db.Migrator) error { return m.Drop(ctx) }); err != nil {
			t.Fatalf("drop with rows: %v", err)
		}
		if left := shape(t, d); left != nil {
			t.Errorf("drop leaves %v", left)
		}
	})
}

func TestDatabaseThatIsAheadStays(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		d.UseMigrations(files(three...))
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.UseMigrations(files(three[:1]...))
		if err := d.Migrate(t.Context()); err != nil {
			t.Errorf("migrate: %v", err)
		}
		if err := with(t, d, func(m *db.Migrator) error { return up(t.Context(), m, 0) }); err != nil {
			t.Errorf("up: %v", err)
		}
		if diff := cmp.Diff(db.Schema{Version: 3, Latest: 1}, schema(t, d)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFailedMigrationIsDirtyUntilForced(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		broken := [][2]string{three[0], {"CREATE TABLE t2 (id TEXT PRIMARY KEY); INSERT INTO t1 (id) VALUES ('a'), ('a')", "DROP TABLE t2"}}
		d.UseMigrations(files(broken...))
		err := d.Migrate(t.Context())
		if err == nil || errors.Is(err, db.ErrDirty) || !db.IsUnique(err) {
			t.Errorf("first: %v", err)
		}
		if diff := cmp.Diff(db.Schema{Version: 2, Latest: 2, Dirty: true}, schema(t, d)); diff != "" {
			t.Error(diff)
		}
		for name, run := range map[string]func() error{
			"migrate": func() error { return d.Migrate(t.Context()) },
			"up":      func() error { return with(t, d, func(m *db.Migrator) error { return up(t.Context(), m, 0) }) },
			"down":    func() error { return with(t, d, func(m *db.Migrator) error { return down(t.Context(), m, 1) }) },
		} {
			if err := run(); !errors.Is(err, db.ErrDirty) || !strings.Contains(err.Error(), "version 2") {
				t.Errorf("%s of a dirty database: %v", name, err)
			}
		}
		d.UseMigrations(files(three...))
		if err := with(t, d, func(m *db.Migrator) error {
			return errors.Join(m.Force(t.Context(), 1), up(t.Context(), m, 0))
		}); err != nil {
			t.Errorf("mended: %v", err) // the failed file left nothing behind
		}
		if s := schema(t, d); s.Version != 3 || s.Dirty {
			t.Errorf("%+v", s)
		}
	})
}

// A table is rebuilt without checks; rows that point nowhere are found after.
func TestRebuiltSQLiteTableIsChecked(t *testing.T) {
	t.Parallel()
	d := empty(t, db.EngineSQLite)
	d.UseMigrations(files(three...))
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, d, "INSERT INTO t1 (id) VALUES ('x')")
	run(t, d, "INSERT INTO t2 (id, t1) VALUES ('y', 'x')")
	rebuild := "CREATE TABLE t1_new (id TEXT PRIMARY KEY, n BIGINT); INSERT INTO t1_new (id) SELECT id FROM t1; DROP TABLE t1; ALTER TABLE t1_new RENAME TO t1"
	d.UseMigrations(files(append(three, [2]string{rebuild, ""}, [2]string{"DELETE FROM t1", ""})...))
	if err := with(t, d, func(m *db.Migrator) error { return goTo(t.Context(), m, 4) }); err != nil {
		t.Errorf("rebuild: %v", err)
	}
	if err := d.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "t2 points at a row of t1") {
		t.Errorf("a delete that leaves rows behind: %v", err)
	}
}

func TestProcessesMigrateOneSQLiteFileAtOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		path := filepath.Join(t.TempDir(), "app.db")
		var others []*process
		for range 4 {
			others = append(others, begin(t, "migrate", path))
		}
		for _, p := range others {
			if line := p.line(t); line != "ok" {
				t.Errorf("one says %q", line)
			}
		}
		if s := schema(t, testenv.Open(t, db.Options{Path: path})); s.Version != s.Latest || s.Dirty {
			t.Errorf("%+v", s)
		}
	}
}

func TestReplicasMigrateOnePostgresAtOnce(t *testing.T) {
	t.Parallel()
	opts := emptyOptions(t, db.EnginePostgres)
	results := make(chan error)
	for range 4 {
		d := testenv.Open(t, opts)
		go func() { results <- d.Migrate(t.Context()) }()
	}
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestMigrateTimesOutBehindAnother(t *testing.T) {
	t.Parallel()
	opts := emptyOptions(t, db.EngineSQLite)
	opts.MigrateTimeout = 100 * time.Millisecond
	d := testenv.Open(t, opts)
	lock, err := db.LockMigrate(t.Context(), filepath.Dir(opts.Path))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context()); !errors.Is(err, db.ErrLocked) {
		t.Errorf("while it is held: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The one that gave up must not get the lock later and keep it.
func TestMigrateThatTimedOutHoldsNothing(t *testing.T) {
	t.Parallel()
	opts := emptyOptions(t, db.EnginePostgres)
	slow, third := testenv.Open(t, opts), testenv.Open(t, opts)
	opts.MigrateTimeout = 200 * time.Millisecond
	hasty := testenv.Open(t, opts)
	source := files([2]string{"SELECT pg_advisory_lock(42); CREATE TABLE t1 (id TEXT); SELECT pg_advisory_unlock(42)", ""})
	for _, d := range []*db.DB{slow, third, hasty} {
		d.UseMigrations(source)
	}
	result := make(chan error, 1)
	err := slow.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error { // holds 42 for as long as it lasts
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(42)"); err != nil {
			return err
		}
		go func() { result <- slow.Migrate(t.Context()) }()
		waitFor(t, third, "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 42 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
		if err := hasty.Migrate(ctx); !errors.Is(err, db.ErrLocked) {
			t.Errorf("behind the slow one: %v", err)
		}
		return nil
	})
	if err := errors.Join(err, <-result); err != nil {
		t.Fatalf("the slow one: %v", err)
	}
	third.UseMigrations(files([2]string{"", ""}, [2]string{"CREATE TABLE t2 (id TEXT)", ""}))
	if err := third.Migrate(t.Context()); err != nil {
		t.Errorf("the next one: %v", err)
	}
	var held int
	query := "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	if err := third.QueryRowContext(t.Context(), query).Scan(&held); err != nil || held != 0 {
		t.Errorf("%d locks are left, %v", held, err)
	}
}

// waitFor asks until the count is not zero.
func waitFor(t testing.TB, d *db.DB, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		var n int
		if err := d.QueryRowContext(ctx, query).Scan(&n); err != nil {
			t.Error(err)
			return
		}
		if n > 0 {
			return
		}
	}
}
