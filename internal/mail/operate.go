package mail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// ErrNoSuchMail means that no message with this id waits or was given up, or
// that it is being sent just now.
var ErrNoSuchMail = errors.New("no such message waits")

// Waiting is a message that was not sent yet, was given up, or did not arrive.
type Waiting struct {
	ID, AccountID, Recipient string
	Kind                     Kind
	State                    string // queued, sending, failed or bounced
	Attempts                 int
	Reason                   string // of the last failure
	Due                      time.Time
}

const waitingMails = `
SELECT id, account_id, kind, recipient, state, attempts, error, next_at FROM mails
WHERE state IN ('queued', 'sending', 'failed', 'bounced') ORDER BY next_at LIMIT $1`

// A message that was tried never goes back to queued, where later events would
// change what may have been sent.
const retryMail = `
UPDATE mails SET state = CASE WHEN state = 'queued' THEN 'queued' ELSE 'sending' END, attempts = 0, next_at = $2
WHERE id = $1 AND state IN ('queued', 'sending', 'failed') AND (lease_owner IS NULL OR lease_until <= $2) AND vars_sealed IS NOT NULL`

const deleteMail = `
DELETE FROM mails WHERE id = $1 AND state IN ('queued', 'sending', 'failed', 'bounced') AND (lease_owner IS NULL OR lease_until <= $2)`

// Waiting lists messages that wait for a try, were given up or did not arrive,
// the earliest first. It is for operators.
func (o *Outbox) Waiting(ctx context.Context, limit int) ([]Waiting, error) {
	rows, err := o.opts.DB.QueryContext(ctx, waitingMails, limit)
	if err != nil {
		return nil, fmt.Errorf("list mail: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Waiting
	for rows.Next() {
		var w Waiting
		var kind string
		var due int64
		if err := rows.Scan(&w.ID, &w.AccountID, &kind, &w.Recipient, &w.State, &w.Attempts, &w.Reason, &due); err != nil {
			return nil, fmt.Errorf("list mail: %w", err)
		}
		w.Kind, w.Due = Kind(kind), db.Time(due)
		all = append(all, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list mail: %w", err)
	}
	return all, nil
}

// Retry makes a message due at once, with all its tries before it. Errors:
// ErrNoSuchMail.
func (o *Outbox) Retry(ctx context.Context, id string) error {
	return o.change(ctx, "retry", id, retryMail, id, db.Micros(o.opts.Now()))
}

// Delete forgets a message that was not sent. Errors: ErrNoSuchMail.
func (o *Outbox) Delete(ctx context.Context, id string) error {
	return o.change(ctx, "delete", id, deleteMail, id, db.Micros(o.opts.Now()))
}

func (o *Outbox) change(ctx context.Context, what, id, query string, args ...any) error {
	err := o.opts.DB.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrNoSuchMail
	})
	if err != nil {
		return fmt.Errorf("%s mail %s: %w", what, id, err)
	}
	return nil
}
