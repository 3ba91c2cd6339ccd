package db_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

// TestLossesAreWhatGoes takes every migration back and compares what was said to
// go with what is no longer there.
func TestLossesAreWhatGoes(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		m, err := d.Migrator(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		all, err := m.AllLosses(t.Context())
		if err != nil || len(all) < 10 || !slices.Contains(all, db.Loss{Table: "schema_migrations", Values: 1}) {
			t.Errorf("a drop: %v, %v", all, err)
		}
		for version := schema(t, d).Version; version > 0; version = schema(t, d).Version {
			before := columns(t, d)
			steps, err := m.PlanDown(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			lost, err := m.Losses(t.Context(), steps)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Run(t.Context(), steps); err != nil {
				t.Fatal(err)
			}
			after := columns(t, d)
			said := map[string]bool{}
			for _, l := range lost {
				said[l.Table+"."+l.Column] = true
			}
			gone := map[string]bool{}
			for table, names := range before {
				if after[table] == nil {
					gone[table+"."] = true
					continue
				}
				for _, name := range names {
					if !slices.Contains(after[table], name) {
						gone[table+"."+name] = true
					}
				}
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(gone)), slices.Sorted(maps.Keys(said))); diff != "" {
				t.Errorf("back from %d (-gone +said):\n%s", version, diff)
			}
		}
	})
}

// columns are those of every table.
func columns(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	query := `SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'`
	if d.Engine() == db.EnginePostgres {
		query = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	rows, err := d.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		found[table] = append(found[table], column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLossesCountWhatIsThere(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		d.UseMigrations(files(append(three,
			[2]string{`CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT)`, "-- what was noted\nDROP TABLE notes;\n"},
			[2]string{`ALTER TABLE notes ADD COLUMN at BIGINT`, `ALTER TABLE notes DROP COLUMN at`})...))
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := write(t.Context(), d, `INSERT INTO notes (id, at) VALUES ($1, $2)`, fmt.Sprint(i), []any{int64(1), nil, int64(2)}[i]); err != nil {
				t.Fatal(err)
			}
		}
		m, err := d.Migrator(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		for steps, want := range map[int][]db.Loss{
			1: {{Table: "notes", Column: "at", Values: 2}},
			2: {{Table: "notes", Values: 3}},
		} {
			plan, err := m.PlanDown(t.Context(), steps)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := m.Losses(t.Context(), plan); err != nil || !cmp.Equal(want, got) {
				t.Errorf("down %d: %v, %v; want %v", steps, got, err, want)
			}
		}
	})
}
