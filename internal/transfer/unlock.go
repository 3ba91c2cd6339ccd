package transfer

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

// unlockedFor is the longest life of a fetch token.
const unlockedFor = 7 * 24 * time.Hour

// shareByToken finds a share by its link. Errors: ErrShareNotFound.
func (s *Service) shareOf(ctx context.Context, token string) (shareRow, error) {
	r, err := scanShare(s.db.QueryRowContext(ctx, shareByToken, account.HashSecret(token)))
	if err != nil {
		return shareRow{}, fmt.Errorf("find share: %w", missing(err, ErrShareNotFound))
	}
	return r, nil
}

// openShare is shareOf for a share that still shows something. Errors:
// ErrShareNotFound, ErrShareExpired, ErrShareRevoked.
func (s *Service) openShare(ctx context.Context, token string) (shareRow, error) {
	r, err := s.shareOf(ctx, token)
	if err != nil {
		return shareRow{}, err
	}
	return r, r.refusal(s.clock())
}

// ViewShare shows what may be known before the code is right: the share's state
// and its studio's name. Errors: ErrShareNotFound.
func (s *Service) ViewShare(ctx context.Context, token string) (Share, string, error) {
	r, err := s.shareOf(ctx, token)
	if err != nil {
		return Share{}, "", err
	}
	a, err := s.accounts.ByID(ctx, r.accountID)
	if err != nil {
		return Share{}, "", fmt.Errorf("read the studio: %w", err)
	}
	return r.share(s.clock()), a.Name, nil
}

// Unlock trades the right code for a fetch token and counts a download. With a
// token that still lives it counts nothing and gives the same token again.
//
// Errors: ErrShareNotFound, ErrShareExpired, ErrShareRevoked, ErrShareUsedUp,
// ErrCodeWrong, *account.TryLimitError.
func (s *Service) Unlock(ctx context.Context, token, code, fetchToken string, from Client) (Unlocked, error) {
	r, err := s.openShare(ctx, token)
	if err != nil {
		return Unlocked{}, err
	}
	if fetchToken != "" {
		expires, err := scanOne[int64](s.db.QueryRowContext(ctx, liveFetch, account.HashSecret(fetchToken), r.id, s.micros()))
		if err == nil {
			return Unlocked{Token: fetchToken, ExpiresAt: db.Time(min(expires, r.end()))}, nil
		}
		if err = missing(err, nil); err != nil {
			return Unlocked{}, fmt.Errorf("look up fetch token: %w", err)
		}
	}
	if r.usedUp() {
		return Unlocked{}, ErrShareUsedUp
	}
	if err := s.tryCode(ctx, r, code, from); err != nil {
		return Unlocked{}, err
	}
	return s.countDownload(ctx, r, from)
}

// tryCode takes a try of the address, and one of the share unless the address
// has unlocked it before, and only then compares.
func (s *Service) tryCode(ctx context.Context, r shareRow, code string, from Client) error {
	window := guesses("share_code", r.id, from)
	if err := s.accounts.TakeTry(ctx, window); err != nil {
		return err
	}
	known, err := scanOne[int64](s.db.QueryRowContext(ctx, unlockedFrom, r.id, from.Subject))
	if err != nil {
		return fmt.Errorf("look for earlier fetches: %w", err)
	}
	if known == 0 {
		if err := s.takeTurn(ctx, window, r.id); err != nil {
			return err
		}
	}
	right, err := s.accounts.CheckCode(ctx, account.FoldCode(code), r.codeHash, uint32(r.codeKey))
	if err != nil {
		return fmt.Errorf("check code: %w", err)
	}
	if right {
		return s.accounts.ForgetTries(ctx, window.Scope, window.Subject)
	}
	if err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return s.accounts.Record(ctx, tx, r.event(account.EventShareCodeWrong, from))
	}); err != nil {
		return fmt.Errorf("record a wrong code: %w", err)
	}
	return ErrCodeWrong
}

// guesses is how often one address may be wrong about one secret.
func guesses(scope, id string, from Client) account.Window {
	return account.Window{Scope: scope, Subject: id + " " + from.Subject, Max: 5, Per: 15 * time.Minute}
}

