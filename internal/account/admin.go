package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/db"
)

// What only an operator does to an account.

// SetQuota sets what an account may hold, in plain bytes; nil is no quota. One
// below what it holds now keeps all of that and lets nothing new in. Errors:
// ErrNotFound, also for a deleted account; ErrQuotaInvalid.
func (s *Service) SetQuota(ctx context.Context, id string, quota *int64) (Account, error) {
	if err := checkQuota(quota); err != nil {
		return Account{}, err
	}
	a, err := s.alter(ctx, id, setQuota, quota, func(Account) (EventKind, map[string]any) {
		return EventQuotaChanged, map[string]any{"quota_bytes": quota}
	})
	if err != nil {
		return Account{}, fmt.Errorf("set quota: %w", err)
	}
	return a, nil
}

func checkQuota(quota *int64) error {
	if quota != nil && (*quota < 0 || *quota > maxBytes) {
		return ErrQuotaInvalid
	}
	return nil
}

// Disable closes an account: its tokens are refused, its links are closed and
// its shares are not found, all at once. Nothing is lost, and transfers expire as
// ever. Again is no error. Errors: ErrNotFound, also for a deleted account.
func (s *Service) Disable(ctx context.Context, id string) (Account, error) {
	return s.setState(ctx, id, StateDisabled, EventAccountDisabled)
}

// Enable opens a disabled account again. Again is no error. Errors:
// ErrNotFound, also for a deleted account.
func (s *Service) Enable(ctx context.Context, id string) (Account, error) {
	return s.setState(ctx, id, StateActive, EventAccountEnabled)
}

func (s *Service) setState(ctx context.Context, id, state string, kind EventKind) (Account, error) {
	a, err := s.alter(ctx, id, setState, state, func(before Account) (EventKind, map[string]any) {
		if before.State == state {
			return "", nil
		}
		return kind, nil
	})
	if err != nil {
		return Account{}, fmt.Errorf("make the account %s: %w", state, err)
	}
	return a, nil
}

// alter changes one column of an account that is not deleted, and records the
// event that event names, unless that is "".
func (s *Service) alter(ctx context.Context, id, query string, value any, event func(before Account) (EventKind, map[string]any)) (a Account, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.Lock(ctx, tx, id); err != nil {
			return err
		}
		before, err := one(tx.QueryRowContext(ctx, accountByID, id))
		if err != nil {
			return err
		}
		if a, err = one(tx.QueryRowContext(ctx, query, id, value)); err != nil {
			return err
		}
		kind, detail := event(before)
		if kind == "" {
			return nil
		}
		return s.Record(ctx, tx, Event{AccountID: id, Kind: kind, Detail: detail})
	})
	return a, err
}

// Delete ends an account for good. In one transaction its keys are destroyed, so
// that nobody reads its files any more, its tokens are revoked and its address
// becomes free. Processes that hold an opened file key forget it within 60
// seconds. What is stored goes with its transfers, which the caller ends. Again
// is no error. Errors: ErrNotFound.
func (s *Service) Delete(ctx context.Context, id string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.Lock(ctx, tx, id); err != nil {
			return err
		}
		now := db.Micros(s.clock())
		if _, err := one(tx.QueryRowContext(ctx, deleteAccount, id, now)); errors.Is(err, ErrNotFound) {
			return nil // it is deleted
		} else if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, destroyKeys, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, revokeAllTokens, id, now); err != nil {
			return err
		}
		return s.Record(ctx, tx, Event{AccountID: id, Kind: EventAccountDeleted})
	})
	if err != nil {
		return fmt.Errorf("delete account: %w", err)
	}
	return nil
}

// sweepDeleted forgets what is left of deleted accounts once nothing is sealed
// to their keys: the rows of the keys, and who it was.
func (s *Service) sweepDeleted(ctx context.Context) error {
	type left struct{ keyID, accountID string }
	rows, err := s.db.QueryContext(ctx, emptyDestroyed, sweepBatch)
	if err != nil {
		return fmt.Errorf("read destroyed keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var found []left
	for rows.Next() {
		var l left
		if err := rows.Scan(&l.keyID, &l.accountID); err != nil {
			return fmt.Errorf("read destroyed keys: %w", err)
		}
		found = append(found, l)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read destroyed keys: %w", err)
	}
	for _, l := range found {
		err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, forgetAccount, l.accountID); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, deleteDestroyed, l.keyID)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget account %s: %w", l.accountID, err)
		}
	}
	return nil
}

const setQuota = `
UPDATE accounts SET quota_bytes = $2 WHERE id = $1 AND state <> 'deleted'
RETURNING ` + accountColumns

const setState = `
UPDATE accounts SET state = $2 WHERE id = $1 AND state <> 'deleted'
RETURNING ` + accountColumns

const deleteAccount = `
UPDATE accounts SET state = 'deleted', deleted_at = $2 WHERE id = $1 AND state <> 'deleted'
RETURNING ` + accountColumns

// destroyKeys leaves the rows: file keys refer to them until they are purged.
const destroyKeys = `
UPDATE keys SET private_sealed = NULL, state = 'destroyed' WHERE kind = 'account' AND owner_id = $1`

const revokeAllTokens = `UPDATE tokens SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL`

const emptyDestroyed = `
SELECT k.id, k.owner_id FROM keys k
WHERE k.kind = 'account' AND k.state = 'destroyed'
  AND NOT EXISTS (SELECT 1 FROM file_keys f WHERE f.key_id = k.id)
LIMIT $1`

const deleteDestroyed = `DELETE FROM keys WHERE id = $1 AND state = 'destroyed'`

const forgetAccount = `UPDATE accounts SET email = '', name = '' WHERE id = $1 AND state = 'deleted'`
