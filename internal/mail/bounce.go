package mail

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Errors of ReadBounces and Bounced.
var (
	ErrNoService = errors.New("no mail service of this name tells of its messages")
	ErrEvents    = errors.New("these are no events of this mail service")
	ErrNotOurs   = errors.New("no message of ours bounced")
)

// Bounce is a message that a mail service had taken over and could not deliver.
type Bounce struct {
	MailID string // "" where the event names no message of ours
	Event  string // the service's word
	Reason string // this word, and what the recipient's server said, if it did
}

// event is what both services tell of a message, each by its own names.
type event struct {
	Event  text `json:"event"`
	Reason text `json:"reason"`

	// Brevo's: what was handed over as a header, and the Message-ID.
	Custom    text `json:"X-Mailin-custom"`
	MessageID text `json:"message-id"`

	// SendGrid's: what was handed over as an argument, and the Message-ID.
	MailID text `json:"mail_id"`
	SMTPID text `json:"smtp-id"`
}

// text is a string, or "" where a service sends something else: one odd event
// must not cost the others of its list.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// finalEvents are those after which a service tries no further.
func finalEvents(service string) []string {
	switch service {
	case "brevo": // https://developers.brevo.com/docs/transactional-webhooks
		return []string{"hard_bounce", "soft_bounce", "invalid_email", "blocked", "error"}
	case "sendgrid": // https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
		return []string{"bounce", "dropped"}
	}
	return nil
}

// ReadBounces reads what a mail service posts about messages: one event, or a
// list of them. What is no bounce is left out. Errors: ErrNoService, ErrEvents.
func ReadBounces(service string, body []byte) ([]Bounce, error) {
	final := finalEvents(service)
	if final == nil {
		return nil, fmt.Errorf("%w: %.20q", ErrNoService, service)
	}
	var events []event
	if body = bytes.TrimSpace(body); !bytes.HasPrefix(body, []byte("[")) {
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvents, err)
	}
	var bounces []Bounce
	for _, e := range events {
		if slices.Contains(final, string(e.Event)) {
			bounces = append(bounces, Bounce{
				MailID: firstID(e.Custom, e.MailID, e.MessageID, e.SMTPID), Event: string(e.Event),
				Reason: strings.TrimSuffix(string(e.Event+": "+e.Reason), ": "),
			})
		}
	}
	return bounces, nil
}

// firstID finds a message's id in what a service hands back: the id itself, or a
// Message-ID, which begins with it.
func firstID(texts ...text) string {
	for _, t := range texts {
		id, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(string(t)), "<>"), "@")
		if len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == "" {
			return id
		}
	}
	return ""
}

const markBounced = `
UPDATE mails SET state = 'bounced', vars_sealed = NULL, lease_owner = NULL, lease_until = NULL, error = $2
WHERE id = $1 AND state IN ('sending', 'sent')
RETURNING account_id, kind, recipient`

const findMail = `SELECT 1 FROM mails WHERE id = $1`

// Bounced marks a message that did not arrive and tells its account, once
// however often the service tells of it. Errors: ErrNotOurs, of a message that
// there is not, or not any more.
func (o *Outbox) Bounced(ctx context.Context, b Bounce) error {
	if b.MailID == "" {
		return ErrNotOurs
	}
	err := o.opts.DB.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		f := Failure{MailID: b.MailID, Reason: reasonOf(errors.New(b.Reason))}
		var kind string
		err := tx.QueryRowContext(ctx, markBounced, f.MailID, f.Reason).Scan(&f.AccountID, &kind, &f.Recipient)
		if errors.Is(err, sql.ErrNoRows) {
			return ours(ctx, tx, b.MailID)
		}
		if err != nil {
			return err
		}
		f.Kind = Kind(kind)
		return o.opts.Bounced(ctx, tx, f)
	})
	if err != nil {
		return fmt.Errorf("mark mail %s as bounced: %w", b.MailID, err)
	}
	return nil
}

// ours is ErrNotOurs where there is no message of this id.
func ours(ctx context.Context, tx *sql.Tx, id string) error {
	var found int
	err := tx.QueryRowContext(ctx, findMail, id).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotOurs
	}
	return err
}

// nobodyHears stands in for a func of Options that is nil.
func nobodyHears(context.Context, db.Querier, Failure) error { return nil }
