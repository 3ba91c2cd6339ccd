package transfer

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

// choreRoom is a row that is only locked: by who promises room on the disk.
const choreRoom = "transfer.room"

// checkRoom is the quota of accounts that have none: n bytes must fit on the
// disk beside all that was promised and has not come. Many accounts share a
// disk, so who checks holds one row for all of them until its own promise
// stands: the disk cannot be promised twice. It is the last lock of its
// transaction. Errors: *account.QuotaError.
//
// Promises to accounts with a quota, lapsed ones that a part takes again, and
// other programs are not held back here. A part that finds the disk full is
// refused as ErrStorageFull and nothing acknowledged is lost.
func (s *Service) checkRoom(ctx context.Context, tx *sql.Tx, accountID string, n int64) error {
	if _, known := s.blobs.FreeBytes(ctx); !known || n == 0 {
		return nil
	}
	quota, err := s.accounts.BytesLeft(ctx, tx, accountID)
	if err != nil || quota != nil {
		return err
	}
	for _, statement := range []string{insertChore, lockChore} {
		if _, err := tx.ExecContext(ctx, statement, choreRoom); err != nil {
			return fmt.Errorf("lock the disk's room: %w", err)
		}
	}
	left, known, err := s.roomLeft(ctx, tx)
	if err == nil && known && n > left {
		err = &account.QuotaError{Left: max(0, left)}
	}
	return err
}

// roomLeft is the disk's free space less what was promised and has not come; it
// is not known where the store cannot tell its space. The promises are read
// first: what arrives in between then counts twice, not never.
func (s *Service) roomLeft(ctx context.Context, q db.Querier) (left int64, known bool, err error) {
	if _, known := s.blobs.FreeBytes(ctx); !known {
		return 0, false, nil
	}
	promised, err := scanOne[int64](q.QueryRowContext(ctx, bytesToCome))
	if err != nil {
		return 0, false, fmt.Errorf("read the bytes to come: %w", err)
	}
	free, known := s.blobs.FreeBytes(ctx)
	return free - promised, known, nil
}
