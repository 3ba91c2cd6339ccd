package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
)

const (
	purgeBatch = 200 // files that a purge step takes at once

	// A purge that failed is put off by an eighth of the time that it waits, so
	// that what cannot be deleted does not stand before what can.
	leastPutOff   = 5 * time.Second
	longestPutOff = time.Hour
)

// purgeTransfer takes everything of an ended transfer away, in the order of I8.
// Every step may be repeated, so a purge that was cut goes on from its rows. What
// the bucket refuses to delete keeps its row, and the rest goes.
func (s *Service) purgeTransfer(ctx context.Context, id string) error {
	t, err := s.beginPurge(ctx, id)
	if errors.Is(err, errNoChange) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("begin purge of transfer %s: %w", id, err)
	}
	if err := s.purgeFiles(ctx, id); err != nil {
		s.putOff(ctx, putPurgeOff, id)
		return fmt.Errorf("purge transfer %s: %w", id, err)
	}
	return s.endPurge(ctx, t)
}

// purgeFiles takes away the keys of all files and then, file by file, what was
// stored and the rows.
func (s *Service) purgeFiles(ctx context.Context, id string) error {
	if err := s.shredFiles(ctx, id); err != nil {
		return fmt.Errorf("shred its files: %w", err)
	}
	refused, refusal := 0, error(nil)
	for after := int64(-1); ; {
		files, err := queryAll(ctx, s.db, scanFile, filesToPurge, id, after, purgeBatch)
		if err != nil {
			return fmt.Errorf("read files to purge: %w", err)
		}
		if len(files) == 0 && refused > 0 {
			return fmt.Errorf("%d of its files cannot be deleted, the first: %w", refused, refusal)
		}
		if len(files) == 0 {
			return nil
		}
		for _, f := range files {
			after = f.Position
			err := s.purgeBlob(ctx, f)
			if errors.Is(err, blob.ErrDenied) {
				if refused++; refusal == nil {
					refusal = err
				}
				continue
			}
			if err != nil {
				return err
			}
			if err := s.execAll(ctx, f.ID, deleteParts, deleteFileKeys, deleteFileRow); err != nil {
				return err
			}
		}
	}
}

// putOff lets the next try of a step that failed begin after a pause.
func (s *Service) putOff(ctx context.Context, statement, id string) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement, id, s.micros(), leastPutOff.Microseconds(), longestPutOff.Microseconds())
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "a purge that failed is not put off", "id", id, "error", err)
	}
}

// beginPurge stops the reads for good: from here on a delete cannot be undone.
func (s *Service) beginPurge(ctx context.Context, id string) (t transferRow, err error) {
	head, err := scanTransferRow(s.db.QueryRowContext(ctx, anyTransferByID, id))
	if err != nil {
		return t, missing(err, errNoChange)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, head.AccountID, head.LinkID); err != nil {
			return err
		}
		if t, err = scanTransferRow(tx.QueryRowContext(ctx, beginPurge, id, s.micros())); err != nil {
			return missing(err, errNoChange)
		}
		return s.releaseBorne(ctx, tx, t)
	})
	return t, err
}

// shredFiles deletes the keys first: what a crash leaves in the bucket then is
// noise.
func (s *Service) shredFiles(ctx context.Context, transferID string) error {
	for {
		found, err := queryAll(ctx, s.db, scanOne[string], keysToShred, transferID, purgeBatch)
		if err != nil || len(found) == 0 {
			return err
		}
		ids := make([]any, len(found))
		for i, id := range found {
			ids[i] = id
		}
		err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, shredKeysHead+placeholders(1, len(ids))+")", ids...)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// purgeBlob ends the file's upload and deletes its object. A lost reply may have
// made either out of the other, so both are done.
func (s *Service) purgeBlob(ctx context.Context, f File) error {
	if f.blobKey == "" {
		return nil
	}
	if f.uploadID != "" {
		if err := s.blobs.Abort(ctx, blob.Upload{Key: f.blobKey, ID: f.uploadID}); err != nil {
			return fmt.Errorf("abort upload of file %s: %w", f.ID, err)
		}
	}
	if err := s.blobs.Delete(ctx, f.blobKey); err != nil {
		return fmt.Errorf("delete blob of file %s: %w", f.ID, err)
	}
	return nil
}

// endPurge forgets who sent it and says that it is gone.
func (s *Service) endPurge(ctx context.Context, t transferRow) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ok, err := changed(tx.ExecContext(ctx, endPurge, t.ID))
		if err != nil || !ok {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: t.AccountID, Kind: account.EventTransferPurged, TransferID: t.ID,
			Detail: map[string]any{"files": t.filesTotal, "bytes": t.bytesStored},
		})
	})
	if err != nil {
		return fmt.Errorf("end purge of transfer %s: %w", t.ID, err)
	}
	return nil
}

// purgeFile takes a deleted file's key, blob and parts away. Its row stays until
// the transfer goes, so that a second delete finds it.
func (s *Service) purgeFile(ctx context.Context, id string) error {
	f, err := scanFile(s.db.QueryRowContext(ctx, deletedFile, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read deleted file: %w", err)
	}
	if err := s.execAll(ctx, id, deleteFileKeys); err != nil {
		return err
	}
	if err := s.purgeBlob(ctx, f); err != nil {
		s.putOff(ctx, putFileOff, id)
		return err
	}
	return s.execAll(ctx, id, deleteParts, forgetBlob)
}

func (s *Service) execAll(ctx context.Context, id string, statements ...string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("purge file %s: %w", id, err)
	}
	return nil
}
