package db_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// backend is the server's process behind the connection that q takes.
func backend(t testing.TB, q db.Querier) (pid int) {
	t.Helper()
	if err := q.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestPingBeforeUse ends a connection in the pool. Only a ping keeps the error
// from who takes it next.
func TestPingBeforeUse(t *testing.T) {
	t.Parallel()
	for name, ping := range map[string]bool{"on": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := testenv.Database(t, db.EnginePostgres)
			opts.PingBeforeUse, opts.MaxConns, opts.MaxConnLifetime = ping, 2, time.Hour
			d := testenv.Open(t, opts)
			err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error { // has one of two connections to itself
				ended := backend(t, d)
				var done bool
				var none sql.NullString // a connection is asked after it was idle for a second
				if err := tx.QueryRowContext(ctx, "SELECT pg_terminate_backend($1, 5000), pg_sleep(1.2)", ended).Scan(&done, &none); err != nil || !done {
					t.Errorf("terminated: %v, %v", done, err)
				}
				var next int
				err := d.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&next)
				if ping && (err != nil || next == ended) {
					t.Errorf("after %d came %d, %v", ended, next, err)
				}
				if !ping && !errors.Is(err, db.ErrUnavailable) {
					t.Errorf("the connection that had ended was not used: %v", err)
				}
				if again := backend(t, d); again == ended {
					t.Errorf("%d has ended and answers", ended)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMaxConnLifetime has a connection replaced once it is that old.
func TestMaxConnLifetime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lifetime time.Duration
		replaced bool
	}{"short": {50 * time.Millisecond, true}, "long": {time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := testenv.Database(t, db.EnginePostgres)
			opts.MaxConnLifetime = c.lifetime
			d := testenv.Open(t, opts)
			var first int
			var none sql.NullString
			if err := d.QueryRowContext(t.Context(), "SELECT pg_backend_pid(), pg_sleep(0.5)").Scan(&first, &none); err != nil {
				t.Fatal(err)
			}
			if next := backend(t, d); (next != first) != c.replaced {
				t.Errorf("with a lifetime of %v came %d after %d", c.lifetime, next, first)
			}
		})
	}
}
