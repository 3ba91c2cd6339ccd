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

// AbortTransfer is the guest's giving up: everything sent is purged. Again is no
// error. Errors: ErrTransferMissing, ErrTransferEnded, ErrTransferExpired.
func (s *Service) AbortTransfer(ctx context.Context, a Access, id string, from Client) error {
	t, err := s.readTransfer(ctx, s.db, a, id)
	if err != nil {
		return err
	}
	if t.State == Receiving {
		err = s.endNow(ctx, t, endReceiving, Aborted, account.Event{Kind: account.EventTransferAborted, Actor: account.ActorGuest, IP: from.IP})
		if !errors.Is(err, errNoChange) {
			return err
		}
		if t, err = s.readTransfer(ctx, s.db, a, id); err != nil {
			return err
		}
	}
	if t.State == Aborted {
		return nil
	}
	return s.refusalOf(t.State, 0)
}

// endNow takes a transfer to an end that cannot be undone, by a statement that
// names its condition, gives its bytes back and lets the purge begin. Errors:
// errNoChange when the condition does not hold.
func (s *Service) endNow(ctx context.Context, head transferRow, statement, state string, e account.Event) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, head.AccountID, head.LinkID); err != nil {
			return err
		}
		t, err := scanTransferRow(tx.QueryRowContext(ctx, statement, head.ID, state, s.micros()))
		if err != nil {
			return missing(err, errNoChange)
		}
		if err := s.releaseBorne(ctx, tx, t); err != nil {
			return err
		}
		e.AccountID, e.TransferID = t.AccountID, t.ID
		return s.accounts.Record(ctx, tx, e)
	})
	if errors.Is(err, errNoChange) {
		return errNoChange
	}
	if err != nil {
		return fmt.Errorf("end transfer as %s: %w", state, err)
	}
	s.hint(ctx, JobPurgeTransfer, head.ID)
	return nil
}

// DeleteTransfer is the studio's delete, at any time. It makes room at once, and
// can be undone for Settings.Undo. Again is no error. Errors:
// ErrTransferMissing.
func (s *Service) DeleteTransfer(ctx context.Context, accountID, id string, from Client) error {
	head, err := s.readTransfer(ctx, s.db, Access{AccountID: accountID}, id)
	if err != nil {
		return err
	}
	now := s.clock()
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, accountID, head.LinkID); err != nil {
			return err
		}
		t, err := scanTransferRow(tx.QueryRowContext(ctx, lockTransfer, id))
		if err != nil {
			return missing(err, ErrTransferMissing)
		}
		if t.State != Receiving && t.State != Complete {
			return errNoChange
		}
		if err := s.releaseBorne(ctx, tx, t); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, deleteTransfer, id, t.State, db.Micros(now), db.Micros(now.Add(s.set.Undo))); err != nil {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: accountID, Kind: account.EventTransferDeleted, Actor: account.ActorStudio, IP: from.IP, TransferID: id,
		})
	})
	if err != nil && !errors.Is(err, errNoChange) {
		return fmt.Errorf("delete transfer: %w", err)
	}
	return nil
}

// releaseUnreceived gives back what was reserved for bytes that have not come.
// The rows of account, link and transfer are locked.
func (s *Service) releaseUnreceived(ctx context.Context, tx *sql.Tx, t transferRow) error {
	if t.reserved == 0 || t.charged == 0 {
		return nil
	}
	n := t.BytesDeclared - t.BytesReceived
	if err := s.accounts.Release(ctx, tx, t.AccountID, n); err != nil {
		return fmt.Errorf("release reservation: %w", err)
	}
	if err := s.letGo(ctx, tx, t.LinkID, n); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, lapseReservation, t.ID)
	return err
}

// RestoreTransfer undoes a delete, if there is room for what came, and for one
// that was not complete a place on its link. Errors: ErrTransferMissing,
// *account.QuotaError, ErrLinkFull, ErrTransferEnded when there is nothing to undo
// or it is too late.
func (s *Service) RestoreTransfer(ctx context.Context, accountID, id string, from Client) (Transfer, error) {
	head, err := s.readTransfer(ctx, s.db, Access{AccountID: accountID}, id)
	if err != nil {
		return Transfer{}, err
	}
	var t transferRow
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, accountID, head.LinkID); err != nil {
			return err
		}
		before, err := scanTransferRow(tx.QueryRowContext(ctx, lockTransfer, id))
		if err != nil {
			return missing(err, ErrTransferMissing)
		}
		if t, err = scanTransferRow(tx.QueryRowContext(ctx, restoreTransfer, id, s.micros())); err != nil {
			return missing(err, ErrTransferEnded)
		}
		if err := s.bearAgain(ctx, tx, t); err != nil {
			return err
		}
		if t.counted > before.counted {
			if err := s.takePlace(ctx, tx, t.LinkID); err != nil {
				return err
			}
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: accountID, Kind: account.EventTransferRestored, Actor: account.ActorStudio, IP: from.IP, TransferID: id,
		})
	})
	if errors.Is(err, account.ErrQuotaExceeded) {
		return Transfer{}, s.quotaError(ctx, head)
	}
	if err != nil {
		return Transfer{}, fmt.Errorf("restore transfer: %w", err)
	}
	return t.Transfer, nil
}

// bearAgain makes account and link bear a transfer that they had been relieved
// of.
func (s *Service) bearAgain(ctx context.Context, tx *sql.Tx, t transferRow) error {
	used, reserved := t.borne()
	if err := s.reserve(ctx, tx, t, used+reserved); err != nil {
		return err
	}
	if err := s.accounts.Settle(ctx, tx, t.AccountID, used); err != nil {
		return fmt.Errorf("settle restored bytes: %w", err)
	}
	return nil
}

// ExtendTransfer moves the end of a transfer that has not ended. Errors:
// ErrTransferMissing, ErrTransferEnded, ErrTransferExpired, *FieldError.
func (s *Service) ExtendTransfer(ctx context.Context, accountID, id string, until time.Time, from Client) (Transfer, error) {
	until = until.UTC().Truncate(time.Microsecond)
	if !until.After(s.clock()) || until.After(s.clock().AddDate(10, 0, 0)) {
		return Transfer{}, &FieldError{Field: "expires_at", Reason: "must lie within the next ten years"}
	}
	var t transferRow
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		before, err := s.readTransfer(ctx, tx, Access{AccountID: accountID}, id)
		if err != nil {
			return err
		}
		if t, err = scanTransferRow(tx.QueryRowContext(ctx, extendTransfer, id, db.Micros(until), s.micros())); err != nil {
			return missing(err, s.endedOr(before))
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: accountID, Kind: account.EventTransferExtended, Actor: account.ActorStudio, IP: from.IP, TransferID: id,
		})
	})
	if err != nil {
		return Transfer{}, fmt.Errorf("extend transfer: %w", err)
	}
	return t.Transfer, nil
}

// endedOr is the error for a transfer that a change did not find going on.
func (s *Service) endedOr(t transferRow) error {
	if t.State == Complete { // its time was over
		return ErrTransferExpired
	}
	if err := s.refusalOf(t.State, db.Micros(t.ExpiresAt)); err != nil {
		return err
	}
	return ErrTransferEnded
}
