package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

// scanFile reads the columns of fileColumns.
func scanFile(row scanner) (File, error) { return scanFileAnd(row) }

// scanFileAnd reads the columns of fileColumns and what follows them.
func scanFileAnd(row scanner, more ...any) (File, error) {
	var f File
	var modified, crc, stored *int64
	var created int64
	var key, upload *string
	err := row.Scan(append([]any{&f.ID, &f.TransferID, &f.AccountID, &f.Position, &f.Path, &f.pathKey, &f.Size,
		&modified, &f.Type, &f.PartSize, &f.PartCount, &f.partsStored, &f.State, &f.Sealing, &f.uploadGen,
		&key, &upload, &crc, &f.looks, &created, &stored}, more...)...)
	if err != nil {
		return File{}, err
	}
	f.Modified, f.createdAt, f.storedAt = db.NullTime(modified), db.Time(created), db.NullTime(stored)
	f.blobKey, f.uploadID = orEmpty(key), orEmpty(upload)
	if crc != nil {
		f.CRC32 = ptr(uint32(*crc))
	}
	return f, nil
}

// readFile gives the file if a may see it. Errors: ErrFileMissing, also for a
// deleted one.
func (s *Service) readFile(ctx context.Context, q db.Querier, a Access, id string) (File, error) {
	f, err := scanFile(q.QueryRowContext(ctx, fileByID, id, a.AccountID))
	if err == nil && a.TransferID != "" && a.TransferID != f.TransferID {
		err = ErrFileMissing
	}
	if err != nil {
		return File{}, fmt.Errorf("read file: %w", missing(err, ErrFileMissing))
	}
	return f, nil
}

// File gives one file with what was received of it. Errors: ErrFileMissing.
func (s *Service) File(ctx context.Context, a Access, id string) (File, error) {
	f, err := s.readFile(ctx, s.db, a, id)
	if err != nil {
		return File{}, err
	}
	one := []File{f}
	err = s.fillReceived(ctx, s.db, one)
	return one[0], err
}

// Files lists a transfer's files in the order of their declaration. Errors:
// ErrTransferMissing, account.ErrCursor.
func (s *Service) Files(ctx context.Context, a Access, transferID string, p Page) ([]File, string, error) {
	if _, err := s.readTransfer(ctx, s.db, a, transferID); err != nil {
		return nil, "", err
	}
	files, next, err := s.filesPage(ctx, transferID, p)
	if err != nil {
		return nil, "", err
	}
	return files, next, s.fillReceived(ctx, s.db, files)
}

func (s *Service) filesPage(ctx context.Context, transferID string, p Page) ([]File, string, error) {
	after, limit, err := pageAfter(p)
	if err != nil {
		return nil, "", err
	}
	files, err := queryAll(ctx, s.db, scanFile, filesOfTransfer, transferID, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list files: %w", err)
	}
	files, next := cut(files, limit, func(f File) string { return strconv.FormatInt(f.Position, 10) })
	return files, next, nil
}

// pageAfter reads the cursor of a list that is sorted by a number.
func pageAfter(p Page) (after int64, limit int, err error) {
	_, limit, err = Page{Limit: p.Limit}.Before()
	if err != nil || p.Cursor == "" {
		return -1, limit, err
	}
	after, err = strconv.ParseInt(p.Cursor, 10, 64)
	if err != nil || after < 0 {
		return 0, 0, account.ErrCursor
	}
	return after, limit, nil
}

// fillReceived sets Received of each file: read from its parts only where some
// but not all have come.
func (s *Service) fillReceived(ctx context.Context, q db.Querier, files []File) error {
	partial := make(map[string]*File)
	var ids []any
	for i := range files {
		f := &files[i]
		switch {
		case f.partsStored == 0:
			f.Received = []Range{}
		case f.partsStored == f.PartCount:
			f.Received = []Range{{1, f.PartCount}}
		default:
			partial[f.ID] = f
			ids = append(ids, f.ID)
		}
	}
	for chunk := range slices.Chunk(ids, pathsPerStatement) {
		if err := s.fillChunk(ctx, q, partial, chunk); err != nil {
			return fmt.Errorf("read received parts: %w", err)
		}
	}
	return nil
}

func (s *Service) fillChunk(ctx context.Context, q db.Querier, partial map[string]*File, ids []any) error {
	rows, err := q.QueryContext(ctx, numbersHead+placeholders(1, len(ids))+numbersTail, ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		f := partial[id]
		if last := len(f.Received) - 1; last >= 0 && f.Received[last].Last == n-1 {
			f.Received[last].Last = n
		} else {
			f.Received = append(f.Received, Range{n, n})
		}
	}
	return rows.Err()
}

