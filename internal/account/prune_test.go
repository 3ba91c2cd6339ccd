package account

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// TestSweepPrunes: what is older than its time goes, more of it than a batch has,
// and nothing else.
func TestSweepPrunes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.keepEvents = 100 * 24 * time.Hour
		a, err := f.Create(t.Context(), NewAccount{Email: "anna@example.com", Name: "Anna"})
		if err != nil {
			t.Fatal(err)
		}
		ago := func(days int) int64 { return db.Micros(f.clock.time().Add(-time.Duration(days) * 24 * time.Hour)) }
		err = f.db.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			for i := range sweepBatch + 3 {
				if _, err := tx.ExecContext(ctx, `INSERT INTO events (id, account_id, at, kind, actor) VALUES ($1, $2, $3, 'link_created', 'studio')`,
					fmt.Sprintf("old-%d", i), a.ID, ago(100)); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO events (id, account_id, at, kind, actor) VALUES ('young', $1, $2, 'link_created', 'studio')`,
				a.ID, ago(99)); err != nil {
				return err
			}
			for id, ended := range map[string][2]*int64{
				"revoked": {new(ago(30)), nil}, "expired": {nil, new(ago(31))}, "just revoked": {new(ago(29)), nil}, "just expired": {nil, new(ago(29))},
				"lives": {nil, nil}, "will expire": {nil, new(ago(-1))},
			} {
				if _, err := tx.ExecContext(ctx, `INSERT INTO tokens (id, kind, account_id, hash, created_at, revoked_at, expires_at)
					VALUES ($1, 'session', $2, $3, $4, $5, $6)`, id, a.ID, []byte(id), ago(400), ended[0], ended[1]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		count := func(query string) (n int64) {
			t.Helper()
			if err := f.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count(`SELECT COUNT(*) FROM events WHERE id NOT LIKE 'old-%'`)
		for range 2 {
			if err := f.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if old, rest := count(`SELECT COUNT(*) FROM events WHERE id LIKE 'old-%'`), count(`SELECT COUNT(*) FROM events`); old != 0 || rest != before {
			t.Errorf("%d old events are left of %d, want none of %d", old, rest, before)
		}
		if gone, left := count(`SELECT COUNT(*) FROM tokens WHERE id IN ('revoked', 'expired')`), count(`SELECT COUNT(*) FROM tokens`); gone != 0 || left != 4 {
			t.Errorf("%d ended tokens are left of %d, want none of 4", gone, left)
		}
		f.keepEvents = 0
		f.clock.advance(10_000 * 24 * time.Hour)
		if err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := count(`SELECT COUNT(*) FROM events`); left != before {
			t.Errorf("%d events are left that are kept for ever, want %d", left, before)
		}
	})
}
