package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// sealJob is the queue's way to a file that waits for its object. One that was
// purged meanwhile waits no longer.
func (s *Service) sealJob(ctx context.Context, fileID string) error {
	_, err := s.completeFile(ctx, fileID)
	if errors.Is(err, ErrFileMissing) || errors.Is(err, ErrTransferMissing) {
		return nil
	}
	if errors.Is(err, account.ErrShredded) { // no further try finds a key that was destroyed
		return jobs.Permanent(err)
	}
	return err
}

// completeFile takes a file from sealing to stored, if this process gets the
// lease, and gives the state in which it leaves it. It may be called any number
// of times.
func (s *Service) completeFile(ctx context.Context, fileID string) (state string, err error) {
	f, err := s.leaseFile(ctx, fileID)
	if errors.Is(err, errNoChange) {
		return s.fileState(ctx, fileID)
	}
	if err != nil {
		return Sealing, err
	}
	if f.State == Receiving { // only its upload is in doubt
		err := s.lookForLoss(ctx, f)
		if errors.Is(err, errLeaseLost) {
			err = nil
		}
		return Receiving, err
	}
	held, release := hold(ctx, s.set.Lease, func(ctx context.Context) error { return s.renewLease(ctx, f) })
	err = s.completeLeased(held, f)
	release()
	if err == nil || errors.Is(err, errLeaseLost) { // lost: another process goes on with it
		return s.fileState(ctx, fileID)
	}
	s.yieldLease(ctx, f, 5*time.Second)
	return Sealing, fmt.Errorf("complete file %s: %w", fileID, err)
}

// leaseFile makes this process the only one that completes the file until the
// lease ends; hold renews it. Errors: errNoChange.
func (s *Service) leaseFile(ctx context.Context, fileID string) (f File, err error) {
	now := s.clock()
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		f, err = scanFile(tx.QueryRowContext(ctx, leaseFile, fileID, s.owner, db.Micros(now.Add(s.set.Lease)), db.Micros(now)))
		return missing(err, errNoChange)
	})
	if err != nil && !errors.Is(err, errNoChange) {
		err = fmt.Errorf("lease file: %w", err)
	}
	return f, err
}

// renewLease begins the lease anew. Errors: errLeaseLost.
func (s *Service) renewLease(ctx context.Context, f File) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error { return s.keepLease(ctx, tx, f) })
}

// keepLease begins the lease anew and locks the file, so that what follows in
// the transaction is done by its holder or not at all: a process that stood
// still for longer than its lease may wake up in the middle of a step. Errors:
// errLeaseLost.
func (s *Service) keepLease(ctx context.Context, tx *sql.Tx, f File) error {
	ok, err := changed(tx.ExecContext(ctx, renewLease, f.ID, s.owner, db.Micros(s.clock().Add(s.set.Lease))))
	if err == nil && !ok {
		err = errLeaseLost
	}
	return err
}

// yieldLease lets the next try begin after a pause instead of the lease's end.
func (s *Service) yieldLease(ctx context.Context, f File, pause time.Duration) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, yieldLease, f.ID, s.owner, db.Micros(s.clock().Add(pause)))
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "lease not given back, it will end by itself", "file", f.ID, "error", err)
	}
}

func (s *Service) fileState(ctx context.Context, fileID string) (string, error) {
	state, err := scanOne[string](s.db.QueryRowContext(ctx, fileStateByID, fileID))
	if err != nil {
		return Sealing, fmt.Errorf("read file state: %w", missing(err, ErrFileMissing))
	}
	return state, nil
}

// completeLeased asks the bucket to make one object of the parts, and believes
// only what the bucket then shows.
func (s *Service) completeLeased(ctx context.Context, f File) error {
	parts, err := queryAll(ctx, s.db, scanPartRow, partsOfFile, f.ID)
	if err != nil {
		return fmt.Errorf("read parts: %w", err)
	}
	up := blob.Upload{Key: f.blobKey, ID: f.uploadID}
	err = s.blobs.Complete(ctx, up, refsOf(parts))
	// No part of ours is too small: the bucket holds something else.
	if errors.Is(err, blob.ErrPartMismatch) || errors.Is(err, blob.ErrTooSmall) {
		var whole bool
		if parts, whole, err = s.followHeld(ctx, f, up, parts); err != nil {
			return err // also where the upload has gone meanwhile: the next try tells
		}
		if !whole {
			err = s.blobs.Complete(ctx, up, refsOf(parts))
		}
	}
	if err != nil && !errors.Is(err, blob.ErrUploadNotFound) {
		return fmt.Errorf("complete upload: %w", err)
	}
	// Done, or done before and only the answer was lost: the object tells.
	whole, err := s.isWhole(ctx, f)
	if err != nil {
		return err
	}
	if !whole {
		return s.countLook(ctx, f)
	}
	if parts, err = s.readBack(ctx, f, parts); err != nil {
		return err
	}
	return s.settleFile(ctx, f, parts)
}