// Parts lists a file's recorded parts by number. Errors: ErrFileMissing,
// account.ErrCursor, ErrStorageUnavailable while a part is being read back.
func (s *Service) Parts(ctx context.Context, a Access, fileID string, p Page) ([]Part, string, error) {
	after, limit, err := pageAfter(p)
	if err != nil {
		return nil, "", err
	}
	if _, err := s.readFile(ctx, s.db, a, fileID); err != nil {
		return nil, "", err
	}
	parts, err := queryAll(ctx, s.db, scanPart, partsPage, fileID, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list parts: %w", err)
	}
	parts, next := cut(parts, limit, func(p recordedRow) string { return strconv.Itoa(p.Number) })
	out := make([]Part, len(parts))
	for i, p := range parts {
		if p.crc32 == unverified { // no CRC is better than one of other bytes
			return nil, "", fmt.Errorf("part %d is being read back: %w", p.Number, ErrStorageUnavailable)
		}
		p.CRC32 = uint32(p.crc32)
		out[i] = p.Part
	}
	return out, next, nil
}

// recordedRow is a part as its row has it.
type recordedRow struct {
	Part
	crc32 int64 // or unverified
}

func scanPart(row scanner) (recordedRow, error) {
	var p recordedRow
	err := row.Scan(&p.Number, &p.Size, &p.crc32)
	return p, err
}

// DeleteFile takes a file out of a transfer that still receives, and gives its
// bytes back. Deleting again is no error. Errors: ErrFileMissing,
// ErrTransferEnded, ErrTransferExpired.
func (s *Service) DeleteFile(ctx context.Context, a Access, id string) error {
	f, err := scanFile(s.db.QueryRowContext(ctx, anyFileByID, id, a.AccountID))
	if err == nil && a.TransferID != "" && a.TransferID != f.TransferID {
		err = ErrFileMissing
	}
	if err != nil {
		return fmt.Errorf("delete file: %w", missing(err, ErrFileMissing))
	}
	if f.State == Deleted {
		return nil
	}
	head, err := s.receiving(ctx, s.db, a, f.TransferID)
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return s.deleteFile(ctx, tx, head, id, a.actor())
	})
	if errors.Is(err, errNoChange) {
		return s.refusalAfter(ctx, a, f.TransferID)
	}
	if err != nil {
		return fmt.Errorf("delete file: %w", err)
	}
	s.hint(ctx, JobPurgeFile, id)
	return nil
}

// refusalAfter explains why a transfer that was receiving just now let nothing
// change: it ended, or somebody else made the same change, which is no error.
func (s *Service) refusalAfter(ctx context.Context, a Access, transferID string) error {
	_, err := s.receiving(ctx, s.db, a, transferID)
	return err
}

func (s *Service) deleteFile(ctx context.Context, tx *sql.Tx, head transferRow, id, actor string) error {
	if err := s.lockBearers(ctx, tx, head.AccountID, head.LinkID); err != nil {
		return err
	}
	t, err := scanTransferRow(tx.QueryRowContext(ctx, lockReceiving, head.ID, s.micros()))
	if err != nil {
		return missing(err, errNoChange)
	}
	// The transfer's lock keeps the file as it is: parts and completion take it first.
	f, err := scanFile(tx.QueryRowContext(ctx, fileByID, id, head.AccountID))
	if err != nil {
		return missing(err, errNoChange)
	}
	received, err := scanOne[int64](tx.QueryRowContext(ctx, bytesOfFile, id))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, markFileDeleted, id, s.micros()); err != nil {
		return err
	}
	if err := s.giveBack(ctx, tx, t, f, received); err != nil {
		return err
	}
	return s.accounts.Record(ctx, tx, account.Event{
		AccountID: f.AccountID, Kind: account.EventFileDeleted, Actor: actor,
		TransferID: f.TransferID, FileID: f.ID,
	})
}

// giveBack takes one file's bytes off its transfer, account and link.
func (s *Service) giveBack(ctx context.Context, tx *sql.Tx, t transferRow, f File, received int64) error {
	open, stored, borne := int64(1), int64(0), f.Size
	if f.State == Stored || f.State == Damaged {
		open, stored, received = 0, f.Size, f.Size
		if err := s.accounts.Unuse(ctx, tx, t.AccountID, f.Size); err != nil {
			return err
		}
	} else {
		if t.reserved == 0 {
			borne = received
		}
		if err := s.accounts.Release(ctx, tx, t.AccountID, borne); err != nil {
			return err
		}
	}
	if err := s.letGo(ctx, tx, t.LinkID, borne); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, removeFile, t.ID, open, f.Size, received, stored)
	return err
}
