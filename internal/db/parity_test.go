package db_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// portable is what the product's SQL is made of. Each statement runs in its own
// transaction; text holds the columns that are read back.
var portable = []struct {
	query string
	args  []any
}{
	{"CREATE TABLE p (id TEXT PRIMARY KEY, k TEXT NOT NULL, n BIGINT NOT NULL DEFAULT 0, b BYTEA, state TEXT NOT NULL DEFAULT 'on', at BIGINT)", nil},
	{"CREATE UNIQUE INDEX p_k ON p (k) WHERE state <> 'off'", nil},
	{"CREATE TABLE q (p TEXT NOT NULL REFERENCES p (id) ON DELETE RESTRICT, n BIGINT NOT NULL, PRIMARY KEY (p, n))", nil},
	{"INSERT INTO p (n, id, k, b) VALUES ($3, $1, $2, $4) RETURNING id, k, n, LENGTH(b), state", []any{"a", "one", int64(1) << 41, []byte{0, 0xff, 0x80}}},
	{"INSERT INTO p (id, k, n) VALUES ($1, $2, $2_n)", nil},
	{"INSERT INTO p (id, k) VALUES ($1, $2) RETURNING id", []any{"b", "one"}},
	{"INSERT INTO p (id, k) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id", []any{"b", "one"}},
	{"INSERT INTO p (id, k, state) VALUES ($1, $2, 'off') RETURNING id", []any{"b", "one"}},
	{"INSERT INTO p (id, k, n) VALUES ($1, $2, $3) ON CONFLICT (k) WHERE state <> 'off' DO UPDATE SET n = p.n + excluded.n RETURNING id, n", []any{"c", "one", 5}},
	{"INSERT INTO p (id, k, n, b) VALUES ($1, $1, 0, $2), ($3, $3, 7, $4)", []any{"d", []byte{0x7f}, "e", []byte{0x7f, 0}}},
	{"SELECT id FROM p WHERE b IS NOT NULL ORDER BY b", nil},
	{"SELECT id FROM p WHERE b > $1 ORDER BY b LIMIT 1", []any{[]byte{0x7f}}},
	{"SELECT id, n FROM p WHERE (CAST($1 AS TEXT) IS NULL OR k = $1) ORDER BY id", []any{nil}},
	{"SELECT id, n FROM p WHERE (CAST($1 AS TEXT) IS NULL OR k = $1) ORDER BY id", []any{"e"}},
	{"SELECT id, CASE WHEN n > $1 THEN 'big' WHEN n = 0 THEN 'none' ELSE 'small' END FROM p ORDER BY id", []any{100}},
	{"SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT), COUNT(*), MAX(n), COUNT(b) FROM p", nil},
	{"SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM p WHERE id = 'nobody'", nil},
	{"UPDATE p SET n = n + $1, at = $2 WHERE id = $3 AND n < $4 RETURNING n, at", []any{3, int64(1763875200_123456), "e", 100}},
	{"UPDATE p SET n = n + $1 WHERE id = $2 AND n < $3 RETURNING n", []any{3, "e", 5}},
	{"UPDATE p SET at = NULL, n = CASE WHEN n > $1 THEN n - $1 ELSE 0 END WHERE id = $2 RETURNING n, at", []any{4, "e"}},
	{"SELECT id FROM p WHERE (n, id) > ($1, $2) ORDER BY n, id LIMIT 2", []any{0, "b"}},
	{"SELECT id FROM p ORDER BY at NULLS FIRST, id LIMIT $1", []any{2}},
	{"SELECT id, EXISTS (SELECT 1 FROM q WHERE q.p = p.id) FROM p WHERE id IN ($1, $2) ORDER BY id", []any{"a", "zz"}},
	{"INSERT INTO q (p, n) SELECT id, n + $1 FROM p WHERE state = 'on' RETURNING p", []any{1}},
	{"INSERT INTO q (p, n) VALUES ($1, 1)", []any{"nobody"}},
	{"DELETE FROM p WHERE id = $1", []any{"a"}},
	{"DELETE FROM q WHERE p = $1 RETURNING n", []any{"a"}},
	{"DELETE FROM p WHERE id = $1 RETURNING id", []any{"a"}},
	{"SELECT p.id, q.n FROM p LEFT JOIN q ON q.p = p.id WHERE p.state <> 'off' ORDER BY p.id", nil},
	{"WITH r AS (SELECT id, n FROM p WHERE n > $1) SELECT COUNT(*) FROM r", []any{0}},
	{"SELECT 7 / 2, 7 % 2, -7 / 2, 'a' || 'b', ABS(-3), LENGTH('äö')", nil},
	{"SELECT k FROM p WHERE k = $1", []any{"'; DROP TABLE p; --"}},
	{"SELEC 1", nil},
}

func TestEnginesAnswerAlike(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	answers := make(map[db.Engine][]string)
	t.Run("engines", func(t *testing.T) {
		testenv.EachEngine(t, func(t *testing.T, open func(t testing.TB) *db.DB) {
			d := open(t)
			var got []string
			for _, s := range portable {
				got = append(got, answer(t.Context(), d, s.query, s.args))
			}
			mu.Lock()
			defer mu.Unlock()
			answers[d.Engine()] = got
		})
	})
	for i, s := range portable {
		if diff := cmp.Diff(answers[db.EngineSQLite][i], answers[db.EnginePostgres][i]); diff != "" {
			t.Errorf("%s\n-sqlite +postgres\n%s", s.query, diff)
		}
	}
	if got := strings.Count(strings.Join(answers[db.EngineSQLite], "\n"), "error"); got != 5 {
		t.Errorf("%d statements failed, want 5:\n%s", got, strings.Join(answers[db.EngineSQLite], "\n"))
	}
}

// answer runs a statement and prints its rows, or whether it failed and how.
func answer(ctx context.Context, d *db.DB, query string, args []any) string {
	var out strings.Builder
	err := d.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		out.Reset()
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			values, targets := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				targets[i] = &values[i]
			}
			if err := rows.Scan(targets...); err != nil {
				return err
			}
			fmt.Fprintln(&out, printable(values))
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Sprintf("error, unique %v", db.IsUnique(err))
	}
	return out.String()
}

// printable evens out what a scan into int64, string, []byte or bool accepts.
func printable(values []any) string {
	var out []string
	for _, v := range values {
		switch v := v.(type) {
		case bool:
			out = append(out, map[bool]string{false: "0", true: "1"}[v])
		case []byte:
			out = append(out, fmt.Sprintf("%x", v))
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	return strings.Join(out, " ")
}
