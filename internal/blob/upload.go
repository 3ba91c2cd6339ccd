package blob

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// Upload names one multipart upload.
type Upload struct {
	Key string
	ID  string // opaque, from CreateUpload
}

// PartInfo is a part that an unfinished upload holds.
type PartInfo struct {
	Number   int
	Size     int64     // bytes
	ETag     string    // opaque; attempts with other bytes have another one
	Modified time.Time // by the store's clock
}

// PartRef names a part for Complete.
type PartRef struct {
	Number int
	ETag   string // as PutPart or Parts gave it
}

// UploadInfo is an unfinished upload.
type UploadInfo struct {
	Upload
	Initiated time.Time // by the store's clock
}

// UploadMark is a place in the listing of unfinished uploads. Its zero value
// is before the first and after the last.
type UploadMark struct {
	Key string
	ID  string
}

// uploads is the half of a driver that knows multipart uploads. Arguments
// arrive checked, but an ID may be anything that is not empty.
type uploads interface {
	// create begins an upload. Nil means that it is durable and listed.
	create(ctx context.Context, key string) (id string, err error)
	// putPart stores one attempt at a part, the body read to io.EOF. Nil
	// means that it is durable; an error leaves earlier attempts as they were.
	putPart(ctx context.Context, u Upload, n int, b *body) (etag string, err error)
	// parts lists each part's last acknowledged attempt, ascending, above after.
	parts(ctx context.Context, u Upload, after, limit int) ([]PartInfo, error)
	// complete makes the object of the parts, which are ascending. Nil means
	// that it is durable and whole; an error leaves it whole or absent.
	complete(ctx context.Context, u Upload, parts []PartRef) error
	// abort forgets the upload and its parts; a missing one is no error.
	abort(ctx context.Context, u Upload) error
	// unfinished lists uploads above a mark; next is zero at the end.
	unfinished(ctx context.Context, after UploadMark, limit int) (page []UploadInfo, next UploadMark, err error)
}

// CreateUpload begins a multipart upload to a key that was never written. When
// its reply is lost the upload stays until Uploads shows it and Abort ends it.
func (s *Store) CreateUpload(ctx context.Context, key string) (uploadID string, err error) {
	if _, err := ParseKey(key); err != nil {
		return "", err
	}
	err = s.do(ctx, OpCreateUpload, key, func() (err error) {
		uploadID, err = s.uploads.create(ctx, key)
		return err
	})
	if err != nil {
		return "", err
	}
	return uploadID, nil
}

// PutPart stores part n, of exactly size bytes, at least 1. Nil means that the
// part is durable under the ETag. A later attempt at the same part counts in
// place of an earlier one once it is acknowledged; one that fails leaves the
// earlier as it was. Bodies fail as with Put.
func (s *Store) PutPart(ctx context.Context, u Upload, n int, r io.Reader, size int64) (etag string, err error) {
	if err := checkSize(u.Key, size); err != nil {
		return "", err
	}
	if u.ID == "" || n < 1 || n > MaxParts || size == 0 {
		return "", fmt.Errorf("%w: part %d of %d bytes, upload %q", ErrInvalid, n, size, u.ID)
	}
	b := newBody(ctx, r, size)
	err = s.send(ctx, OpPutPart, fmt.Sprintf("%d of %s", n, u.Key), b, func() (err error) {
		etag, err = s.uploads.putPart(ctx, u, n, b)
		return err
	})
	if err != nil {
		return "", err
	}
	return etag, nil
}

// Parts lists what an unfinished upload holds, by number, above after: the
// last acknowledged attempt of each. Pages are as with List. An upload that is
// no more is ErrUploadNotFound.
func (s *Store) Parts(ctx context.Context, u Upload, after, limit int) ([]PartInfo, error) {
	if err := checkUpload(u); err != nil {
		return nil, err
	}
	var page []PartInfo
	err := s.do(ctx, OpParts, "of "+u.Key, func() (err error) {
		page, err = s.uploads.parts(ctx, u, after, pageSize(limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Complete makes the object of the named parts, in the order of their numbers,
// which may have gaps. Nil means that the object is whole and durable.
//
// ErrPartMismatch means that the store does not hold one of the parts under
// its ETag (it may keep only the last attempt at each); the upload stays.
// A repeat of a Complete that worked is nil on some stores and
// ErrUploadNotFound on others: Head then says whether the object is there.
// After any other error the object is there whole or not at all.
func (s *Store) Complete(ctx context.Context, u Upload, parts []PartRef) error {
	if err := checkUpload(u); err != nil {
		return err
	}
	if len(parts) == 0 || len(parts) > MaxParts {
		return fmt.Errorf("%w: complete with %d parts", ErrInvalid, len(parts))
	}
	sorted := slices.SortedFunc(slices.Values(parts), func(a, b PartRef) int { return cmp.Compare(a.Number, b.Number) })
	for i, p := range sorted {
		if p.Number < 1 || p.Number > MaxParts || p.ETag == "" || i > 0 && sorted[i-1].Number == p.Number {
			return fmt.Errorf("%w: complete with part %d, ETag %q", ErrInvalid, p.Number, p.ETag)
		}
	}
	return s.do(ctx, OpComplete, u.Key, func() error { return s.uploads.complete(ctx, u, sorted) })
}

// Abort ends an upload and frees its parts. One that is already gone is no
// error. A part that is just being sent may outlive it on S3: call Abort until
// Uploads no longer shows the upload.
func (s *Store) Abort(ctx context.Context, u Upload) error {
	if err := checkUpload(u); err != nil {
		return err
	}
	return s.do(ctx, OpAbort, u.Key, func() error { return s.uploads.abort(ctx, u) })
}

// Uploads lists unfinished uploads above a mark, by key and then in the
// store's own order. next continues the listing and is zero at its end; a page
// may be short before that. There is no filter by prefix, since not every S3
// server has one that works.
func (s *Store) Uploads(ctx context.Context, after UploadMark, limit int) (page []UploadInfo, next UploadMark, err error) {
	if after.Key != "" && !ValidKey(after.Key) {
		return nil, UploadMark{}, fmt.Errorf("%w: uploads after %.80q", ErrInvalid, after.Key)
	}
	err = s.do(ctx, OpUploads, "after "+after.Key, func() (err error) {
		page, next, err = s.uploads.unfinished(ctx, after, pageSize(limit))
		return err
	})
	if err != nil {
		return nil, UploadMark{}, err
	}
	return page, next, nil
}

func checkUpload(u Upload) error {
	if _, err := ParseKey(u.Key); err != nil {
		return err
	}
	if u.ID == "" {
		return fmt.Errorf("%w: empty upload id", ErrInvalid)
	}
	return nil
}
