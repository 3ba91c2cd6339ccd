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
	const query = `SELECT id, COALESCE(message_id, ''), subject_key, state FROM mails ORDER BY id`
	return each(ctx, db, query, func(scan func(...any) error) error {
		var id, messageID, subject, state string
		if err := scan(&id, &messageID, &subject, &state); err != nil {
			return err
		}
		if messageID == "" { // an older program sent it
			messageID = known[id]
		}
		if state == "sent" && taken[messageID] == 0 {
			r.book.wrong(mailsLost, 1, "%s about %s", messageID, subject)
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