// takeTurn is how often all addresses together may guess at one secret. Who is
// refused a turn has not guessed and gets the try back.
func (s *Service) takeTurn(ctx context.Context, w account.Window, id string) error {
	err := s.accounts.TakeToken(ctx, account.Bucket{Scope: w.Scope, Subject: id, Rate: 1, Burst: 5})
	if errors.Is(err, account.ErrTooManyTries) {
		return errors.Join(err, s.accounts.ReturnTry(ctx, w.Scope, w.Subject))
	}
	return err
}

func (r shareRow) event(kind account.EventKind, from Client) account.Event {
	return account.Event{
		AccountID: r.accountID, Kind: kind, Actor: account.ActorGuest, IP: from.IP, TransferID: r.transferID, ShareID: r.id,
	}
}

// countDownload counts by the share's own row, so that of many at once no more
// than max_downloads get through.
func (s *Service) countDownload(ctx context.Context, r shareRow, from Client) (Unlocked, error) {
	secret, err := account.NewSecret(account.SecretFetch, s.rand)
	if err != nil {
		return Unlocked{}, err
	}
	now := s.clock()
	expires := earlier(now.Add(unlockedFor), db.Time(r.end()))
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ok, err := changed(tx.ExecContext(ctx, countDownload, r.id))
		if err != nil {
			return err
		}
		if !ok { // used up, or revoked, by somebody just before
			again, err := scanShare(tx.QueryRowContext(ctx, shareByID, r.id))
			if err != nil {
				return missing(err, ErrShareNotFound)
			}
			return cmp.Or(again.refusal(now), ErrShareUsedUp)
		}
		if _, err := tx.ExecContext(ctx, insertFetch, db.NewID(), r.id, account.HashSecret(secret), from.Subject,
			db.Micros(now), db.Micros(expires)); err != nil {
			return err
		}
		return s.accounts.Record(ctx, tx, r.event(account.EventShareUnlocked, from))
	})
	if err != nil {
		return Unlocked{}, fmt.Errorf("count download: %w", err)
	}
	return Unlocked{Token: secret, ExpiresAt: expires}, nil
}

// AuthFetch tells what a fetch token gives access to. The share is looked at
// first. Errors: ErrShareNotFound, ErrShareExpired, ErrShareRevoked; then
// ErrCodeRequired.
func (s *Service) AuthFetch(ctx context.Context, token, fetchToken string) (ShareAccess, error) {
	r, err := s.openShare(ctx, token)
	if err != nil {
		return ShareAccess{}, err
	}
	expires, err := scanOne[int64](s.db.QueryRowContext(ctx, liveFetch, account.HashSecret(fetchToken), r.id, s.micros()))
	if err != nil {
		return ShareAccess{}, fmt.Errorf("look up fetch token: %w", missing(err, ErrCodeRequired))
	}
	return ShareAccess{
		ShareID: r.id, TransferID: r.transferID, AccountID: r.accountID, ExpiresAt: db.Time(min(expires, r.end())),
	}, nil
}

// ShareFiles lists what a share shows, in the order of declaration. Errors:
// account.ErrCursor.
func (s *Service) ShareFiles(ctx context.Context, a ShareAccess, p Page) (ShareView, error) {
	t, err := s.readTransfer(ctx, s.db, Access{AccountID: a.AccountID}, a.TransferID)
	if err != nil {
		return ShareView{}, err
	}
	v := ShareView{
		Title: t.Title, SenderName: t.SenderName, TotalFiles: t.filesTotal, TotalBytes: t.BytesDeclared,
	}
	r, err := scanShare(s.db.QueryRowContext(ctx, shareByID, a.ShareID))
	if err != nil {
		return ShareView{}, fmt.Errorf("read share: %w", missing(err, ErrShareNotFound))
	}
	v.ExpiresAt = db.Time(r.end())
	v.Files, v.Next, err = s.filesPage(ctx, a.TransferID, p)
	return v, err
}
