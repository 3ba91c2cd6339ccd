package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/db"
)

// maxBytes bounds used + reserved of an account without a quota: sizes are JSON
// numbers, which are exact below 2^53.
const maxBytes = 1<<53 - 1

// Lock takes the account's row for the rest of the transaction, in any state,
// so that what follows keeps the lock order although it changes no counter yet.
// Errors: ErrNotFound.
func (s *Service) Lock(ctx context.Context, tx db.Querier, accountID string) error {
	_, err := s.lock(ctx, tx, accountID)
	return err
}

func (s *Service) lock(ctx context.Context, tx db.Querier, accountID string) (state string, err error) {
	err = tx.QueryRowContext(ctx, lockAccount, accountID).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("lock account: %w", err)
	}
	return state, nil
}

func (s *Service) lockActive(ctx context.Context, tx db.Querier, accountID string) error {
	state, err := s.lock(ctx, tx, accountID)
	if err != nil {
		return err
	}
	if state != StateActive {
		return ErrNotActive
	}
	return nil
}

// Reserve promises n plain bytes to declared files, all or nothing, and locks
// the account. Errors: *QuotaError, ErrNotActive, ErrNotFound.
func (s *Service) Reserve(ctx context.Context, tx db.Querier, accountID string, n int64) error {
	done, err := change(ctx, tx, reserveBytes, accountID, n, maxBytes)
	if done || err != nil {
		return err
	}
	b, err := readBytes(ctx, tx, accountID)
	if err != nil {
		return err
	}
	if b.state != StateActive {
		return ErrNotActive
	}
	return &QuotaError{Left: b.left()}
}

// Release gives n reserved bytes back: of a file that is deleted, aborted or
// idle. Errors: ErrQuotaDrift, ErrNotFound.
func (s *Service) Release(ctx context.Context, tx db.Querier, accountID string, n int64) error {
	return s.lower(ctx, tx, releaseBytes, accountID, n)
}

// Settle turns n reserved bytes into used ones, in the transaction that makes a
// file stored. Errors: ErrQuotaDrift, ErrNotFound.
func (s *Service) Settle(ctx context.Context, tx db.Querier, accountID string, n int64) error {
	return s.lower(ctx, tx, settleBytes, accountID, n)
}

// Unuse gives n used bytes back: of a stored file that is gone. Errors:
// ErrQuotaDrift, ErrNotFound.
func (s *Service) Unuse(ctx context.Context, tx db.Querier, accountID string, n int64) error {
	return s.lower(ctx, tx, unuseBytes, accountID, n)
}

// BytesLeft is what could still be reserved, nil without a quota. Errors:
// ErrNotFound.
func (s *Service) BytesLeft(ctx context.Context, q db.Querier, accountID string) (*int64, error) {
	b, err := readBytes(ctx, q, accountID)
	if err != nil || b.quota == nil {
		return nil, err
	}
	left := b.left()
	return &left, nil
}

// lower runs a change that takes a counter down. Where the counter does not
// hold n bytes the accounts of two tables differ. Going on at zero would hide
// that and let the quota be passed later, so the change is refused whole.
func (s *Service) lower(ctx context.Context, tx db.Querier, query, accountID string, n int64) error {
	done, err := change(ctx, tx, query, accountID, n)
	if done || err != nil {
		return err
	}
	b, err := readBytes(ctx, tx, accountID)
	if err != nil {
		return err
	}
	return fmt.Errorf("account %s: take %d bytes from %d used and %d reserved: %w",
		accountID, n, b.used, b.reserved, ErrQuotaDrift)
}

// change runs one conditional UPDATE and tells whether its condition held.
func change(ctx context.Context, tx db.Querier, query, accountID string, n int64, more ...any) (bool, error) {
	if n < 0 {
		return false, fmt.Errorf("account %s: change of %d bytes: %w", accountID, n, ErrQuotaDrift)
	}
	r, err := tx.ExecContext(ctx, query, append([]any{accountID, n}, more...)...)
	if err != nil {
		return false, fmt.Errorf("change byte counters: %w", err)
	}
	rows, err := r.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("change byte counters: %w", err)
	}
	return rows == 1, nil
}

// byteCounters are the counters of an account.
type byteCounters struct {
	state          string
	quota          *int64
	used, reserved int64
}

func (b byteCounters) left() int64 {
	limit := int64(maxBytes)
	if b.quota != nil {
		limit = *b.quota
	}
	return max(0, limit-b.used-b.reserved)
}

func readBytes(ctx context.Context, q db.Querier, accountID string) (byteCounters, error) {
	var b byteCounters
	err := q.QueryRowContext(ctx, accountBytes, accountID).Scan(&b.state, &b.quota, &b.used, &b.reserved)
	if errors.Is(err, sql.ErrNoRows) {
		return byteCounters{}, ErrNotFound
	}
	if err != nil {
		return byteCounters{}, fmt.Errorf("read byte counters: %w", err)
	}
	return b, nil
}
