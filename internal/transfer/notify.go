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

// tellAgain is the least time between two messages about downloads of a
// transfer, by whatever share, and between two about its damage.
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

	// Transfers with a download that was not told, and no share that was told of lately.
	fetchedDue = `SELECT DISTINCT s.transfer_id, s.account_id FROM shares s WHERE s.downloads > s.told_downloads
	AND NOT EXISTS (SELECT 1 FROM shares o WHERE o.transfer_id = s.transfer_id AND o.told_at > $1) ORDER BY s.transfer_id LIMIT $2`
	// Each share decides by its own row. All have to.
	tellFetched = `UPDATE shares SET told_downloads = downloads, told_at = $3
WHERE transfer_id = $1 AND (told_at IS NULL OR told_at <= $2)`

	damageDue = `SELECT id, account_id FROM transfers
WHERE damage_found > damage_told AND (damage_told_at IS NULL OR damage_told_at <= $1) ORDER BY id LIMIT $2`
	tellDamage = `UPDATE transfers SET damage_told = damage_found, damage_told_at = $3
WHERE id = $1 AND damage_found > damage_told AND (damage_told_at IS NULL OR damage_told_at <= $2)
RETURNING` + transferColumns
	damagedFiles = `SELECT COUNT(*) FROM files WHERE transfer_id = $1 AND state = 'damaged'`

	downloadsOf = `SELECT COUNT(*), CAST(COALESCE(SUM(downloads), 0) AS BIGINT) FROM shares WHERE transfer_id = $1`
)

// notice is a kind of message to studios about what time brings.
type notice struct {
	kind     mail.Kind
	operator mail.Kind // what the operator is told, if anything; such a notice needs times
	due      string    // the statement that finds rows, with args
	args     []any
	// mark writes into a row that its studio is told, and gives the transfer and
	// how often it was fetched, or how many of its files are damaged. sql.ErrNoRows: it is not due any more.
	mark func(ctx context.Context, tx *sql.Tx, id string) (t transferRow, times int64, err error)
}

// sweepNotices queues mail to studios: about transfers without a part for
// Settings.IdleRelease, complete ones that expire soon, ones that were fetched,
// and damage. Each row says what its studio was told, in the transaction that
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
		{kind: mail.TransferStalled, due: stalledDue, args: []any{idle}, mark: func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
			t, err := scanTransferRow(tx.QueryRowContext(ctx, tellStalled, id, idle, now))
			return t, 0, err
		}},
		{kind: mail.ShareFetched, due: fetchedDue, args: []any{again}, mark: func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
			return s.markFetched(ctx, tx, id, again)
		}},
		{kind: mail.FileDamaged, operator: mail.DamageReport, due: damageDue, args: []any{again},
			mark: func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
				return s.markDamageTold(ctx, tx, id, again)
			}},
	}
	if warn := s.set.WarnBefore.Microseconds(); warn > 0 {
		all = append(all, notice{kind: mail.TransferExpiring, due: expiringDue, args: []any{now, warn},
			mark: func(ctx context.Context, tx *sql.Tx, id string) (transferRow, int64, error) {
				t, err := scanTransferRow(tx.QueryRowContext(ctx, tellExpiring, id, now, warn))
				return t, 0, err
			}})
	}
	return all
}

// markFetched marks the downloads of all shares of a transfer as told, so that
// they make one message and whoever fetches by another of them soon makes none.
// Of two that tell at once the later one waits for the rows of the first and finds
// them told; a share that the first did not see yet is then one of several, and
// not told either.
func (s *Service) markFetched(ctx context.Context, tx *sql.Tx, id string, again int64) (t transferRow, times int64, err error) {
	r, err := tx.ExecContext(ctx, tellFetched, id, again, s.micros())
	if err != nil {
		return t, 0, err
	}
	marked, err := r.RowsAffected()
	if err != nil {
		return t, 0, err
	}
	var all int64
	if err := tx.QueryRowContext(ctx, downloadsOf, id).Scan(&all, &times); err != nil {
		return t, 0, err
	}
	if marked == 0 || marked != all {
		return t, 0, sql.ErrNoRows
	}
	t, err = scanTransferRow(tx.QueryRowContext(ctx, anyTransferByID, id))
	return t, times, err
}

// markDamageTold marks a transfer's damage as told and counts its damaged files:
// none when all are whole again, or the transfer has ended.
func (s *Service) markDamageTold(ctx context.Context, tx *sql.Tx, id string, again int64) (t transferRow, files int64, err error) {
	t, err = scanTransferRow(tx.QueryRowContext(ctx, tellDamage, id, again, s.micros()))
	if err != nil || t.State != Receiving && t.State != Complete {
		return t, 0, err
	}
	files, err = scanOne[int64](tx.QueryRowContext(ctx, damagedFiles, id))
	return t, files, err
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
		ids, err := s.sendNotice(ctx, n, row)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", row.id, err))
		}
		for _, id := range ids {
			s.hint(ctx, mail.JobDeliver, id)
		}
	}
	return errors.Join(errs...)
}

// sendNotice queues the messages about one row. A studio that is not active has
// nobody to read its own: the row is marked, and none is made.
func (s *Service) sendNotice(ctx context.Context, n notice, row aboutWhom) (mailIDs []string, err error) {
	studio, err := s.accounts.ByID(ctx, row.accountID)
	if err != nil {
		return nil, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		mailIDs = nil
		t, times, err := n.mark(ctx, tx, row.id)
		if err != nil || n.operator != "" && times == 0 {
			return err
		}
		for _, m := range s.messagesOf(n, t, times, studio) {
			id, err := s.mail.Queue(ctx, tx, m)
			if err != nil {
				return err
			}
			mailIDs = append(mailIDs, id)
		}
		return nil
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // somebody else told, or something happened meanwhile
	}
	return mailIDs, err
}

// messagesOf are a notice's messages: the studio's own, and one to the operator,
// which names no sender and no file.
func (s *Service) messagesOf(n notice, t transferRow, times int64, studio account.Account) (all []mail.Message) {
	vars := mail.Vars{
		Studio: studio.Name, Sender: t.SenderName, Title: t.Title, Count: t.filesTotal, Bytes: t.BytesDeclared,
		ExpiresAt: &t.ExpiresAt, Times: times,
	}
	if vars.Sender == "" {
		vars.Sender = t.SenderEmail
	}
	if studio.State == account.StateActive {
		all = append(all, mail.Message{
			AccountID: studio.ID, Kind: n.kind, SubjectKey: string(n.kind) + "/" + t.ID, Recipient: studio.Email,
			Language: studio.Language, Vars: vars,
		})
	}
	if n.operator != "" && s.set.OperatorEmail != "" {
		vars.Sender, vars.Title = "", t.ID
		all = append(all, mail.Message{
			AccountID: studio.ID, Kind: n.operator, SubjectKey: string(n.operator) + "/" + t.ID,
			Recipient: s.set.OperatorEmail, Vars: vars,
		})
	}
	return all
}
