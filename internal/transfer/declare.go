package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/names"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// MaxDeclared is the largest number of files in one declare.
const MaxDeclared = 1000

// errKeyNeeded starts a declare over: a file that was seen before the
// transaction has gone, so a key has to be made for it, or the account's key that
// the new ones are sealed to was retired.
var errKeyNeeded = errors.New("declared files need keys that were not made")

// candidate is one file of a declare on its way to a row.
type candidate struct {
	index  int
	in     NewFile
	key    string // names.Key as a string
	file   File
	keyID  string // of the account key that seals its file key
	sealed []byte // the file key
	hasKey bool
}

// Declare makes rows for files before their bytes come, reserves their bytes all
// at once and answers for each file what stands. The same path, size and
// modified again is the file as it stands.
//
// Errors, when nothing of it stands: ErrTransferMissing, ErrTransferEnded,
// ErrTransferExpired, *account.QuotaError, ErrLinkFull, ErrTooManyFiles.
func (s *Service) Declare(ctx context.Context, a Access, transferID string, in []NewFile) (Declared, error) {
	head, err := s.receiving(ctx, s.db, a, transferID)
	if err != nil {
		return Declared{}, err
	}
	link, err := s.linkLimits(ctx, head)
	if err != nil {
		return Declared{}, err
	}
	good, bad := s.candidates(in, head, link)
	for range 5 {
		var d Declared
		if err = s.makeKeys(ctx, head, good); err != nil {
			return Declared{}, err
		}
		err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			var err error
			d, err = s.declare(ctx, tx, head, good)
			return err
		})
		if errors.Is(err, errKeyNeeded) {
			continue
		}
		if errors.Is(err, account.ErrQuotaExceeded) {
			return Declared{}, s.quotaError(ctx, head)
		}
		if err != nil {
			return Declared{}, fmt.Errorf("declare files: %w", err)
		}
		d.Errors = mergeErrors(d.Errors, bad)
		return d, nil
	}
	return Declared{}, fmt.Errorf("declare files: %w", err)
}

// linkLimits are the bounds of the transfer's link, zero for a studio's own.
func (s *Service) linkLimits(ctx context.Context, t transferRow) (Link, error) {
	if t.LinkID == "" {
		return Link{}, nil
	}
	l, err := s.scanLink(s.db.QueryRowContext(ctx, anyLinkByID, t.LinkID))
	if err != nil {
		return Link{}, fmt.Errorf("read the transfer's link: %w", err)
	}
	return l, nil
}

// candidates judges each file by itself: its path, its size, and what stands
// before it in the same call.
func (s *Service) candidates(in []NewFile, t transferRow, l Link) ([]candidate, []DeclareError) {
	var good []candidate
	var bad []DeclareError
	now := s.clock()
	for i, f := range in {
		if f.Modified != nil { // as finely as a row holds it
			f.Modified = ptr(f.Modified.UTC().Truncate(time.Microsecond))
		}
		if err := checkNewFile(f, l.MaxFileBytes); err != nil {
			bad = append(bad, DeclareError{Index: i, Path: f.Path, Err: err})
			continue
		}
		partSize := seal.PartSize(f.Size)
		c := candidate{index: i, in: f, key: string(names.Key(f.Path)), file: File{
			ID: db.NewID(), TransferID: t.ID, AccountID: t.AccountID, Path: f.Path, Size: f.Size,
			Modified: f.Modified, Type: f.Type, PartSize: partSize, PartCount: seal.PartCount(f.Size, partSize),
			State: Receiving, Sealing: SealingServer, createdAt: now,
		}}
		if f.Size == 0 { // nothing will come for it
			c.file.State, c.file.CRC32 = Stored, new(uint32)
		}
		good = append(good, c)
	}
	return good, bad
}

func checkNewFile(f NewFile, max *int64) error {
	if err := names.Check(f.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrPathInvalid, err)
	}
	switch {
	case f.Size < 0:
		return ErrSizeInvalid
	case f.Size > seal.MaxFileSize:
		return &FileTooLargeError{Max: seal.MaxFileSize}
	case max != nil && f.Size > *max:
		return &FileTooLargeError{Max: *max}
	case len(f.Type) > 255 || strings.ContainsFunc(f.Type, unicode.IsControl) || !utf8.ValidString(f.Type):
		return &FieldError{Field: "type", Reason: "has more than 255 bytes or control characters"}
	}
	return nil
}

