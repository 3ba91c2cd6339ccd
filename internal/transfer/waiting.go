package transfer

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Waiting is a row whose next step is due or was put off.
type Waiting struct {
	Kind      string // of the job that does the step
	ID        string // of the file or transfer
	AccountID string
	State     string
	Due       time.Time
}

const (
	filesWaiting = `SELECT id, account_id, state, due_at FROM files WHERE due_at IS NOT NULL ORDER BY due_at LIMIT $1`
	// A deleted transfer whose delete can still be undone does not wait. One whose
	// purge was put off does.
	purgesWaiting = `SELECT id, account_id, state, purge_at FROM transfers
WHERE purge_at IS NOT NULL AND (purge_at <= $1 OR state <> 'deleted') ORDER BY purge_at LIMIT $2`
	hastenPurge = `UPDATE transfers SET purge_at = $1
WHERE id = $2 AND purge_at > $1 AND state IN ('aborted', 'expired', 'purged')`
	hastenFile = `UPDATE files SET due_at = $1 WHERE id = $2 AND due_at > $1 AND (lease_until IS NULL OR lease_until <= $1)`
	fileWaits  = `SELECT state FROM files WHERE id = $1 AND due_at IS NOT NULL`
	purgeWaits = `SELECT state FROM transfers
WHERE id = $1 AND purge_at IS NOT NULL AND (purge_at <= $2 OR state <> 'deleted')`
)

// Waiting lists rows that wait, of every account, at most limit files and limit
// transfers, the earliest first. It is for operators.
func (s *Service) Waiting(ctx context.Context, limit int) ([]Waiting, error) {
	all, err := queryAll(ctx, s.db, scanWaiting, filesWaiting, limit)
	if err != nil {
		return nil, fmt.Errorf("list files that wait: %w", err)
	}
	for i, w := range all {
		all[i].Kind = jobOfFile(w.State)
	}
	purges, err := queryAll(ctx, s.db, scanWaiting, purgesWaiting, s.micros(), limit)
	if err != nil {
		return nil, fmt.Errorf("list purges that wait: %w", err)
	}
	for _, w := range purges {
		w.Kind = JobPurgeTransfer
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b Waiting) int { return cmp.Compare(a.Due.UnixMicro(), b.Due.UnixMicro()) })
	return all, nil
}

func scanWaiting(row scanner) (Waiting, error) {
	var w Waiting
	var due int64
	err := row.Scan(&w.ID, &w.AccountID, &w.State, &due)
	w.Due = db.Time(due)
	return w, err
}

func jobOfFile(state string) string {
	if state == Deleted {
		return JobPurgeFile
	}
	return JobSeal
}

// HastenFile makes the next step of a file that waits due at once and hints at
// it. One that is being worked on is left alone. Errors: ErrNotFound.
func (s *Service) HastenFile(ctx context.Context, id string) error {
	var state string
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, hastenFile, s.micros(), id); err != nil {
			return err
		}
		return missing(tx.QueryRowContext(ctx, fileWaits, id).Scan(&state), ErrNotFound)
	})
	if err != nil {
		return fmt.Errorf("hasten file %s: %w", id, err)
	}
	s.hint(ctx, jobOfFile(state), id)
	return nil
}

// HastenPurge makes a purge that was put off due at once and hints at it. Errors:
// ErrNotFound.
func (s *Service) HastenPurge(ctx context.Context, id string) error {
	var state string
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, hastenPurge, s.micros(), id); err != nil {
			return err
		}
		return missing(tx.QueryRowContext(ctx, purgeWaits, id, s.micros()).Scan(&state), ErrNotFound)
	})
	if err != nil {
		return fmt.Errorf("hasten purge of %s: %w", id, err)
	}
	s.hint(ctx, JobPurgeTransfer, id)
	return nil
}
