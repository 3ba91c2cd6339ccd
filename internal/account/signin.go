package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// JobLogin is the kind of the job that makes and mails the code of one login.
const JobLogin = "account.login/1"

// LoginDigits is the length of a mailed code. LoginLife is how long it works,
// LoginTries how often it may be tried.
const (
	LoginDigits = 8
	LoginLife   = 10 * time.Minute
	LoginTries  = 5
)

// Limits on how often a code is asked for. The address of a client and that of
// a mailbox count apart, known or not.
const (
	loginsPerClient  = 10  // an hour
	loginsPerMailbox = 100 // a day
)

// loginGrace is how long a login waits for its hint before the sweep gives one.
const loginGrace = 15 * time.Second

// SignInOptions are what a SignIn works with.
type SignInOptions struct {
	Accounts *Service
	Mail     *mail.Outbox
	// Hint is told after a commit which job has work; it may be nil. What it
	// loses the sweep finds.
	Hint      func(ctx context.Context, kind, id string) error
	PublicURL string // where people reach the server, without a slash at its end
}

// SignIn lets studios in by a code that is mailed to them. A code never leaves
// the process but in the mail, and what is asked takes the same steps whether
// the address belongs to a studio or not: all that differs is done by the job.
type SignIn struct {
	accounts *Service
	mail     *mail.Outbox
	tell     func(ctx context.Context, kind, id string) error
	url      string
}

// NewSignIn returns a SignIn. It does no work yet.
func NewSignIn(o SignInOptions) *SignIn {
	return &SignIn{accounts: o.Accounts, mail: o.Mail, tell: o.Hint, url: o.PublicURL}
}

// NewLogin is who asks for a code.
type NewLogin struct {
	Email    string
	Language string // BCP 47, of whoever asks; "" is unknown
	Client   string // as AddressSubject gives it
}

// CodeError says how many tries a login has left.
type CodeError struct{ Left int }

func (e *CodeError) Error() string { return fmt.Sprintf("%v: %d tries are left", ErrCodeWrong, e.Left) }

// Is makes the error one of ErrCodeWrong.
func (e *CodeError) Is(target error) bool { return target == ErrCodeWrong }

// Begin asks for a code to be mailed and returns the id that it belongs to. It
// tells nobody whether there is such a studio. Errors: ErrEmailInvalid,
// *TryLimitError.
func (g *SignIn) Begin(ctx context.Context, n NewLogin) (loginID string, err error) {
	email, err := CheckEmail(n.Email)
	if err != nil {
		return "", err
	}
	if err := g.accounts.TakeTry(ctx, Window{Scope: "login_client", Subject: n.Client, Max: loginsPerClient, Per: time.Hour}); err != nil {
		return "", err
	}
	mailbox := sha256.Sum256([]byte(email))
	if err := g.accounts.TakeTry(ctx, Window{
		Scope: "login_mailbox", Subject: hex.EncodeToString(mailbox[:]), Max: loginsPerMailbox, Per: 24 * time.Hour,
	}); err != nil {
		return "", err
	}
	loginID = db.NewID()
	now := g.accounts.clock()
	err = g.accounts.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertLogin, loginID, email, n.Language, db.Micros(now), db.Micros(now.Add(LoginLife)))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("begin to sign in: %w", err)
	}
	g.hint(ctx, JobLogin, loginID)
	return loginID, nil
}

// Jobs are the package's jobs.
func (g *SignIn) Jobs() []mail.Job { return []mail.Job{{Kind: JobLogin, Run: g.mailCode}} }

// mailCode makes the code of a login and queues the mail, if the address is one
// of an active studio. One for nobody gets a code too, so that trying it takes
// the same steps.
func (g *SignIn) mailCode(ctx context.Context, loginID string) error {
	var email, language string
	var expires int64
	err := g.accounts.db.QueryRowContext(ctx, waitingLogin, loginID, db.Micros(g.accounts.clock())).Scan(&email, &language, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // done, or too late
	}
	if err != nil {
		return fmt.Errorf("mail a code: %w", err)
	}
	a, err := g.accounts.ByEmail(ctx, email)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("mail a code: %w", err)
	}
	c, err := g.newLoginCode(ctx, loginID)
	if err != nil {
		return fmt.Errorf("mail a code: %w", err)
	}
	until := db.Time(expires)
	m := mail.Message{
		AccountID: a.ID, Kind: mail.SignIn, SubjectKey: "signin/" + loginID, Recipient: email, Language: language,
		Vars: mail.Vars{Studio: a.Name, Code: c.code, URL: g.loginURL(loginID, c.code), ExpiresAt: &until},
	}
	if a.Language != "" {
		m.Language = a.Language
	}
	var mailID string
	err = g.accounts.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		mailID = ""
		known := a.State == StateActive
		var owner *string
		if known {
			owner = &a.ID
		}
		if err := tx.QueryRowContext(ctx, setLoginCode, loginID, owner, c.hash, int64(c.key)).Scan(&loginID); err != nil || !known {
			return err
		}
		mailID, err = g.mail.Queue(ctx, tx, m)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil // another run was first
	}
	if err != nil {
		return fmt.Errorf("mail a code: %w", err)
	}
	if mailID != "" {
		g.hint(ctx, mail.JobDeliver, mailID)
	}
	return nil
}