// makeKeys makes file keys before the transaction, since sealing a thousand of
// them takes a tenth of a second. Files that stand already need none.
func (s *Service) makeKeys(ctx context.Context, t transferRow, good []candidate) error {
	keys := make([]string, len(good))
	for i, c := range good {
		keys[i] = c.key
	}
	found, err := s.standing(ctx, s.db, t.ID, keys)
	if err != nil {
		return err
	}
	var standing places
	standing.addAll(found)
	var sealer *account.FileSealer
	for i := range good {
		c := &good[i]
		if standing.at(c.key) != nil || c.hasKey || c.in.Size == 0 {
			continue
		}
		if sealer == nil {
			if sealer, err = s.accounts.NewFileKeys(ctx, t.AccountID); err != nil {
				return fmt.Errorf("open the account's key: %w", err)
			}
		}
		if _, c.keyID, c.sealed, err = sealer.New(c.file.ID); err != nil {
			return fmt.Errorf("make a file key: %w", err)
		}
		c.hasKey = true
	}
	return nil
}

// checkKeys refuses file keys whose account key seals no longer, and forgets
// them. The account is locked, so that none retires meanwhile.
func (s *Service) checkKeys(ctx context.Context, tx *sql.Tx, good []candidate) error {
	seals := map[string]bool{}
	stale := false
	for i := range good {
		c := &good[i]
		if !c.hasKey {
			continue
		}
		if _, known := seals[c.keyID]; !known {
			var err error
			if seals[c.keyID], err = s.accounts.Seals(ctx, tx, c.keyID); err != nil {
				return err
			}
		}
		if !seals[c.keyID] {
			c.hasKey, stale = false, true
		}
	}
	if stale {
		return errKeyNeeded
	}
	return nil
}

// quotaError says how much there still is: of the account's quota and the
// link's bound the lesser.
func (s *Service) quotaError(ctx context.Context, t transferRow) error {
	a, err := s.accounts.ByID(ctx, t.AccountID)
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	var link *Link
	if t.LinkID != "" {
		l, err := s.linkLimits(ctx, t)
		if err != nil {
			return err
		}
		link = &l
	}
	left, err := s.bytesLeft(ctx, a, link)
	if err != nil {
		return err
	}
	if left == nil {
		left = new(int64)
	}
	return &account.QuotaError{Left: *left}
}

// declare does the whole of it under the locks of account, link and transfer.
func (s *Service) declare(ctx context.Context, tx *sql.Tx, head transferRow, good []candidate) (Declared, error) {
	if err := s.lockBearers(ctx, tx, head.AccountID, head.LinkID); err != nil {
		return Declared{}, err
	}
	t, err := scanTransferRow(tx.QueryRowContext(ctx, lockReceiving, head.ID, s.micros()))
	if errors.Is(err, sql.ErrNoRows) { // it ended after the caller looked
		_, err = s.receiving(ctx, tx, Access{AccountID: head.AccountID}, head.ID)
		if err == nil {
			err = ErrTransferEnded
		}
	}
	if err != nil {
		return Declared{}, err
	}
	d, fresh, err := s.decide(ctx, tx, t, good)
	if err != nil || len(fresh) == 0 {
		return d, err
	}
	if err := s.checkKeys(ctx, tx, good); err != nil {
		return Declared{}, err
	}
	// Deleted files keep their rows until the transfer goes, so they are bounded too.
	n := int64(len(fresh))
	if t.filesTotal+n > s.set.MaxFiles || t.nextPosition+n > 2*s.set.MaxFiles {
		return Declared{}, ErrTooManyFiles
	}
	if err := s.bear(ctx, tx, t, fresh); err != nil {
		return Declared{}, err
	}
	if err := s.insertFiles(ctx, tx, t, fresh); err != nil {
		return Declared{}, err
	}
	if t.counted == 0 {
		err = s.accounts.Record(ctx, tx, account.Event{
			AccountID: t.AccountID, Kind: account.EventTransferStarted, Actor: t.sender(), TransferID: t.ID,
		})
	}
	return d, err
}

