package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// countLook notes one look that found neither upload nor whole object, or bytes
// in it that are not those of a part. Only looks that agree for Settings.Lost make
// the parts due again: a bucket that is briefly inconsistent, a single bad read, or
// a wrong bucket in a configuration, loses nothing. The caller holds the file's
// lease, which ends with it. Errors: errLeaseLost.
func (s *Service) countLook(ctx context.Context, f File) error {
	now := s.clock()
	var since, looks int64
	agreed := func() bool { return looks >= 3 && now.Sub(db.Time(since)) >= s.set.Lost }
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx, countLook, f.ID, f.uploadGen, db.Micros(now), s.owner)
		if err := row.Scan(&since, &looks); err != nil || agreed() {
			return missing(err, errLeaseLost)
		}
		pause := min(time.Minute<<min(f.looks, 6), time.Hour)
		_, err := tx.ExecContext(ctx, yieldLease, f.ID, s.owner, db.Micros(now.Add(pause)))
		return err
	})
	if err != nil {
		return fmt.Errorf("count a look: %w", err)
	}
	if !agreed() {
		return fmt.Errorf("neither upload nor whole object is in the bucket (look %d): %w", looks, ErrStorageUnavailable)
	}
	return s.newGeneration(ctx, f)
}

// newGeneration gives up what the bucket lost: the file starts over with a new
// upload, and its parts are asked for again. Only who holds its lease does that.
func (s *Service) newGeneration(ctx context.Context, f File) error {
	head, err := s.readTransfer(ctx, s.db, Access{AccountID: f.AccountID}, f.TransferID)
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockBearers(ctx, tx, f.AccountID, head.LinkID); err != nil {
			return err
		}
		t, err := scanTransferRow(tx.QueryRowContext(ctx, lockTransfer, f.TransferID))
		if err != nil {
			return err
		}
		ok, err := changed(tx.ExecContext(ctx, restartFile, f.ID, f.uploadGen, s.owner))
		if err != nil || !ok {
			return errors.Join(err, errNoChange)
		}
		lost, err := scanOne[int64](tx.QueryRowContext(ctx, bytesOfFile, f.ID))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, deleteParts, f.ID); err != nil {
			return err
		}
		if err := s.unreceive(ctx, tx, t, lost); err != nil {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: f.AccountID, Kind: account.EventFileLost, TransferID: f.TransferID, FileID: f.ID,
			Detail: map[string]any{"bytes": lost},
		})
	})
	if errors.Is(err, errNoChange) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start file over: %w", err)
	}
	s.log.ErrorContext(ctx, "the bucket lost the parts of a file; they are asked for again", "file", f.ID)
	return nil
}

// unreceive takes received bytes off a transfer. While its reservation lapsed
// it bears only received bytes, so those are given back too.
func (s *Service) unreceive(ctx context.Context, tx *sql.Tx, t transferRow, n int64) error {
	if _, err := tx.ExecContext(ctx, unreceiveBytes, t.ID, n); err != nil {
		return fmt.Errorf("uncount received bytes: %w", err)
	}
	if t.reserved == 1 || t.charged == 0 {
		return nil
	}
	if err := s.accounts.Release(ctx, tx, t.AccountID, n); err != nil {
		return fmt.Errorf("release lost bytes: %w", err)
	}
	return s.letGo(ctx, tx, t.LinkID, n)
}

// readBack authenticates the parts whose CRC is not known to be of the bytes
// that the bucket holds, and sets their rows right.
func (s *Service) readBack(ctx context.Context, f File, parts []partRow) ([]partRow, error) {
	for i, p := range parts {
		if p.crc32 != unverified {
			continue
		}
		sum, head, err := s.readPart(ctx, f, p.number)
		if errors.Is(err, seal.ErrDamaged) {
			return nil, errors.Join(fmt.Errorf("part %d: %w", p.number, err), s.countLook(ctx, f))
		}
		if err != nil {
			return nil, fmt.Errorf("read part %d back: %w", p.number, err)
		}
		err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if err := s.keepLease(ctx, tx, f); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, verifyPart, f.ID, p.number, int64(sum), head[:])
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("set part %d right: %w", p.number, err)
		}
		parts[i].crc32 = int64(sum)
	}
	return parts, nil
}

// readPart reads one part of the finished object and gives the CRC of its plain
// bytes and the head that opens it.
func (s *Service) readPart(ctx context.Context, f File, n int) (sum uint32, head [seal.HeadSize]byte, err error) {
	key, err := s.accounts.FileKey(ctx, f.ID, f.AccountID)
	if err != nil {
		return 0, head, fmt.Errorf("open file key: %w", err)
	}
	start := int64(n-1) * seal.SealedLen(f.PartSize) // all parts before the last are full
	raw, err := s.blobs.Range(ctx, f.blobKey, start, seal.HeaderSize)
	if err != nil {
		return 0, head, err
	}
	defer func() { _ = raw.Close() }()
	var header [seal.HeaderSize]byte
	if _, err := io.ReadFull(raw, header[:]); err != nil {
		return 0, head, err
	}
	copy(head[:], header[1:])
	o, err := s.opener(ctx, key, f, func(context.Context, int) ([seal.HeadSize]byte, bool, error) { return head, true, nil })
	if err != nil {
		return 0, head, err
	}
	defer func() { _ = o.Close() }()
	if _, err := o.Seek(int64(n-1)*f.PartSize, io.SeekStart); err != nil {
		return 0, head, err
	}
	length := f.partLen(n)
	o.Limit(length)
	crc := crc32.NewIEEE()
	if _, err := io.CopyN(crc, o, length); err != nil {
		return 0, head, err
	}
	return crc.Sum32(), head, nil
}
