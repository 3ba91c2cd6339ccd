package mail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// TestPrune: what was sent, given up or bounced goes when it is old, what waits never.
func TestPrune(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		states := []string{"queued", "sending", "sent", "failed", "bounced"}
		for _, state := range states {
			var id string
			if err := f.db.InTx(t.Context(), queueing(f, receipt(state, 1), &id)); err != nil {
				t.Fatal(err)
			}
			if err := f.exec(t.Context(), `UPDATE mails SET state = $1 WHERE id = $2`, state, id); err != nil {
				t.Fatal(err)
			}
		}
		left := func(want int) {
			t.Helper()
			if err := f.Prune(t.Context(), time.Hour); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := f.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM mails`).Scan(&n); err != nil || n != want {
				t.Errorf("%d messages are left, want %d: %v", n, want, err)
			}
		}
		left(len(states))
		f.mu.Lock()
		f.now = f.now.Add(time.Hour)
		f.mu.Unlock()
		left(2)
	})
}

// TestPruneReadsNoOtherMail: what waits or is young is not looked at, however
// much there is of it.
func TestPruneReadsNoOtherMail(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		plan := planOf(t, f.db, pruneMails, db.Micros(f.now), pruneBatch)
		for _, index := range []string{"mails_ended", "mails_bounced"} {
			if !strings.Contains(plan, index) {
				t.Errorf("%s is not used:\n%s", index, plan)
			}
		}
		for _, whole := range []string{"SCAN mails", "Seq Scan"} {
			if strings.Contains(plan, whole) {
				t.Errorf("the table is read from end to end:\n%s", plan)
			}
		}
	})
}

// planOf is what an engine would do for a statement, on PostgreSQL as if the
// table were too large to be read from end to end.
func planOf(t *testing.T, d *db.DB, statement string, args ...any) string {
	t.Helper()
	explain := "EXPLAIN QUERY PLAN "
	if d.Engine() == db.EnginePostgres {
		explain = "EXPLAIN "
	}
	var lines []string
	err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) (err error) {
		lines = nil
		if d.Engine() == db.EnginePostgres {
			if _, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
				return err
			}
		}
		rows, err := tx.QueryContext(ctx, explain+statement, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				return err
			}
			lines = append(lines, fmt.Sprint(*cells[len(cells)-1].(*any)))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
