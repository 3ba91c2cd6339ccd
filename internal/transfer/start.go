package transfer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

// Labels keep what is derived from one secret for one purpose apart from the
// rest.
const (
	uploadLabel      = "lenzeye/upload/v1"
	shareLabel       = "lenzeye/share/v1"
	codeLabel        = "lenzeye/code/v1"
	idempotencyLabel = "lenzeye/idempotency/v1"
)

// Start begins a guest's transfer on a link. With an idempotency key the same
// key on the same link answers the same again, also when the link has closed,
// expired, filled or been deleted since.
//
// Errors: ErrLinkNotFound, ErrLinkClosed, ErrLinkExpired, ErrLinkFull,
// ErrPasswordWrong, *account.TryLimitError, account.ErrEmailInvalid,
// *FieldError.
func (s *Service) Start(ctx context.Context, slug string, n NewTransfer) (Started, error) {
	if again, ok, err := s.startedOn(ctx, slug, n.IdempotencyKey); ok || err != nil {
		return again, err
	}
	l, a, err := s.linkForGuest(ctx, slug)
	if err != nil {
		return Started{}, err
	}
	if err := l.refusal(); err != nil {
		return Started{}, err
	}
	if err := s.checkPassword(ctx, l, n.Password, n.Client); err != nil {
		return Started{}, err
	}
	email, err := account.CheckEmail(n.SenderEmail)
	if err != nil {
		return Started{}, err
	}
	if err := errors.Join(checkText("sender_name", n.SenderName, maxTitle), checkText("message", n.Message, maxMessage)); err != nil {
		return Started{}, err
	}
	t := s.newTransfer(a.ID)
	t.LinkID, t.Title, t.SenderEmail, t.SenderName, t.Message = l.ID, l.Title, email, n.SenderName, n.Message
	return s.insertTransfer(ctx, t, l.ID, n.IdempotencyKey, n.Language)
}

// StartOwn begins a transfer of the studio's own. Errors: *FieldError.
func (s *Service) StartOwn(ctx context.Context, accountID string, n OwnTransfer) (Started, error) {
	if again, ok, err := s.startedBefore(ctx, accountID, n.IdempotencyKey); ok || err != nil {
		return again, err
	}
	if err := errors.Join(checkText("title", n.Title, maxTitle), checkText("message", n.Message, maxMessage)); err != nil {
		return Started{}, err
	}
	a, err := s.accounts.ByID(ctx, accountID)
	if err != nil {
		return Started{}, fmt.Errorf("start transfer: %w", err)
	}
	t := s.newTransfer(accountID)
	t.Title, t.Message, t.SenderEmail, t.SenderName = n.Title, n.Message, a.Email, a.Name
	return s.insertTransfer(ctx, t, accountID, n.IdempotencyKey, a.Language)
}

func (s *Service) newTransfer(accountID string) Transfer {
	now := s.clock()
	return Transfer{
		ID: db.NewID(), AccountID: accountID, State: Receiving, CreatedAt: now, ExpiresAt: now.Add(s.set.Unfinished),
	}
}

// checkPassword takes a try of the address and of the link before it compares,
// so that many guesses at once get no more than one after another.
func (s *Service) checkPassword(ctx context.Context, l Link, password string, from Client) error {
	if !l.HasPassword {
		return nil
	}
	window := guesses("link_password", l.ID, from)
	if err := s.accounts.TakeTry(ctx, window); err != nil {
		return err
	}
	if err := s.takeTurn(ctx, window, l.ID); err != nil {
		return err
	}
	if password == "" {
		return ErrPasswordWrong
	}
	right, err := s.accounts.CheckPassword(ctx, l.passwordHash, password)
	if err != nil {
		return fmt.Errorf("check link password: %w", err)
	}
	if !right {
		return ErrPasswordWrong
	}
	return s.accounts.ForgetTries(ctx, window.Scope, window.Subject)
}

