package transfer

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

const (
	originGuest  = "guest"
	originStudio = "studio"
	minCode      = 8 // characters of a code that a studio chose
	maxCode      = 64
	maxPeople    = 100 // recipients that a share names
)

// shareRow is a share as it is stored, with what its transfer decides.
type shareRow struct {
	id, transferID, accountID, origin string
	token                             string // while it is made
	tokenHash, tokenSealed, codeHash  []byte
	codeKey                           int64
	recipients                        []string
	maxDownloads                      *int64
	downloads                         int64
	expiresAt, revokedAt              *int64
	createdAt                         int64
	transferState                     string
	transferExpires                   int64
}

func scanShare(row scanner) (shareRow, error) {
	var r shareRow
	var people string
	err := row.Scan(&r.id, &r.transferID, &r.accountID, &r.origin, &r.tokenSealed, &r.codeHash, &r.codeKey, &people,
		&r.maxDownloads, &r.downloads, &r.expiresAt, &r.revokedAt, &r.createdAt, &r.transferState, &r.transferExpires)
	if err != nil {
		return shareRow{}, err
	}
	return r, json.Unmarshal([]byte(people), &r.recipients)
}

// end is when the share ends: never after its transfer.
func (r shareRow) end() int64 {
	if r.expiresAt != nil {
		return min(*r.expiresAt, r.transferExpires)
	}
	return r.transferExpires
}

// refusal is why the share shows nothing any more, nil while it does. Used up
// is no such reason: who unlocked it earlier goes on.
func (r shareRow) refusal(now time.Time) error {
	switch {
	case r.revokedAt != nil, r.transferState == Deleted, r.transferState == Purged, r.transferState == Aborted:
		return ErrShareRevoked
	case r.transferState != Complete, r.end() <= db.Micros(now):
		return ErrShareExpired
	}
	return nil
}

func (r shareRow) usedUp() bool { return r.maxDownloads != nil && r.downloads >= *r.maxDownloads }

func (r shareRow) share(now time.Time) Share {
	s := Share{
		ID: r.id, TransferID: r.transferID, AccountID: r.accountID, State: ShareActive, ExpiresAt: db.Time(r.end()),
		MaxDownloads: r.maxDownloads, Downloads: r.downloads, Recipients: r.recipients, CreatedAt: db.Time(r.createdAt),
	}
	switch err := r.refusal(now); {
	case errors.Is(err, ErrShareRevoked):
		s.State = ShareRevoked
	case err != nil:
		s.State = ShareExpired
	case r.usedUp():
		s.State = ShareUsedUp
	}
	return s
}

// deriveShare gives the token and code of a transfer's first share: whoever has
// the upload token can ask for them again, and nobody has to keep them.
func deriveShare(uploadToken, transferID string) (token, code string, err error) {
	t, err := derive([]byte(uploadToken), shareLabel, transferID)
	if err != nil {
		return "", "", err
	}
	c, err := derive([]byte(uploadToken), codeLabel, transferID)
	if err != nil {
		return "", "", err
	}
	return base64.RawURLEncoding.EncodeToString(t), account.CodeOf([5]byte(c[:5])), nil
}

// guestShare makes the row of a transfer's first share.
func (s *Service) guestShare(ctx context.Context, t transferRow, uploadToken string) (shareRow, error) {
	token, code, err := deriveShare(uploadToken, t.ID)
	if err != nil {
		return shareRow{}, err
	}
	return s.newShare(ctx, t, originGuest, token, code)
}

func (s *Service) newShare(ctx context.Context, t transferRow, origin, token, code string) (shareRow, error) {
	hash, version, err := s.accounts.HashCode(ctx, account.FoldCode(code))
	if err != nil {
		return shareRow{}, fmt.Errorf("hash a share's code: %w", err)
	}
	return shareRow{
		id: db.NewID(), transferID: t.ID, accountID: t.AccountID, origin: origin, token: token,
		tokenHash: account.HashSecret(token), codeHash: hash, codeKey: int64(version), recipients: []string{},
		createdAt: s.micros(), transferState: Complete, transferExpires: db.Micros(t.ExpiresAt),
	}, nil
}

func (s *Service) insertShare(ctx context.Context, tx *sql.Tx, r shareRow) error {
	people, err := json.Marshal(r.recipients)
	if err != nil {
		return fmt.Errorf("write recipients: %w", err)
	}
	_, err = tx.ExecContext(ctx, insertShare, r.id, r.transferID, r.accountID, r.origin, r.tokenHash, r.tokenSealed,
		r.codeHash, r.codeKey, string(people), r.maxDownloads, r.expiresAt, r.createdAt)
	if err != nil {
		return fmt.Errorf("insert share: %w", err)
	}
	return nil
}