// Link makes a login whose code is known at once, for an operator to hand over:
// the address of the page that signs the studio in, once, until expires. Errors:
// ErrNotFound, ErrNotActive.
func (g *SignIn) Link(ctx context.Context, accountID string) (address string, expires time.Time, err error) {
	id, now := db.NewID(), g.accounts.clock()
	expires = now.Add(LoginLife)
	c, err := g.newLoginCode(ctx, id)
	if err != nil {
		return "", expires, fmt.Errorf("make a sign-in link: %w", err)
	}
	err = g.accounts.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := g.accounts.lockActive(ctx, tx, accountID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertLogin, id, "", "", db.Micros(now), db.Micros(expires)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, setLoginCode, id, accountID, c.hash, int64(c.key)).Scan(&id)
	})
	if err != nil {
		return "", expires, fmt.Errorf("make a sign-in link: %w", err)
	}
	return g.loginURL(id, c.code), expires, nil
}

// Verify makes a session for who gives the right code, which then is used up,
// and returns the session's secret. A try counts before anything is compared.
// Errors: *CodeError, for every reason that is the caller's.
func (g *SignIn) Verify(ctx context.Context, loginID, code string, from Device) (Session, string, error) {
	if _, err := db.ParseID(loginID); err != nil {
		return Session{}, "", &CodeError{}
	}
	accountID, err := g.tryCode(ctx, loginID, code)
	if err != nil {
		return Session{}, "", err
	}
	session, secret, err := g.accounts.newSession(from)
	if err != nil {
		return Session{}, "", err
	}
	err = g.accounts.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := g.accounts.lockActive(ctx, tx, accountID); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, useLogin, loginID, db.Micros(session.CreatedAt)).Scan(&accountID); err != nil {
			return err
		}
		return g.accounts.insertSession(ctx, tx, accountID, session, secret)
	})
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, ErrNotActive) || errors.Is(err, ErrNotFound) {
		return Session{}, "", &CodeError{}
	}
	if err != nil {
		return Session{}, "", fmt.Errorf("sign in: %w", err)
	}
	session.AccountID = accountID
	return session, secret, nil
}

// tryCode counts a try and compares. It gives the account that the login is for.
func (g *SignIn) tryCode(ctx context.Context, loginID, code string) (accountID string, err error) {
	var owner *string
	var hash []byte
	var key uint32
	var tries int
	err = g.accounts.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, takeLoginTry, loginID, db.Micros(g.accounts.clock()), LoginTries).Scan(&owner, &hash, &key, &tries)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", &CodeError{}
	}
	if err != nil {
		return "", fmt.Errorf("try a code: %w", err)
	}
	wrong := &CodeError{Left: LoginTries - tries}
	if hash == nil {
		return "", wrong
	}
	ok, err := g.accounts.CheckCode(ctx, loginLabel(loginID, foldDigits(code)), hash, key)
	if err != nil {
		return "", fmt.Errorf("try a code: %w", err)
	}
	if !ok || owner == nil {
		return "", wrong
	}
	return *owner, nil
}

// loginCode is a new code and what is kept of it.
type loginCode struct {
	code string
	hash []byte
	key  uint32
}

func (g *SignIn) newLoginCode(ctx context.Context, loginID string) (c loginCode, err error) {
	if c.code, err = newDigits(g.accounts.rand); err != nil {
		return c, err
	}
	c.hash, c.key, err = g.accounts.HashCode(ctx, loginLabel(loginID, c.code))
	return c, err
}

// loginLabel keeps a code to its login, and apart from the codes of shares.
func loginLabel(loginID, code string) string { return "lenzeye/login/v1/" + loginID + "/" + code }

func (g *SignIn) loginURL(loginID, code string) string {
	return g.url + "/signin#" + loginID + "." + code
}

func (g *SignIn) hint(ctx context.Context, kind, id string) {
	if g.tell == nil {
		return
	}
	if err := g.tell(ctx, kind, id); err != nil {
		g.accounts.log.LogAttrs(ctx, slog.LevelWarn, "hint_lost", slog.String("kind", kind), slog.String("id", id), slog.Any("error", err))
	}
}

// newDigits makes a code of random. 250 is the largest multiple of ten that a
// byte holds, so every digit is as likely.
func newDigits(random io.Reader) (string, error) {
	var code [LoginDigits]byte
	var b [1]byte
	for i := 0; i < len(code); {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("make a code: %w", err)
		}
		if b[0] < 250 {
			code[i] = '0' + b[0]%10
			i++
		}
	}
	return string(code[:]), nil
}

// foldDigits forgives spaces and dashes, and takes the digits of Devanagari.
func foldDigits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
			return -1
		case r >= '०' && r <= '९':
			return '0' + r - '०'
		}
		return r
	}, s)
}

const insertLogin = `
INSERT INTO logins (id, email, language, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`

const waitingLogin = `
SELECT email, language, expires_at FROM logins WHERE id = $1 AND code_hash IS NULL AND expires_at > $2`

const setLoginCode = `
UPDATE logins SET account_id = $2, code_hash = $3, code_key = $4
WHERE id = $1 AND code_hash IS NULL
RETURNING id`

const takeLoginTry = `
UPDATE logins SET tries = tries + 1
WHERE id = $1 AND tries < CAST($3 AS BIGINT) AND used_at IS NULL AND expires_at > $2
RETURNING account_id, code_hash, code_key, tries`

const useLogin = `
UPDATE logins SET used_at = $2
WHERE id = $1 AND used_at IS NULL AND expires_at > $2
RETURNING account_id`
