package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// firstUnfinished is how many files an IncompleteError names.
const firstUnfinished = 100

// CompleteTransfer ends a transfer whose files are all stored and makes its
// first share. Link and code are derived from the upload token, so the same
// call gives the same answer again and only hashes are kept.
//
// Errors: ErrTransferMissing, *IncompleteError, *SealingError,
// ErrTransferEmpty, ErrTransferEnded, ErrTransferExpired.
func (s *Service) CompleteTransfer(ctx context.Context, a Access, id, uploadToken string, from Client) (Completed, error) {
	t, err := s.readTransfer(ctx, s.db, a, id)
	if err != nil {
		return Completed{}, err
	}
	if t.State == Receiving {
		if err := s.refusalOf(t.State, db.Micros(t.ExpiresAt)); err != nil {
			return Completed{}, err
		}
		if err := s.finish(ctx, t, uploadToken, from); err != nil {
			return Completed{}, err
		}
		if t, err = s.readTransfer(ctx, s.db, a, id); err != nil {
			return Completed{}, err
		}
	}
	if t.State != Complete {
		return Completed{}, s.refusalOf(t.State, 0)
	}
	return s.completed(ctx, t, uploadToken)
}

// finish does it, or says what is missing.
func (s *Service) finish(ctx context.Context, t transferRow, uploadToken string, from Client) error {
	sh, err := s.guestShare(ctx, t, uploadToken)
	if err != nil {
		return err
	}
	retention, err := s.retention(ctx, t)
	if err != nil {
		return err
	}
	studio, err := s.accounts.ByID(ctx, t.AccountID)
	if err != nil {
		return fmt.Errorf("read the studio: %w", err)
	}
	var mails []string
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := s.clock()
		done, err := scanTransferRow(tx.QueryRowContext(ctx, completeTransfer, t.ID, db.Micros(now), db.Micros(now.Add(retention))))
		if err != nil {
			return missing(err, errNoChange)
		}
		if err := s.insertShare(ctx, tx, sh); err != nil {
			return err
		}
		if err := s.accounts.Record(ctx, tx, account.Event{
			AccountID: t.AccountID, Kind: account.EventTransferComplete, Actor: t.sender(), IP: from.IP,
			TransferID: t.ID, ShareID: sh.id, Detail: map[string]any{"files": done.filesTotal, "bytes": done.BytesDeclared},
		}); err != nil {
			return err
		}
		mails, err = s.announce(ctx, tx, done, studio, sh.token)
		return err
	})
	if errors.Is(err, errNoChange) {
		return s.whyNotComplete(ctx, t)
	}
	if err != nil {
		return fmt.Errorf("complete transfer: %w", err)
	}
	for _, id := range mails {
		s.hint(ctx, mail.JobDeliver, id)
	}
	return nil
}

// retention is how long a complete transfer is kept.
func (s *Service) retention(ctx context.Context, t transferRow) (time.Duration, error) {
	l, err := s.linkLimits(ctx, t)
	if err != nil || l.RetentionDays == nil {
		return s.set.Complete, err
	}
	return time.Duration(*l.RetentionDays) * 24 * time.Hour, nil
}

// whyNotComplete finds what keeps a transfer from completing. Nothing, when it
// was completed meanwhile.
func (s *Service) whyNotComplete(ctx context.Context, t transferRow) error {
	t, err := s.readTransfer(ctx, s.db, Access{AccountID: t.AccountID}, t.ID)
	if err != nil {
		return err
	}
	if t.State == Complete {
		return nil
	}
	if err := s.refusalOf(t.State, db.Micros(t.ExpiresAt)); err != nil {
		return err
	}
	if t.filesTotal == 0 {
		return ErrTransferEmpty
	}
	count, err := scanOne[int64](s.db.QueryRowContext(ctx, countReceiving, t.ID))
	if err != nil {
		return fmt.Errorf("count unfinished files: %w", err)
	}
	if count == 0 { // all parts are there, some objects are not
		s.sealSoon(ctx, t.ID)
		return &SealingError{RetryAfter: 2 * time.Second}
	}
	first, err := queryAll(ctx, s.db, scanFile, receivingFiles, t.ID, firstUnfinished)
	if err != nil {
		return fmt.Errorf("read unfinished files: %w", err)
	}
	if err := s.fillReceived(ctx, s.db, first); err != nil {
		return err
	}
	return &IncompleteError{Count: count, First: first}
}

// sealSoon hints at the files that wait for their objects.
func (s *Service) sealSoon(ctx context.Context, transferID string) {
	ids, err := queryAll(ctx, s.db, scanOne[string], sealingFiles, transferID, 100)
	if err != nil {
		s.log.WarnContext(ctx, "sealing files not read, the sweep will find them", "error", err)
	}
	for _, id := range ids {
		s.hint(ctx, JobSeal, id)
	}
}

// completed derives the answer of a complete transfer.
func (s *Service) completed(ctx context.Context, t transferRow, uploadToken string) (Completed, error) {
	token, code, err := deriveShare(uploadToken, t.ID)
	if err != nil {
		return Completed{}, err
	}
	sh, err := scanShare(s.db.QueryRowContext(ctx, shareByToken, account.HashSecret(token)))
	if err != nil { // the studio's own rows cannot be made to match: another token completed it
		return Completed{}, fmt.Errorf("read the first share: %w", missing(err, ErrTransferEnded))
	}
	share := sh.share(s.clock())
	share.Token = token
	return Completed{Share: share, Token: token, Code: code, Files: t.filesTotal, Bytes: t.BytesDeclared}, nil
}

// announce queues the mails of a completion in its transaction: one to the
// studio, and a receipt without the code to a guest.
func (s *Service) announce(ctx context.Context, tx *sql.Tx, t transferRow, studio account.Account, shareToken string) ([]string, error) {
	vars := mail.Vars{
		Studio: studio.Name, Sender: t.SenderName, Title: t.Title, Message: t.Message,
		Count: t.filesTotal, Bytes: t.BytesDeclared, ExpiresAt: &t.ExpiresAt,
	}
	if vars.Sender == "" {
		vars.Sender = t.SenderEmail
	}
	messages := []mail.Message{{
		AccountID: studio.ID, Kind: mail.TransferComplete, SubjectKey: "complete/" + t.ID, Recipient: studio.Email,
		Language: studio.Language, Vars: vars,
	}}
	if t.LinkID != "" {
		files, err := queryAll(ctx, tx, scanFile, filesOfTransfer, t.ID, int64(-1), mail.MaxListed)
		if err != nil {
			return nil, fmt.Errorf("read files for the receipt: %w", err)
		}
		for _, f := range files {
			vars.Files = append(vars.Files, mail.File{Path: f.Path, Size: f.Size})
		}
		vars.URL = s.set.PublicURL + "/d/" + shareToken
		messages = append(messages, mail.Message{
			AccountID: studio.ID, Kind: mail.TransferReceipt, SubjectKey: "receipt/" + t.ID, Recipient: t.SenderEmail,
			Language: t.language, Vars: vars,
		})
	}
	var ids []string
	for _, m := range messages {
		id, err := s.mail.Queue(ctx, tx, m)
		if err != nil {
			return nil, fmt.Errorf("queue mail: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