// bear reserves the new files' bytes with account and link, takes the link's
// place for the first file, and with a lapsed reservation takes that again too.
func (s *Service) bear(ctx context.Context, tx *sql.Tx, t transferRow, fresh []*candidate) error {
	var sum, open int64
	for _, c := range fresh {
		sum += c.in.Size
		if c.in.Size > 0 {
			open++
		}
	}
	lapsed := int64(0)
	if t.reserved == 0 {
		lapsed = t.BytesDeclared - t.BytesReceived
	}
	if err := s.reserve(ctx, tx, t, sum+lapsed); err != nil {
		return err
	}
	if err := s.checkRoom(ctx, tx, t.AccountID, sum+lapsed); err != nil {
		return err
	}
	if t.counted == 0 {
		if err := s.takePlace(ctx, tx, t.LinkID); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, addFiles, t.ID, int64(len(fresh)), open, sum)
	if err != nil {
		return fmt.Errorf("count files: %w", err)
	}
	for i, c := range fresh {
		c.file.Position = t.nextPosition + int64(i)
	}
	return nil
}

// takePlace takes one of the link's transfers; the studio's own have no link.
// Errors: ErrLinkFull.
func (s *Service) takePlace(ctx context.Context, tx *sql.Tx, linkID string) error {
	if linkID == "" {
		return nil
	}
	ok, err := changed(tx.ExecContext(ctx, takePlace, linkID))
	if err != nil {
		return fmt.Errorf("take the link's place: %w", err)
	}
	if !ok {
		return ErrLinkFull
	}
	return nil
}

// reserve takes n bytes from account and link, whose rows are locked. Errors:
// account.ErrQuotaExceeded.
func (s *Service) reserve(ctx context.Context, tx *sql.Tx, t transferRow, n int64) error {
	if err := s.accounts.Reserve(ctx, tx, t.AccountID, n); err != nil {
		return fmt.Errorf("reserve bytes: %w", err)
	}
	if t.LinkID == "" || n == 0 {
		return nil
	}
	ok, err := changed(tx.ExecContext(ctx, holdOnLink, t.LinkID, n))
	if err != nil {
		return fmt.Errorf("hold bytes on the link: %w", err)
	}
	if !ok {
		return account.ErrQuotaExceeded
	}
	return nil
}

// lockBearers takes the locks of account and link, in this order, so that what
// follows may lock the transfer.
func (s *Service) lockBearers(ctx context.Context, tx *sql.Tx, accountID, linkID string) error {
	if err := s.accounts.Lock(ctx, tx, accountID); err != nil {
		return fmt.Errorf("lock account: %w", err)
	}
	if linkID == "" {
		return nil
	}
	if _, err := tx.ExecContext(ctx, lockLink, linkID); err != nil {
		return fmt.Errorf("lock link: %w", err)
	}
	return nil
}

func (s *Service) insertFiles(ctx context.Context, tx *sql.Tx, t transferRow, fresh []*candidate) error {
	const perStatement = 100
	for len(fresh) > 0 {
		n := min(perStatement, len(fresh))
		if err := s.insertChunk(ctx, tx, fresh[:n]); err != nil {
			return fmt.Errorf("insert files: %w", err)
		}
		fresh = fresh[n:]
	}
	return nil
}

func (s *Service) insertChunk(ctx context.Context, tx *sql.Tx, chunk []*candidate) error {
	var files, keys rowList
	for _, c := range chunk {
		f := c.file
		var crc, storedAt *int64
		var source *string
		if f.State == Stored {
			crc, source, storedAt = new(int64), ptr(SealingServer), ptr(db.Micros(f.createdAt))
		}
		files.add(f.ID, f.TransferID, f.AccountID, f.Position, f.Path, []byte(c.key), f.Size, db.NullMicros(f.Modified),
			f.Type, f.PartSize, int64(f.PartCount), f.State, int64(formatV1), f.Sealing, crc, source,
			db.Micros(f.createdAt), storedAt)
		if c.hasKey {
			keys.add(f.ID, c.keyID, c.sealed)
		}
	}
	if _, err := tx.ExecContext(ctx, insertFilesHead+files.text(), files.args...); err != nil {
		return err
	}
	if len(keys.args) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, insertFileKeysHead+keys.text(), keys.args...)
	return err
}

func ptr[T any](v T) *T { return &v }

// sameTime compares two optional times; an unsaid one equals nothing.
func sameTime(a, b *time.Time) bool { return a != nil && b != nil && a.Equal(*b) }
