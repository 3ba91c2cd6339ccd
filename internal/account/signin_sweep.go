package account

import (
	"context"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Sweep is the periodic work: it hints at logins whose hint was lost. The
// Service removes those that have ended.
func (g *SignIn) Sweep(ctx context.Context) error {
	now := g.accounts.clock()
	ids, err := g.waitingLogins(ctx, now)
	if err != nil {
		return fmt.Errorf("sweep logins: %w", err)
	}
	for _, id := range ids {
		g.hint(ctx, JobLogin, id)
	}
	return nil
}

func (g *SignIn) waitingLogins(ctx context.Context, now time.Time) ([]string, error) {
	rows, err := g.accounts.db.QueryContext(ctx, waitingLogins, db.Micros(now), db.Micros(now.Add(-loginGrace)), sweepBatch)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

const waitingLogins = `
SELECT id FROM logins WHERE code_hash IS NULL AND expires_at > $1 AND created_at <= $2
ORDER BY created_at LIMIT $3`
