package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/account"
)

// Holdings is what an account has, for an operator who is about to delete it.
type Holdings struct {
	Links     int64 // that are not deleted
	Transfers int64 // that hold files: receiving, complete, or deleted and not purged yet
	Files     int64 // of these
	Bytes     int64 // plain bytes received for them
}

// Holdings counts what an account has.
func (s *Service) Holdings(ctx context.Context, accountID string) (h Holdings, err error) {
	if err := s.db.QueryRowContext(ctx, liveLinks, accountID).Scan(&h.Links); err != nil {
		return h, fmt.Errorf("count links: %w", err)
	}
	if err := s.db.QueryRowContext(ctx, heldByAccount, accountID).Scan(&h.Transfers, &h.Files, &h.Bytes); err != nil {
		return h, fmt.Errorf("count transfers: %w", err)
	}
	return h, nil
}

// EndAccount ends every transfer of a deleted account for good, gives its bytes
// back, and forgets its links. The purge takes what is stored. It may be called
// again, and the sweep does so. An account that is not deleted is left alone.
func (s *Service) EndAccount(ctx context.Context, accountID string) error {
	for {
		left, err := queryAll(ctx, s.db, scanTransferRow, closedDue+` AND account_id = $3`+closedLimit, s.micros(), sweepBatch, accountID)
		if err != nil {
			return fmt.Errorf("read transfers of account %s: %w", accountID, err)
		}
		if len(left) == 0 {
			return s.forgetLinks(ctx, accountID)
		}
		if err := s.endClosed(ctx, left); err != nil {
			return err
		}
	}
}

// sweepClosed ends transfers of deleted accounts: of a command that was cut, or
// such as began while the account went.
func (s *Service) sweepClosed(ctx context.Context) error {
	left, err := queryAll(ctx, s.db, scanTransferRow, closedDue+closedLimit, s.micros(), sweepBatch)
	if err != nil {
		return err
	}
	err = s.endClosed(ctx, left)
	owners, listErr := queryAll(ctx, s.db, scanOne[string], closedLinks, sweepBatch)
	err = errors.Join(err, listErr)
	for _, id := range owners {
		err = errors.Join(err, s.forgetLinks(ctx, id))
	}
	return err
}

func (s *Service) endClosed(ctx context.Context, left []transferRow) error {
	var errs []error
	for _, t := range left {
		err := s.endNow(ctx, t, endClosed, Deleted, account.Event{Kind: account.EventTransferDeleted})
		if err != nil && !errors.Is(err, errNoChange) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// forgetLinks takes what was written on the links of a deleted account.
func (s *Service) forgetLinks(ctx context.Context, accountID string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, forgetLinks, accountID, s.micros())
		return err
	})
	if err != nil {
		return fmt.Errorf("forget links of account %s: %w", accountID, err)
	}
	return nil
}

const (
	liveLinks = `SELECT COUNT(*) FROM links WHERE account_id = $1 AND deleted_at IS NULL`

	heldByAccount = `
SELECT COUNT(*), COALESCE(SUM(files_total), 0), COALESCE(SUM(bytes_received), 0) FROM transfers
WHERE account_id = $1 AND state IN ('receiving', 'complete', 'deleted')`

	// An account never comes back from deleted, so that the UPDATE that follows
	// need not look at it again. $1 is now, $2 the number of rows.
	closedDue = `SELECT` + transferColumns + ` FROM transfers
WHERE account_id IN (SELECT id FROM accounts WHERE state = 'deleted')
  AND (state IN ('receiving', 'complete') OR (state = 'deleted' AND purge_at > $1))`
	closedLimit = ` LIMIT $2`

	// What the studio had deleted itself need not wait for an undo any more.
	endClosed = `UPDATE transfers SET state = $2, ended_at = $3, purge_at = $3, prior_state = NULL
WHERE id = $1 AND (state IN ('receiving', 'complete') OR (state = 'deleted' AND purge_at > $3))
RETURNING` + transferColumns

	closedLinks = `
SELECT DISTINCT l.account_id FROM accounts a JOIN links l ON l.account_id = a.id
WHERE a.state = 'deleted' AND l.deleted_at IS NULL LIMIT $1`

	forgetLinks = `UPDATE links SET title = '', message = '', password_hash = NULL, deleted_at = $2
WHERE account_id = $1 AND deleted_at IS NULL`
)
