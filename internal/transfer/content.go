package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// Content is a stored file's plain bytes, opened for reading anywhere. Reading
// fails with ErrDamaged where stored bytes do not authenticate.
type Content struct {
	*seal.Opener
	File     File
	ETag     string    // strong, with its quotes
	Modified time.Time // as the sender said, else when it was stored
}

// OpenFile opens a file for its studio. Nothing is read before the first Read.
// Errors: ErrFileMissing, ErrFileNotReady, ErrKeyUnavailable.
func (s *Service) OpenFile(ctx context.Context, a Access, fileID string) (*Content, error) {
	f, err := s.readFile(ctx, s.db, a, fileID)
	if err != nil {
		return nil, err
	}
	t, err := s.readTransfer(ctx, s.db, a, f.TransferID)
	if errors.Is(err, ErrTransferMissing) || err == nil && t.State != Receiving && t.State != Complete {
		return nil, ErrFileMissing
	}
	if err != nil {
		return nil, err
	}
	return s.open(ctx, f)
}

// OpenShared opens a file for who has the code of a share. Errors as OpenFile.
func (s *Service) OpenShared(ctx context.Context, a ShareAccess, fileID string) (*Content, error) {
	f, err := s.readFile(ctx, s.db, Access{AccountID: a.AccountID, TransferID: a.TransferID}, fileID)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, f)
}

func (s *Service) open(ctx context.Context, f File) (*Content, error) {
	if f.State != Stored && f.State != Damaged {
		return nil, ErrFileNotReady
	}
	key, err := s.keyOf(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("open file key: %w", err)
	}
	o, err := s.opener(ctx, key, f, s.headsOf(f))
	if err != nil {
		return nil, err
	}
	return &Content{
		Opener: o, File: f, ETag: fmt.Sprintf("%q", fmt.Sprintf("%s-%08x", f.ID, *f.CRC32)), Modified: f.When(),
	}, nil
}

// keyOf is the file's key. An empty file has no part and so no key: any will do
// to open nothing.
func (s *Service) keyOf(ctx context.Context, f File) (seal.Key, error) {
	if f.Size == 0 {
		return seal.NewKey(s.rand)
	}
	return s.accounts.FileKey(ctx, f.ID, f.AccountID)
}

// opener joins key, blob and heads into a reader of plain bytes.
func (s *Service) opener(ctx context.Context, key seal.Key, f File, heads seal.Heads) (*seal.Opener, error) {
	file, err := f.sealFile()
	if err != nil {
		return nil, err
	}
	source := func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		body, err := s.blobs.Range(ctx, f.blobKey, off, n)
		if errors.Is(err, blob.ErrNotFound) {
			return nil, s.missingBytes(ctx, f, err)
		}
		if err != nil {
			return nil, err
		}
		return &shortBody{body, func(err error) error { return s.missingBytes(ctx, f, err) }}, nil
	}
	return seal.NewOpener(ctx, key, file, source, seal.OpenerOptions{
		Heads: heads,
		OnDamage: func(part int, segment int64, err error) {
			s.noteDamage(ctx, f, part, segment, err)
		},
	}), nil
}

// shortBody tells of an object that ends before its length, which the store
// keeps apart from a connection that broke.
type shortBody struct {
	io.ReadCloser
	missing func(error) error
}

func (b *shortBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = b.missing(err)
	}
	return n, err
}

// missingBytes is met when a stored file's object is not there or not all there.
// If a second look agrees it is damage, unless the transfer has ended meanwhile
// and its objects are being deleted.
func (s *Service) missingBytes(ctx context.Context, f File, cause error) error {
	info, err := s.blobs.Head(ctx, f.blobKey)
	if err != nil && !errors.Is(err, blob.ErrNotFound) || err == nil && info.Size == seal.SealedSize(f.Size, f.PartSize) {
		return fmt.Errorf("stored bytes did not come: %w: %w", cause, ErrStorageUnavailable)
	}
	t, err := s.readTransfer(ctx, s.db, Access{AccountID: f.AccountID}, f.TransferID)
	if err != nil || t.State != Receiving && t.State != Complete {
		return errors.Join(err, ErrFileMissing)
	}
	s.noteDamage(ctx, f, 0, 0, cause)
	return fmt.Errorf("stored bytes are missing: %w", ErrDamaged)
}

// headsOf reads a part's salt and prefix from its row, which spares a request
// to the bucket.
func (s *Service) headsOf(f File) seal.Heads {
	return func(ctx context.Context, part int) (head [seal.HeadSize]byte, known bool, err error) {
		b, err := scanOne[[]byte](s.db.QueryRowContext(ctx, headOfPart, f.ID, part))
		if errors.Is(err, sql.ErrNoRows) {
			return head, false, nil
		}
		if err != nil {
			return head, false, fmt.Errorf("read a part's head: %w", err)
		}
		return head, copy(head[:], b) == seal.HeadSize, nil
	}
}

// noteDamage marks the file and tells the studio, once.
func (s *Service) noteDamage(ctx context.Context, f File, part int, segment int64, cause error) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	s.log.ErrorContext(ctx, "stored bytes do not authenticate", "file", f.ID, "part", part, "segment", segment, "error", cause)
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		first, err := changed(tx.ExecContext(ctx, markDamaged, f.ID))
		if err != nil || !first {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: f.AccountID, Kind: account.EventFileDamaged, TransferID: f.TransferID, FileID: f.ID,
			Detail: map[string]any{"part": part, "segment": segment},
		})
	})
	if err != nil {
		s.log.ErrorContext(ctx, "damage not recorded", "file", f.ID, "error", err)
	}
}
