package faults_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// mailsGo waits until every message that there is now was sent or given up, for
// as long as other things may take to settle; the audit counts those that wait
// then. What comes meanwhile is of the fetches at the end, and not waited for.
func (r *run) mailsGo(ctx context.Context) error {
	if r.post == nil {
		return nil
	}
	db, err := r.rows.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	r.mailsUntil = time.Now().UnixMicro()
	limit := time.Now().Add(settleLimit)
	for {
		waiting, later, err := r.mailsWaiting(ctx, db)
		if err != nil {
			return err
		}
		if waiting == 0 || time.Now().After(limit) {
			return nil
		}
		if err := r.hasten(ctx, later); err != nil {
			return err
		}
		if !rest(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// mailsWaiting tells how many messages wait, and which of them nobody tries just
// now nor will soon.
func (r *run) mailsWaiting(ctx context.Context, db *sql.DB) (waiting int, later []string, err error) {
	const query = `SELECT id, next_at, lease_owner IS NOT NULL FROM mails WHERE state IN ('queued', 'sending')`
	soon := time.Now().Add(5 * time.Second).UnixMicro()
	err = each(ctx, db, query+` AND created_at <= `+strconv.FormatInt(r.mailsUntil, 10), func(scan func(...any) error) error {
		var id string
		var next int64
		var leased bool
		err := scan(&id, &next, &leased)
		waiting++
		if !leased && next > soon {
			later = append(later, "mail/"+id)
		}
		return err
	})
	return waiting, later, err
}

// hasten makes messages due whose next try is far off, since those before met the
// weather. It does so as operators do.
func (r *run) hasten(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	r.book.add(hastened, int64(len(ids)))
	out, err := r.app.command(ctx, nil, append([]string{"jobs", "retry"}, ids...)...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 2 { // one of them was sent meanwhile
		return nil
	}
	if err != nil {
		return fmt.Errorf("app jobs retry: %w\n%s", err, out)
	}
	return nil
}

// auditMails compares what the mail server took with the rows, and the rows with
// the transfers. A message may come twice, under one Message-ID, so that mail
// systems can drop the repeat.
func (r *run) auditMails(ctx context.Context, db *sql.DB) error {
	if r.post == nil {
		return nil
	}
	taken, known := map[string]int{}, map[string]string{}
	for _, m := range r.post.Mails() {
		got, err := mail.ReadMessage(bytes.NewReader(m.Content))
		if err != nil {
			return err
		}
		messageID := strings.Trim(got.Header.Get("Message-ID"), "<>")
		row, _, _ := strings.Cut(messageID, "@")
		if other := known[row]; other != "" && other != messageID {
			r.book.wrong(mailsTwice, 1, "%s and %s of row %s", other, messageID, row)
		}
		known[row] = messageID
		taken[messageID]++
		r.book.add("mails taken", 1)
	}
	subjects := map[string]string{}
	const query = `SELECT id, COALESCE(message_id, ''), subject_key, state, error, created_at FROM mails ORDER BY id`
	err := each(ctx, db, query, func(scan func(...any) error) error {
		var id, messageID, subject, state, reason string
		var created int64
		if err := scan(&id, &messageID, &subject, &state, &reason, &created); err != nil {
			return err
		}
		if messageID == "" { // an older program sent it
			messageID = known[id]
		}
		if state == "sent" && taken[messageID] == 0 {
			r.book.wrong(mailsLost, 1, "%s about %s", messageID, subject)
		}
		if state == "failed" || state != "sent" && created <= r.mailsUntil {
			r.book.wrong(mailsUnsent, 1, "%s about %s is %s: %s", id, subject, state, reason)
		}
		if !strings.HasPrefix(subject, "complete/") && !strings.HasPrefix(subject, "receipt/") {
			return nil // of the others a later event is another message
		}
		if other := subjects[subject]; other != "" {
			r.book.wrong(mailsTwice, 1, "%s and %s about %s", other, id, subject)
		}
		subjects[subject] = id
		return nil
	})
	if err != nil {
		return err
	}
	return r.auditCompletions(ctx, db, subjects)
}

// auditCompletions looks for the two messages of every transfer that was ever
// complete: they are queued with that, and stay when it is deleted.
func (r *run) auditCompletions(ctx context.Context, db *sql.DB, subjects map[string]string) error {
	const query = `SELECT id, link_id IS NOT NULL FROM transfers WHERE completed_at IS NOT NULL`
	return each(ctx, db, query, func(scan func(...any) error) error {
		var id string
		var fromGuest bool
		if err := scan(&id, &fromGuest); err != nil {
			return err
		}
		if subjects["complete/"+id] == "" {
			r.book.wrong(untold, 1, "no complete/%s", id)
		}
		if fromGuest && subjects["receipt/"+id] == "" { // the studio gets none of its own
			r.book.wrong(untold, 1, "no receipt/%s", id)
		}
		return nil
	})
}
