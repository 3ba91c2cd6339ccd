package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// ensureUpload gives the file's multipart upload and makes it for the first
// part. Two first parts may both make one: a conditional UPDATE picks the
// winner, and the loser aborts its own.
func (s *Service) ensureUpload(ctx context.Context, f *File) (blob.Upload, error) {
	if f.uploadID != "" {
		return blob.Upload{Key: f.blobKey, ID: f.uploadID}, nil
	}
	key, err := s.newKey(f.AccountID)
	if err != nil {
		return blob.Upload{}, err
	}
	id, err := s.blobs.CreateUpload(ctx, key)
	if err != nil {
		return blob.Upload{}, fmt.Errorf("create upload: %w", err)
	}
	mine := blob.Upload{Key: key, ID: id}
	won, err := s.adoptUpload(ctx, f, mine)
	if err != nil {
		return blob.Upload{}, err // perhaps adopted: the sweep aborts it if no row names it
	}
	if won {
		return mine, nil
	}
	s.abortUpload(ctx, mine)
	row, err := scanFile(s.db.QueryRowContext(ctx, fileByID, f.ID, f.AccountID))
	if err != nil {
		return blob.Upload{}, fmt.Errorf("read the winner's upload: %w", missing(err, ErrFileMissing))
	}
	if row.State != Receiving || row.uploadID == "" || row.uploadGen != f.uploadGen {
		return blob.Upload{}, fmt.Errorf("the file moved on meanwhile: %w", ErrStorageUnavailable)
	}
	*f = row
	return blob.Upload{Key: row.blobKey, ID: row.uploadID}, nil
}

func (s *Service) adoptUpload(ctx context.Context, f *File, u blob.Upload) (won bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		won, err = changed(tx.ExecContext(ctx, adoptUpload, f.ID, f.uploadGen, u.Key, u.ID))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("adopt upload: %w", err)
	}
	if won {
		f.blobKey, f.uploadID = u.Key, u.ID
	}
	return won, nil
}

func (s *Service) abortUpload(ctx context.Context, u blob.Upload) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := s.blobs.Abort(ctx, u); err != nil {
		s.log.WarnContext(ctx, "upload not aborted, the sweep will find it", "key", u.Key, "error", err)
	}
}

// uploadGone is met when the bucket knows nothing of an upload that should be
// open. Either another process is just ending it, then the client asks again and
// learns; or the bucket lost it, then the looks begin whose agreement makes the parts
// due again.
func (s *Service) uploadGone(ctx context.Context, f File) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, suspectLoss, f.ID, f.uploadGen, s.micros())
		return err
	})
	if err != nil {
		return fmt.Errorf("note a vanished upload: %w", err)
	}
	s.hint(ctx, JobSeal, f.ID)
	return fmt.Errorf("the file's upload is gone from the bucket: %w", ErrStorageUnavailable)
}

// lookForLoss is one look at an upload that the bucket denied. Found again, all
// is well; gone, the look is counted.
func (s *Service) lookForLoss(ctx context.Context, f File) error {
	_, err := s.blobs.Parts(ctx, blob.Upload{Key: f.blobKey, ID: f.uploadID}, 0, 1)
	if errors.Is(err, blob.ErrUploadNotFound) {
		return s.countLook(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("look for upload: %w", err)
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, foundAgain, f.ID, f.uploadGen)
		return err
	})
}