// isWhole asks the bucket for the finished object. No key is written twice, so
// the exact sealed size is proof.
func (s *Service) isWhole(ctx context.Context, f File) (bool, error) {
	info, err := s.blobs.Head(ctx, f.blobKey)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the object: %w", err)
	}
	return info.Size == seal.SealedSize(f.Size, f.PartSize), nil
}

// followHeld handles a bucket that refused the recorded ETags. If the object is
// whole, an earlier try made it of what is recorded: an attempt that arrived
// while the bucket was completing can have opened the upload anew, as some
// buckets have it, with nothing but itself. Else what the bucket holds is
// adopted, for another Complete.
func (s *Service) followHeld(ctx context.Context, f File, up blob.Upload, parts []partRow) (now []partRow, whole bool, err error) {
	whole, err = s.isWhole(ctx, f)
	if err != nil || whole {
		return parts, whole, err
	}
	now, err = s.adoptHeld(ctx, f, up, parts)
	return now, false, err
}

// partRow is a recorded part as completion needs it.
type partRow struct {
	number int
	size   int64
	crc32  int64
	etag   string
}

func scanPartRow(row scanner) (partRow, error) {
	var p partRow
	err := row.Scan(&p.number, &p.size, &p.crc32, &p.etag)
	return p, err
}

func refsOf(parts []partRow) []blob.PartRef {
	refs := make([]blob.PartRef, len(parts))
	for i, p := range parts {
		refs[i] = blob.PartRef{Number: p.number, ETag: p.etag}
	}
	return refs
}

// adoptHeld handles a bucket that holds other attempts than the recorded ones:
// of two bodies for one part it keeps the one that arrived last. What it holds
// is whole and sealed, so the rows follow it. They are marked first, so that a
// crash cannot leave a CRC beside bytes that it is not of.
func (s *Service) adoptHeld(ctx context.Context, f File, up blob.Upload, parts []partRow) ([]partRow, error) {
	held, err := s.heldParts(ctx, up)
	if err != nil {
		return nil, err
	}
	adopted := slices.Clone(parts)
	for i, p := range parts {
		h, ok := held[p.number]
		if !ok || h.Size != seal.SealedLen(p.size) {
			err := fmt.Errorf("the bucket does not hold part %d whole: %w", p.number, blob.ErrPartMismatch)
			return nil, errors.Join(err, s.countLook(ctx, f))
		}
		if h.ETag != p.etag {
			adopted[i].etag, adopted[i].crc32 = h.ETag, unverified
		}
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.keepLease(ctx, tx, f); err != nil {
			return err
		}
		for i, p := range adopted {
			if p.etag == parts[i].etag {
				continue
			}
			if _, err := tx.ExecContext(ctx, adoptETag, f.ID, p.number, p.etag); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("follow the bucket's parts: %w", err)
	}
	s.log.WarnContext(ctx, "the bucket held other attempts than were recorded", "file", f.ID)
	return adopted, nil
}

func (s *Service) heldParts(ctx context.Context, up blob.Upload) (map[int]blob.PartInfo, error) {
	held := make(map[int]blob.PartInfo)
	for after := 0; ; {
		page, err := s.blobs.Parts(ctx, up, after, 1000)
		if err != nil {
			return nil, fmt.Errorf("list parts: %w", err)
		}
		if len(page) == 0 {
			return held, nil
		}
		for _, p := range page {
			held[p.Number] = p
		}
		after = page[len(page)-1].Number
	}
}

// settleFile makes the file stored and its bytes used. Nothing changes when
// another process did it, or when the transfer ended meanwhile: that has given
// its bytes back, and the purge takes the object. So the counters come last,
// under locks taken in their order.
func (s *Service) settleFile(ctx context.Context, f File, parts []partRow) error {
	var crc uint32
	for _, p := range parts {
		crc = seal.CombineCRC32(crc, uint32(p.crc32), p.size)
	}
	head, err := s.readTransfer(ctx, s.db, Access{AccountID: f.AccountID}, f.TransferID)
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, f.AccountID, head.LinkID); err != nil {
			return err
		}
		ok, err := changed(tx.ExecContext(ctx, storeOnTransfer, f.TransferID, f.Size))
		if err == nil && ok {
			ok, err = changed(tx.ExecContext(ctx, storeFile, f.ID, s.owner, int64(crc), s.micros()))
		}
		if err == nil && !ok {
			err = errNoChange
		}
		if err != nil {
			return err
		}
		return s.settle(ctx, tx, f.AccountID, head.LinkID, f.Size)
	})
	if errors.Is(err, errNoChange) {
		s.yieldLease(ctx, f, time.Hour) // until the purge, or an undo
		return nil
	}
	if err != nil {
		return fmt.Errorf("make file stored: %w", err)
	}
	return nil
}
