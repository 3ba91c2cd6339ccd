package transfer

import (
	"context"
	"fmt"
	"time"
)

// Archive is a complete transfer as one thing to fetch. Its files never change
// again.
type Archive struct {
	scope    Access
	Title    string
	Modified time.Time // when it was completed
}

// TransferID is the transfer's id.
func (a Archive) TransferID() string { return a.scope.TransferID }

// OpenArchive gives a whole transfer to its studio. Errors: ErrTransferMissing,
// ErrFileNotReady while it is not complete.
func (s *Service) OpenArchive(ctx context.Context, a Access, transferID string) (Archive, error) {
	t, err := s.readTransfer(ctx, s.db, a, transferID)
	if err != nil {
		return Archive{}, err
	}
	if t.State != Complete {
		return Archive{}, ErrFileNotReady
	}
	return Archive{scope: Access{AccountID: t.AccountID, TransferID: t.ID}, Title: t.Title, Modified: *t.CompletedAt}, nil
}

// SharedArchive gives a whole transfer to who has the code of a share.
func (s *Service) SharedArchive(ctx context.Context, a ShareAccess) (Archive, error) {
	return s.OpenArchive(ctx, Access{AccountID: a.AccountID}, a.TransferID)
}

// ArchiveFiles lists the archive's files whose position is above after, in the
// order of declaration; fewer than limit are the last.
func (s *Service) ArchiveFiles(ctx context.Context, a Archive, after int64, limit int) ([]File, error) {
	files, err := queryAll(ctx, s.db, scanFile, filesOfTransfer, a.scope.TransferID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list an archive's files: %w", err)
	}
	return files, nil
}

// OpenInArchive opens the file at a position. Errors: as OpenFile.
func (s *Service) OpenInArchive(ctx context.Context, a Archive, position int64) (*Content, error) {
	f, err := scanFile(s.db.QueryRowContext(ctx, fileAtPosition, a.scope.TransferID, position))
	if err != nil {
		return nil, fmt.Errorf("find a file of the archive: %w", missing(err, ErrFileMissing))
	}
	return s.open(ctx, f)
}

// When is the file's date: as the sender said, else when it was stored.
func (f File) When() time.Time {
	switch {
	case f.Modified != nil:
		return *f.Modified
	case f.storedAt != nil:
		return *f.storedAt
	}
	return f.createdAt
}
