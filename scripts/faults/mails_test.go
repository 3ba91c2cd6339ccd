package faults_test

import (
	"bytes"
	"context"
	"database/sql"
	"net/mail"
	"strings"
)

// auditMails compares what the mail server took with the rows. A message may
// come twice, under one Message-ID, so that mail systems can drop the repeat.
func (r *run) auditMails(ctx context.Context, db *sql.DB) error {
	if r.post == nil {
		return nil
	}
	taken := map[string]int{}
	for _, m := range r.post.Mails() {
		got, err := mail.ReadMessage(bytes.NewReader(m.Content))
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(strings.Trim(got.Header.Get("Message-ID"), "<>"), "@")
		taken[id]++
		r.book.add("mails taken", 1)
	}
	subjects := map[string]string{}
	const query = `SELECT id, subject_key, state FROM mails ORDER BY id`
	return each(ctx, db, query, func(scan func(...any) error) error {
		var id, subject, state string
		if err := scan(&id, &subject, &state); err != nil {
			return err
		}
		if state == "sent" && taken[id] == 0 {
			r.book.wrong(mailsLost, 1, "%s about %s", id, subject)
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
}
