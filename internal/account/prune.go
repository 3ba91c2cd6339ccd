package account

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// keepTokens is how long the row of a token stays that has ended, for those who
// ask why it no longer works.
const keepTokens = 30 * 24 * time.Hour

const (
	pruneEvents = `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at <= $1 LIMIT $2)`

	pruneLogins  = `DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires_at <= $1 LIMIT $2)`
	pruneRevoked = `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE revoked_at <= $1 LIMIT $2)`
	pruneExpired = `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE expires_at <= $1 LIMIT $2)`
)

// prune removes rows that are kept for a while only, in batches: events, codes
// to sign in, and tokens and sessions that were revoked or have expired.
func (s *Service) prune(ctx context.Context) error {
	now := s.clock()
	ended := now.Add(-keepTokens)
	if s.keepEvents > 0 {
		if err := s.pruneBatches(ctx, pruneEvents, now.Add(-s.keepEvents)); err != nil {
			return err
		}
	}
	if err := s.pruneBatches(ctx, pruneLogins, now); err != nil {
		return err
	}
	for _, statement := range []string{pruneRevoked, pruneExpired} {
		if err := s.pruneBatches(ctx, statement, ended); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) pruneBatches(ctx context.Context, statement string, before time.Time) error {
	for range sweepBatches {
		var gone int64
		err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, statement, db.Micros(before), sweepBatch)
			if err != nil {
				return err
			}
			gone, err = r.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("remove old rows: %w", err)
		}
		if gone < sweepBatch {
			return nil
		}
	}
	return nil
}
