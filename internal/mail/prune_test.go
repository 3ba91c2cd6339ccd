package mail

import (
	"testing"
	"time"
)

// TestPrune: what was sent or given up goes when it is old, what waits never.
func TestPrune(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		states := []string{"queued", "sending", "sent", "failed"}
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
