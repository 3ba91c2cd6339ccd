package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

// Why the transaction that records a part changed nothing; the caller looks
// again to find the answer.
var (
	errNotReceiving = errors.New("the transfer takes no part now")
	errRecorded     = errors.New("the part was recorded meanwhile")
	errFileMoved    = errors.New("the file takes no part now")
)

// count makes a stored attempt count: one transaction, and where it changes
// nothing a look at why. A lapsed reservation is taken again once.
func (u *PartUpload) count(ctx context.Context, a attempt) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	state, err := u.record(ctx, a)
	if errors.Is(err, errNotReceiving) || errors.Is(err, account.ErrQuotaDrift) {
		if err = u.s.reserveAgain(ctx, u.file); err == nil {
			state, err = u.record(ctx, a)
		}
	}
	switch {
	case err == nil:
		if state == Sealing {
			state = u.finishSoon(ctx)
		}
		return Receipt{Part: Part{Number: a.number, Size: a.size, CRC32: a.crc32}, State: state}, nil
	case errors.Is(err, account.ErrQuotaExceeded):
		u.drop(ctx, a)
	case changedNothing(err), errors.Is(err, db.ErrOutcomeUnknown):
		return u.lookAgain(ctx, a, err)
	}
	// After any other failure a commit may still be on its way, so the blob
	// stays: if no row names it, the sweep deletes it.
	return Receipt{}, fmt.Errorf("record part %d of file %s: %w", a.number, u.file.ID, err)
}

// changedNothing tells that the transaction was rolled back for a reason of its
// own.
func changedNothing(err error) bool {
	for _, reason := range []error{errRecorded, errFileMoved, errNotReceiving, account.ErrQuotaDrift,
		ErrTransferEnded, ErrTransferExpired, ErrTransferMissing} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// drop deletes an attempt that does not count. Parts of a multipart upload
// cannot be deleted one by one; they go with the upload or are replaced.
func (u *PartUpload) drop(ctx context.Context, a attempt) {
	if a.uploadID == "" {
		u.s.dropBlob(ctx, a.blobKey)
	}
}

// lookAgain answers an attempt that changed nothing: by comparison if the part
// stands, else by what became of file and transfer.
func (u *PartUpload) lookAgain(ctx context.Context, a attempt, why error) (Receipt, error) {
	var state string
	var expires int64
	err := u.look(ctx, u.file.ID, &state, &expires)
	if err != nil && !errors.Is(err, ErrFileMissing) {
		return Receipt{}, err
	}
	if changedNothing(why) && u.file.blobKey != a.blobKey {
		u.drop(ctx, a)
	}
	if err != nil {
		return Receipt{}, err
	}
	if u.known != nil {
		return u.compare(ctx, a.crc32)
	}
	if err := u.s.refusalOf(state, expires); err != nil {
		return Receipt{}, err
	}
	// The file moved on, to another upload generation for instance: the client
	// sends the part again.
	return Receipt{}, fmt.Errorf("part %d of file %s does not count: %w: %w", a.number, u.file.ID, why, ErrStorageUnavailable)
}

// record is the only authority on whether a part counts. It gives the file's
// new state.
func (u *PartUpload) record(ctx context.Context, a attempt) (state string, err error) {
	err = u.s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if a.uploadID == "" {
			state, err = Stored, u.recordWhole(ctx, tx, a)
		} else {
			state, err = u.recordPart(ctx, tx, a)
		}
		return err
	})
	return state, err
}

// recordPart counts one part of several.
func (u *PartUpload) recordPart(ctx context.Context, tx *sql.Tx, a attempt) (state string, err error) {
	now := u.s.clock()
	ok, err := changed(tx.ExecContext(ctx, touchTransfer, u.file.TransferID, db.Micros(now), a.size, u.expiry(now)))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", errNotReceiving
	}
	if err := u.insertPart(ctx, tx, a, now); err != nil {
		return "", err
	}
	err = tx.QueryRowContext(ctx, countPart, u.file.ID, u.file.uploadGen, a.uploadID, db.Micros(now)).Scan(&state)
	return state, missing(err, errFileMoved)
}

// recordWhole counts the part of a file that has only one: with it the file is
// stored, since its plain PUT is the whole object.
func (u *PartUpload) recordWhole(ctx context.Context, tx *sql.Tx, a attempt) error {
	now := u.s.clock()
	if err := u.s.settle(ctx, tx, u.file.AccountID, u.linkID, a.size); err != nil {
		return err
	}
	ok, err := changed(tx.ExecContext(ctx, touchAndStore, u.file.TransferID, db.Micros(now), a.size, u.expiry(now)))
	if err != nil {
		return err
	}
	if !ok {
		return errNotReceiving
	}
	if err := u.insertPart(ctx, tx, a, now); err != nil {
		return err
	}
	ok, err = changed(tx.ExecContext(ctx, storeWhole, u.file.ID, u.file.uploadGen, a.blobKey, int64(a.crc32), db.Micros(now)))
	if err == nil && !ok {
		err = errFileMoved
	}
	return err
}

// settle turns reserved bytes into used ones, of account and link.
func (s *Service) settle(ctx context.Context, tx *sql.Tx, accountID, linkID string, n int64) error {
	if err := s.accounts.Settle(ctx, tx, accountID, n); err != nil {
		return fmt.Errorf("settle reserved bytes: %w", err)
	}
	if linkID == "" {
		return nil
	}
	if _, err := tx.ExecContext(ctx, receiveOnLink, linkID, n); err != nil {
		return fmt.Errorf("count bytes on the link: %w", err)
	}
	return nil
}

func (u *PartUpload) insertPart(ctx context.Context, tx *sql.Tx, a attempt, now time.Time) error {
	ok, err := changed(tx.ExecContext(ctx, insertPart, u.file.ID, int64(a.number), a.size, int64(a.crc32), a.etag,
		a.head[:], db.Micros(now)))
	if err == nil && !ok {
		err = errRecorded
	}
	return err
}

// expiry is when a transfer ends that got a part now.
func (u *PartUpload) expiry(now time.Time) int64 {
	return db.Micros(earlier(now.Add(u.s.set.Unfinished), db.Time(u.created).Add(u.s.set.MaxAge)))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// reserveAgain takes a lapsed reservation back, all at once. It fails with the
// transfer's state where that, and not the reservation, was in the way.
func (s *Service) reserveAgain(ctx context.Context, f File) error {
	head, err := s.receiving(ctx, s.db, Access{AccountID: f.AccountID}, f.TransferID)
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, f.AccountID, head.LinkID); err != nil {
			return err
		}
		t, err := scanTransferRow(tx.QueryRowContext(ctx, retakeReservation, f.TransferID, s.micros()))
		if errors.Is(err, sql.ErrNoRows) {
			return nil // somebody else took it, or it ended: the next try tells
		}
		if err != nil {
			return err
		}
		return s.reserve(ctx, tx, t, t.BytesDeclared-t.BytesReceived)
	})
	if errors.Is(err, account.ErrQuotaExceeded) {
		return s.quotaError(ctx, head)
	}
	if err != nil {
		return fmt.Errorf("take the reservation again: %w", err)
	}
	return nil
}
