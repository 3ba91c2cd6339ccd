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

// tellAgain is the least time between two messages about downloads of a share.
const tellAgain = 24 * time.Hour

const (
	// $1 is the cut before which a last part is long ago. A transfer that went on
	// and stalled once more is told of once more.
	stalledDue = `SELECT id, account_id FROM transfers
WHERE state = 'receiving' AND last_part_at < $1 AND files_total > 0 AND (stalled_at IS NULL OR stalled_at <= last_part_at)
ORDER BY last_part_at LIMIT $2`
	tellStalled = `UPDATE transfers SET stalled_at = $3
WHERE id = $1 AND state = 'receiving' AND last_part_at < $2 AND (stalled_at IS NULL OR stalled_at <= last_part_at)
RETURNING` + transferColumns

	// $1 is now and $2 how long before the end the warning comes. One that is kept
	// for less is not warned of. A warning before that time was about an earlier end.
	expiringDue = `SELECT id, account_id FROM transfers
WHERE state = 'complete' AND expires_at > $1 AND expires_at <= $1 + $2 AND completed_at < expires_at - $2
	AND (warned_at IS NULL OR warned_at < expires_at - $2) ORDER BY expires_at LIMIT $3`
	tellExpiring = `UPDATE transfers SET warned_at = $2
WHERE id = $1 AND state = 'complete' AND expires_at > $2 AND expires_at <= $2 + $3
	AND (warned_at IS NULL OR warned_at < expires_at - $3) RETURNING` + transferColumns

	fetchedDue = `SELECT id, account_id FROM shares
WHERE downloads > told_downloads AND (told_at IS NULL OR told_at <= $1) ORDER BY id LIMIT $2`
	tellFetched = `UPDATE shares SET told_downloads = downloads, told_at = $3
WHERE id = $1 AND downloads > told_downloads AND (told_at IS NULL OR told_at <= $2) RETURNING transfer_id`
	downloadsOf = `SELECT CAST(COALESCE(SUM(downloads), 0) AS BIGINT) FROM shares WHERE transfer_id = $1`
)

// notice is a kind of message to studios about what time brings.
type notice struct {
	kind mail.Kind
	due  string // the statement that finds rows, with args
	args []any
	// mark writes into a row that its studio is told, and gives the transfer and,
	// of shares, how often it was fetched. sql.ErrNoRows: it is not due any more.
	mark func(ctx context.Context, tx *sql.Tx, id string) (t transferRow, times int64, err error)
}

// sweepNotices queues mail to studios: about transfers without a part for
// Settings.IdleRelease, complete ones that expire soon, and shares that were
// fetched. Each row says what its studio was told, in the transaction that
// queues the message, so crashes and other processes repeat none.
func (s *Service) sweepNotices(ctx context.Context) error {
	var errs []error
	for _, n := range s.allNotices() {
		if err := s.sendNotices(ctx, n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.kind, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) allNotices() []notice {
	now := s.micros()
	idle := db.Micros(s.clock().Add(-s.set.IdleRelease))
	again := db.Micros(s.clock().Add(-tellAgain))
	all := []notice{
		{mail.TransferStalled, stalledDue, []any{idle}, func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
			t, err := scanTransferRow(tx.QueryRowContext(ctx, tellStalled, id, idle, now))
			return t, 0, err
		}},
		{mail.ShareFetched, fetchedDue, []any{again}, func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
			return s.markFetched(ctx, tx, id, again)
		}},
	}
	if warn := s.set.WarnBefore.Microseconds(); warn > 0 {
		all = append(all, notice{mail.TransferExpiring, expiringDue, []any{now, warn},
			func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
				t, err := scanTransferRow(tx.QueryRowContext(ctx, tellExpiring, id, now, warn))
				return t, 0, err
			}})
	}
	return all
}

// markFetched marks a share's downloads as told and finds its transfer, with the
// downloads of all its shares.
func (s *Service) markFetched(ctx context.Context, tx *sql.Tx, shareID string, again int64) (t transferRow, times int64, err error) {
	transferID, err := scanOne[string](tx.QueryRowContext(ctx, tellFetched, shareID, again, s.micros()))
	if err != nil {
		return t, 0, err
	}
	if t, err = scanTransferRow(tx.QueryRowContext(ctx, anyTransferByID, transferID)); err != nil {
		return t, 0, err
	}
	times, err = scanOne[int64](tx.QueryRowContext(ctx, downloadsOf, transferID))
	return t, times, err
}

// aboutWhom is a row that is due for a notice, and whose it is.
type aboutWhom struct{ id, accountID string }

func scanAboutWhom(row scanner) (aboutWhom, error) {
	var a aboutWhom
	err := row.Scan(&a.id, &a.accountID)
	return a, err
}

func (s *Service) sendNotices(ctx context.Context, n notice) error {
	rows, err := queryAll(ctx, s.db, scanAboutWhom, n.due, append(n.args, sweepBatch)...)
	if err != nil {
		return err
	}
	var errs []error
	for _, row := range rows {
		id, err := s.sendNotice(ctx, n, row)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", row.id, err))
		}
		if id != "" {
			s.hint(ctx, mail.JobDeliver, id)
		}
	}
	return errors.Join(errs...)
}

// sendNotice queues one message. A studio that is not active has nobody to read
// it: the row is marked, and no message is made.
func (s *Service) sendNotice(ctx context.Context, n notice, row aboutWhom) (mailID string, err error) {
	studio, err := s.accounts.ByID(ctx, row.accountID)
	if err != nil {
		return "", err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		mailID = ""
		t, times, err := n.mark(ctx, tx, row.id)
		if err != nil || studio.State != account.StateActive {
			return err
		}
		vars := mail.Vars{
			Studio: studio.Name, Sender: t.SenderName, Title: t.Title, Count: t.filesTotal, Bytes: t.BytesDeclared,
			ExpiresAt: &t.ExpiresAt, Times: times,
		}
		if vars.Sender == "" {
			vars.Sender = t.SenderEmail
		}
		mailID, err = s.mail.Queue(ctx, tx, mail.Message{
			AccountID: studio.ID, Kind: n.kind, SubjectKey: string(n.kind) + "/" + t.ID, Recipient: studio.Email,
			Language: studio.Language, Vars: vars,
		})
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil // somebody else told, or something happened meanwhile
	}
	return mailID, err
}
