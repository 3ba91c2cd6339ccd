package mail

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/db"
)

// JobDeliver is the kind of the job that sends one message.
const JobDeliver = "mail.deliver/1"

// Defaults of the tries: after 1, 2, 4 … minutes, at most 6 hours apart, for
// twenty hours in all.
const (
	defaultAttempts = 12
	firstPause      = time.Minute
	longestPause    = 6 * time.Hour
)

// A try ends long before its lease does, so that no second one begins beside it.
const (
	sendTimeout = time.Minute
	leaseTime   = 3 * time.Minute
	markTimeout = 30 * time.Second
)

// Options are what an Outbox works with.
type Options struct {
	DB      *db.DB
	Catalog *catalog.Catalog
	// Send is the driver. It carries one message away, and returns nil only
	// when somebody else has taken it over durably. It may be called again with
	// the same message. An error that is ErrRefused ends the tries.
	Send func(ctx context.Context, e Envelope) error
	// Seal seals what a message says inside the caller's transaction, Open opens
	// it again outside of one. The label names the row.
	Seal func(ctx context.Context, tx db.Querier, label string, plain []byte) (sealed []byte, version uint32, err error)
	Open func(ctx context.Context, label string, sealed []byte, version uint32) (plain []byte, err error)
	// GaveUp is called in the transaction that gives a message up; it may be nil.
	GaveUp func(ctx context.Context, tx db.Querier, f Failure) error
	// Bounced is called in the transaction that marks a message that was handed
	// over and did not arrive; it may be nil.
	Bounced     func(ctx context.Context, tx db.Querier, f Failure) error
	From        string // the sender of everything: an address, with or without a name
	MaxAttempts int    // 0: 12
	Now         func() time.Time
	Log         *slog.Logger
}

// Failure is a message that was given up, or did not arrive.
type Failure struct {
	MailID, AccountID, Recipient string
	Kind                         Kind
	Reason                       string
}

// Outbox queues messages and sends them. It is safe for use by many goroutines,
// and by many processes on one database.
type Outbox struct {
	opts   Options
	domain string // of new Message-IDs: ours, as RFC 5322, 3.6.4 wants it and filters look for it
}

// New returns an outbox. It fails when From is not an address.
func New(o Options) (*Outbox, error) {
	from, err := mail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("sender of mail %q: %w", o.From, err)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = defaultAttempts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.GaveUp == nil {
		o.GaveUp = nobodyHears
	}
	if o.Bounced == nil {
		o.Bounced = nobodyHears
	}
	return &Outbox{opts: o, domain: domain}, nil
}

// Queue writes a message in the caller's transaction and returns its id, for a
// hint on the queue once that is committed. While a message of the same subject
// is queued and was not tried yet, the new one takes its place and its id.
func (o *Outbox) Queue(ctx context.Context, tx db.Querier, m Message) (id string, err error) {
	if !slices.Contains(Kinds(), m.Kind) || m.SubjectKey == "" || m.Recipient == "" {
		return "", fmt.Errorf("queue mail: kind %q, subject %q and a recipient are needed", m.Kind, m.SubjectKey)
	}
	m.Vars.Files = m.Vars.Files[:min(len(m.Vars.Files), MaxListed)]
	plain, err := json.Marshal(m.Vars)
	if err != nil {
		return "", fmt.Errorf("queue mail %s: %w", m.Kind, err)
	}
	sealed, version, err := o.opts.Seal(ctx, tx, label(m.SubjectKey), plain)
	if err != nil {
		return "", fmt.Errorf("queue mail %s: %w", m.Kind, err)
	}
	err = tx.QueryRowContext(ctx, insertMail, db.NewID(), m.AccountID, string(m.Kind), m.SubjectKey, m.Recipient,
		m.Language, sealed, int64(version), db.Micros(o.opts.Now())).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("queue mail %s: %w", m.Kind, err)
	}
	return id, nil
}

// label binds what is sealed to the subject of its row. The id would not do: a
// row that takes a later message in keeps its own.
func label(subjectKey string) string { return "lenzeye/mail/v1/" + subjectKey }

