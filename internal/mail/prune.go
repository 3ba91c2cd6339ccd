package mail

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

const (
	pruneBatch   = 500
	pruneBatches = 20

	// Two reads, since an index is used only by those that ask for its own states.
	pruneMails = `DELETE FROM mails WHERE id IN (
	SELECT id FROM mails WHERE state IN ('sent', 'failed') AND created_at <= $1
	UNION ALL SELECT id FROM mails WHERE state = 'bounced' AND created_at <= $1 LIMIT $2)`
)

// Prune removes messages that were sent, given up or bounced and are older than keep, some
// batches at most. What still waits for a try stays. Any number of processes may
// do it.
func (o *Outbox) Prune(ctx context.Context, keep time.Duration) error {
	before := db.Micros(o.opts.Now().Add(-keep))
	for range pruneBatches {
		var gone int64
		err := o.opts.DB.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, pruneMails, before, pruneBatch)
			if err != nil {
				return err
			}
			gone, err = r.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("remove old mail: %w", err)
		}
		if gone < pruneBatch {
			return nil
		}
	}
	return nil
}
