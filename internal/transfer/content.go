package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

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
	missing := func(err error) error { return s.missingBytes(ctx, f, err) }
	return seal.NewOpener(ctx, key, file, s.source(f, missing), seal.OpenerOptions{
		Heads: heads,
		OnDamage: func(part int, segment int64, err error) {
			s.noteDamage(ctx, f, damage{part: part, segment: segment, cause: err})
		},
	}), nil
}

// source reads a file's object. What is to be thought of bytes that are not
// there is for missing to say.
func (s *Service) source(f File, missing func(error) error) seal.Source {
	return func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		body, err := s.blobs.Range(ctx, f.blobKey, off, n)
		if errors.Is(err, blob.ErrNotFound) {
			return nil, missing(err)
		}
		if err != nil {
			return nil, err
		}
		return &shortBody{body, missing}, nil
	}
}

// shortBody tells of an object that ends before its length, or of which a piece
// is not there, which the store keeps apart from a connection that broke.
type shortBody struct {
	io.ReadCloser
	missing func(error) error
}

func (b *shortBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, blob.ErrNotFound) {
		err = b.missing(err)
	}
	return n, err
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