// Due gives the ids of messages that wait for a try, the longest waiting first.
func (o *Outbox) Due(ctx context.Context, limit int) ([]string, error) {
	rows, err := o.opts.DB.QueryContext(ctx, dueMails, db.Micros(o.opts.Now()), limit)
	if err != nil {
		return nil, fmt.Errorf("read due mail: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read due mail: %w", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read due mail: %w", err)
	}
	return ids, nil
}

// Job is work that the queue runs by the id of a row.
type Job struct {
	Kind string
	Run  func(ctx context.Context, id string) error
}

// Jobs are the package's jobs.
func (o *Outbox) Jobs() []Job { return []Job{{Kind: JobDeliver, Run: o.Deliver}} }

// leased is a row whose try belongs to us until the lease ends.
type leased struct {
	id, owner  string
	accountID  string
	kind       Kind
	subjectKey string
	recipient  string
	language   string
	sealed     []byte
	codeKey    uint32
	sendKey    string
	messageID  string
	attempts   int
	created    time.Time
}

// Deliver makes one try to send a message. It is no error when there is nothing
// to do: the message is sent, given up, being sent elsewhere, or not due yet.
// Nor when the try failed and the row says so: the next try comes when it is due.
func (o *Outbox) Deliver(ctx context.Context, id string) error {
	m, err := o.lease(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deliver mail %s: lease: %w", id, err)
	}
	tryErr := o.try(ctx, m)
	// Whether the caller goes away now or not, what happened must be written.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer stop()
	if tryErr != nil {
		err = o.markTried(ctx, m, tryErr)
	} else {
		err = o.exec(ctx, markSent, m.id, db.Micros(o.opts.Now()))
	}
	if err != nil {
		return fmt.Errorf("deliver mail %s: write what came of it: %w", id, err)
	}
	return nil
}

func (o *Outbox) lease(ctx context.Context, id string) (leased, error) {
	now := o.opts.Now()
	m := leased{id: id, owner: db.NewID()}
	var kind string
	var created int64
	err := o.opts.DB.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, leaseMail, id, m.owner, db.Micros(now.Add(leaseTime)), db.Micros(now), id+"@"+o.domain).
			Scan(&m.accountID, &kind, &m.subjectKey, &m.recipient, &m.language, &m.sealed, &m.codeKey, &m.sendKey, &m.messageID, &m.attempts, &created)
	})
	m.kind, m.created = Kind(kind), db.Time(created)
	return m, err
}

func (o *Outbox) try(ctx context.Context, m leased) error {
	ctx, stop := context.WithTimeout(ctx, sendTimeout)
	defer stop()
	plain, err := o.opts.Open(ctx, label(m.subjectKey), m.sealed, m.codeKey)
	if err != nil {
		return err
	}
	var v Vars
	if err := json.Unmarshal(plain, &v); err != nil {
		return fmt.Errorf("read what it says: %w", err)
	}
	if m.kind == SignIn && v.ExpiresAt != nil && !o.opts.Now().Before(*v.ExpiresAt) {
		return fmt.Errorf("%w: its code has expired", ErrRefused)
	}
	e := render(o.opts.Catalog.Match(m.language), m.kind, v)
	e.ID, e.Key, e.MessageID = m.id, m.sendKey, m.messageID
	e.From, e.To, e.Date = o.opts.From, m.recipient, m.created
	return o.opts.Send(ctx, e)
}

// markTried writes when the next try is due, or that there is none.
func (o *Outbox) markTried(ctx context.Context, m leased, cause error) error {
	reason := reasonOf(cause)
	key := nextKey(cause)
	told := strings.ReplaceAll(reason, m.recipient, "the recipient") // whom servers like to name: rows may hold it, the log may not
	if m.attempts < o.opts.MaxAttempts && !errors.Is(cause, ErrRefused) {
		wait := pause(m.attempts)
		o.opts.Log.LogAttrs(ctx, slog.LevelWarn, "mail_waits", slog.String("mail_id", m.id), slog.String("kind", string(m.kind)),
			slog.Int("attempts", m.attempts), slog.Duration("wait", wait), slog.String("error", told))
		return o.exec(ctx, markWaiting, m.id, m.owner, db.Micros(o.opts.Now().Add(wait)), reason, key)
	}
	o.opts.Log.LogAttrs(ctx, slog.LevelError, "mail_given_up", slog.String("mail_id", m.id), slog.String("kind", string(m.kind)),
		slog.Int("attempts", m.attempts), slog.String("error", told))
	return o.opts.DB.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, markFailed, m.id, m.owner, reason, key)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err // the lease ran out, and somebody else tries
		}
		return o.opts.GaveUp(ctx, tx, Failure{MailID: m.id, AccountID: m.accountID, Recipient: m.recipient, Kind: m.kind, Reason: reason})
	})
}

func (o *Outbox) exec(ctx context.Context, query string, args ...any) error {
	return o.opts.DB.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// nextKey is a new key for the try after one that was not taken, and none after
// one that may have been. A service that keeps the keys of what it refused would
// take the next try for a repeat, and we its answer for a sign that it was sent.
func nextKey(cause error) sql.NullString {
	return sql.NullString{String: db.NewID(), Valid: errors.Is(cause, ErrNotTaken)}
}

// pause is the wait after a number of tries, a fifth more or less so that what
// failed together does not come back together.
func pause(attempts int) time.Duration {
	d := longestPause
	if shift := attempts - 1; shift < 16 {
		d = min(d, firstPause<<shift)
	}
	return d - d/5 + rand.N(d*2/5)
}

// reasonOf is an error as a row keeps it: short, and text for both databases.
func reasonOf(err error) string {
	s := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", " "), "\ufffd")
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "")
	}
	return s
}