// startedOn is startedBefore on a link, whatever became of it.
func (s *Service) startedOn(ctx context.Context, slug string, key []byte) (Started, bool, error) {
	if key == nil || !slugForm.MatchString(slug) {
		return Started{}, false, nil
	}
	linkID, err := scanOne[string](s.db.QueryRowContext(ctx, linkIDBySlug, slug))
	if errors.Is(err, sql.ErrNoRows) {
		return Started{}, false, nil
	}
	if err != nil {
		return Started{}, false, fmt.Errorf("look for the same start: %w", err)
	}
	return s.startedBefore(ctx, linkID, key)
}

// startedBefore finds the transfer that this key began, and derives its token
// again: the token itself is kept nowhere.
func (s *Service) startedBefore(ctx context.Context, scopeID string, key []byte) (Started, bool, error) {
	if key == nil {
		return Started{}, false, nil
	}
	t, err := scanTransfer(s.db.QueryRowContext(ctx, transferByIdempotency, idempotencyHash(scopeID, key)))
	if errors.Is(err, sql.ErrNoRows) {
		return Started{}, false, nil
	}
	if err != nil {
		return Started{}, false, fmt.Errorf("look for the same start: %w", err)
	}
	token, err := deriveUploadToken(key, t.ID)
	if err != nil {
		return Started{}, false, err
	}
	return Started{Transfer: t, UploadToken: token}, true, nil
}

func (s *Service) insertTransfer(ctx context.Context, t Transfer, scopeID string, key []byte, language string) (Started, error) {
	token, err := s.uploadToken(key, t.ID)
	if err != nil {
		return Started{}, err
	}
	var hash []byte
	if key != nil {
		hash = idempotencyHash(scopeID, key)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertTransfer, t.ID, t.AccountID, nullText(t.LinkID), t.Title, t.SenderEmail,
			t.SenderName, t.Message, language, t.State, account.HashSecret(token), hash,
			db.Micros(t.CreatedAt), db.Micros(t.ExpiresAt))
		return err
	})
	if key != nil && db.IsUnique(err) { // the same start arrived twice at once
		again, ok, err := s.startedBefore(ctx, scopeID, key)
		if err == nil && !ok {
			err = errors.New("start transfer: the same start came and went")
		}
		return again, err
	}
	if err != nil {
		return Started{}, fmt.Errorf("start transfer: %w", err)
	}
	return Started{Transfer: t, UploadToken: token}, nil
}

func (s *Service) uploadToken(key []byte, transferID string) (string, error) {
	if key != nil {
		return deriveUploadToken(key, transferID)
	}
	return account.NewSecret(account.SecretUpload, s.rand)
}

// deriveUploadToken makes the token that a lost reply can be asked for again:
// only who made the key knows it.
func deriveUploadToken(key []byte, transferID string) (string, error) {
	mac, err := derive(key, uploadLabel, transferID)
	if err != nil {
		return "", err
	}
	return account.FormatSecret(account.SecretUpload, [32]byte(mac)), nil
}

// derive is HMAC-SHA-256(key, label ‖ id as 16 bytes).
func derive(key []byte, label, id string) ([]byte, error) {
	raw, err := db.IDBytes(id)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", label, err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(label))
	mac.Write(raw[:])
	return mac.Sum(nil), nil
}

func idempotencyHash(scopeID string, key []byte) []byte {
	h := sha256.New()
	h.Write([]byte(idempotencyLabel))
	h.Write([]byte(scopeID))
	h.Write(key)
	return h.Sum(nil)
}

// AuthUpload tells what an upload token gives access to. Errors:
// ErrUnauthenticated.
func (s *Service) AuthUpload(ctx context.Context, secret string) (Access, error) {
	var a Access
	err := s.db.QueryRowContext(ctx, transferByToken, account.HashSecret(secret)).Scan(&a.AccountID, &a.TransferID)
	if err != nil {
		return Access{}, fmt.Errorf("look up upload token: %w", missing(err, ErrUnauthenticated))
	}
	return a, nil
}