// CreateShare makes a further share of a complete transfer. The code is given
// this once. Errors: ErrTransferMissing, *IncompleteError, ErrTransferEnded,
// ErrTransferExpired, ErrCodeTooShort, *FieldError.
func (s *Service) CreateShare(ctx context.Context, accountID, transferID string, n NewShare) (Share, string, error) {
	t, err := s.readTransfer(ctx, s.db, Access{AccountID: accountID}, transferID)
	if err != nil {
		return Share{}, "", err
	}
	if err := n.check(s.clock()); err != nil {
		return Share{}, "", err
	}
	r, code, err := s.studioShare(ctx, t, n)
	if err != nil {
		return Share{}, "", err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ok, err := changed(tx.ExecContext(ctx, lockComplete, t.ID, s.micros()))
		if err != nil || !ok {
			return errors.Join(err, errNoChange)
		}
		sealed, version, err := s.accounts.SealSecret(ctx, tx, tokenLabel(r.id), []byte(r.token))
		if err != nil {
			return err
		}
		if int64(version) != r.codeKey {
			return fmt.Errorf("the code key changed meanwhile: %w", ErrKeyUnavailable)
		}
		r.tokenSealed = sealed
		if err := s.insertShare(ctx, tx, r); err != nil {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: accountID, Kind: account.EventShareCreated, Actor: account.ActorStudio, IP: n.Client.IP,
			TransferID: t.ID, ShareID: r.id, Detail: map[string]any{"recipients": len(r.recipients)},
		})
	})
	if errors.Is(err, errNoChange) {
		return Share{}, "", s.notShareable(t)
	}
	if err != nil {
		return Share{}, "", fmt.Errorf("create share: %w", err)
	}
	sh := r.share(s.clock())
	sh.Token = r.token
	return sh, code, nil
}

// notShareable is why a transfer can have no share now.
func (s *Service) notShareable(t transferRow) error {
	if t.State == Receiving {
		return &IncompleteError{Count: t.filesOpen}
	}
	if t.State == Complete {
		return ErrTransferExpired
	}
	return s.refusalOf(t.State, 0)
}

func tokenLabel(shareID string) string { return "lenzeye/share-token/v1/" + shareID }

func (s *Service) studioShare(ctx context.Context, t transferRow, n NewShare) (shareRow, string, error) {
	var b [32]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return shareRow{}, "", fmt.Errorf("make a share token: %w", err)
	}
	code := n.Code
	if code == "" {
		var err error
		if code, err = account.NewCode(s.rand); err != nil {
			return shareRow{}, "", err
		}
	}
	r, err := s.newShare(ctx, t, originStudio, base64.RawURLEncoding.EncodeToString(b[:]), code)
	if err != nil {
		return shareRow{}, "", err
	}
	r.maxDownloads, r.expiresAt = n.MaxDownloads, db.NullMicros(n.ExpiresAt)
	r.recipients = append(r.recipients, n.Recipients...)
	return r, code, nil
}

func (n *NewShare) check(now time.Time) error {
	if n.Code != "" {
		switch length := utf8.RuneCountInString(account.FoldCode(n.Code)); {
		case length < minCode:
			return ErrCodeTooShort
		case length > maxCode:
			return &FieldError{Field: "code", Reason: "has more than 64 characters"}
		}
	}
	if n.ExpiresAt != nil && !n.ExpiresAt.After(now) {
		return &FieldError{Field: "expires_at", Reason: "has passed already"}
	}
	if n.MaxDownloads != nil && (*n.MaxDownloads < 1 || *n.MaxDownloads > maxExactInt) {
		return &FieldError{Field: "max_downloads", Reason: "must be at least 1"}
	}
	if len(n.Recipients) > maxPeople {
		return &FieldError{Field: "recipients", Reason: "names more than 100"}
	}
	for i, r := range n.Recipients {
		email, err := account.CheckEmail(r)
		if err != nil {
			return &FieldError{Field: "recipients", Reason: err.Error()}
		}
		n.Recipients[i] = email
	}
	return nil
}

// Shares lists a transfer's shares, newest first. Only a studio's own have their
// token, since of a guest's only hashes are kept. Errors: ErrTransferMissing,
// account.ErrCursor.
func (s *Service) Shares(ctx context.Context, accountID, transferID string, p Page) ([]Share, string, error) {
	before, limit, err := p.Before()
	if err != nil {
		return nil, "", err
	}
	if _, err := s.readTransfer(ctx, s.db, Access{AccountID: accountID}, transferID); err != nil {
		return nil, "", err
	}
	rows, err := queryAll(ctx, s.db, scanShare, sharesPage, transferID, before, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list shares: %w", err)
	}
	rows, next := cut(rows, limit, func(r shareRow) string { return r.id })
	shares := make([]Share, len(rows))
	for i, r := range rows {
		shares[i] = r.share(s.clock())
		if r.tokenSealed == nil {
			continue
		}
		token, err := s.accounts.OpenSecret(ctx, tokenLabel(r.id), r.tokenSealed, uint32(r.codeKey))
		if err != nil {
			return nil, "", fmt.Errorf("open a share's token: %w", err)
		}
		shares[i].Token = string(token)
	}
	return shares, next, nil
}

// RevokeShare ends a share and every token that unlocked it, at once. Again is
// no error. Errors: ErrNotFound.
func (s *Service) RevokeShare(ctx context.Context, accountID, id string, from Client) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		transferID, err := scanOne[string](tx.QueryRowContext(ctx, transferOfShare, id, accountID))
		if err != nil {
			return missing(err, ErrNotFound)
		}
		ok, err := changed(tx.ExecContext(ctx, revokeShare, id, s.micros()))
		if err != nil || !ok {
			return err
		}
		return s.accounts.Record(ctx, tx, account.Event{
			AccountID: accountID, Kind: account.EventShareRevoked, Actor: account.ActorStudio, IP: from.IP,
			TransferID: transferID, ShareID: id,
		})
	})
	if err != nil {
		return fmt.Errorf("revoke share: %w", err)
	}
	return nil
}
