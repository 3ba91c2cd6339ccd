package testenv_test

import (
	"context"
	"database/sql"
	"testing"

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
