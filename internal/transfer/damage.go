package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

const (
	countDamage = `UPDATE transfers SET damage_found = damage_found + 1 WHERE id = $1`
	// $2 is when the object was first missed; NULL where its bytes are wrong.
	markDamaged = `UPDATE files SET state = 'damaged', lost_since = $2, scrub_part = 0 WHERE id = $1 AND state = 'stored'`
	recoverFile = `UPDATE files SET state = 'stored', lost_since = NULL, looks = 0 WHERE id = $1 AND state = 'damaged'`
)

// damage is what was found wrong with a stored file.
type damage struct {
	part    int
	segment int64
	missing int64 // since when its object is not there, or not all of it, in micros; 0: it is there and wrong
	cause   error
}

// missingBytes is met when a stored file's object is not there or not all there.
// If a second look agrees it is damage, unless the transfer has ended meanwhile
// and its objects are being deleted.
func (s *Service) missingBytes(ctx context.Context, f File, cause error) error {
	info, err := s.blobs.Head(ctx, f.blobKey)
	if err != nil && !errors.Is(err, blob.ErrNotFound) || err == nil && info.Size == seal.SealedSize(f.Size, f.PartSize) {
		return fmt.Errorf("stored bytes did not come: %v: %w", cause, ErrStorageUnavailable)
	}
	live, err := s.isLive(ctx, f)
	if err != nil || !live {
		return errors.Join(err, ErrFileMissing)
	}
	s.noteDamage(ctx, f, damage{missing: s.micros(), cause: cause})
	return fmt.Errorf("stored bytes are missing: %w", ErrDamaged)
}

// isLive tells whether a file's transfer still stands, so that its object has to
// be there.
func (s *Service) isLive(ctx context.Context, f File) (bool, error) {
	t, err := s.readTransfer(ctx, s.db, Access{AccountID: f.AccountID}, f.TransferID)
	if errors.Is(err, ErrTransferMissing) {
		return false, nil
	}
	return err == nil && (t.State == Receiving || t.State == Complete), err
}

// noteDamage marks the file and records the event, once, where the reader cannot
// wait for it. The sweep tells the studio.
func (s *Service) noteDamage(ctx context.Context, f File, d damage) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := s.markDamage(ctx, f, d); err != nil {
		s.log.ErrorContext(ctx, "damage not recorded", "file", f.ID, "error", err)
	}
}

func (s *Service) markDamage(ctx context.Context, f File, d damage) error {
	s.log.ErrorContext(ctx, "stored bytes are damaged", "file", f.ID, "part", d.part, "segment", d.segment, "error", d.cause)
	var since *int64
	detail := map[string]any{"part": d.part, "segment": d.segment}
	if d.missing > 0 {
		since, detail = &d.missing, map[string]any{"missing": true}
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, countDamage, f.TransferID); err != nil {
			return err
		}
		first, err := changed(tx.ExecContext(ctx, markDamaged, f.ID, since))
		if err != nil || !first {
			return errors.Join(err, errNoChange)
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: f.AccountID, Kind: account.EventFileDamaged, TransferID: f.TransferID, FileID: f.ID, Detail: detail,
		})
	})
	if errors.Is(err, errNoChange) {
		return nil // it was known, or is no stored file any more
	}
	if err != nil {
		return fmt.Errorf("mark file %s damaged: %w", f.ID, err)
	}
	s.observe.Damaged()
	return nil
}

// recoverDamaged makes a damaged file stored again, whose object has come back
// whole.
func (s *Service) recoverDamaged(ctx context.Context, f File) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		first, err := changed(tx.ExecContext(ctx, recoverFile, f.ID))
		if err != nil || !first {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: f.AccountID, Kind: account.EventFileRecovered, TransferID: f.TransferID, FileID: f.ID,
		})
	})
	if err != nil {
		return fmt.Errorf("mark file %s whole again: %w", f.ID, err)
	}
	s.log.WarnContext(ctx, "what was damaged is whole again", "file", f.ID)
	return nil
}
