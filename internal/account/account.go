package account

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// States of an account.
const (
	StateActive   = "active"
	StateDisabled = "disabled"
	StateDeleted  = "deleted"
)

// ModeVault says that the server can open the account's files.
const ModeVault = "vault"

// RoleOwner is the role of the one person that an account has.
const RoleOwner = "owner"

// Account is a studio.
type Account struct {
	ID        string
	Email     string // lower case
	Name      string // as guests see it
	Role      string
	Mode      string
	State     string
	Quota     *int64 // plain bytes; nil: none
	Used      int64  // plain bytes of stored files
	Reserved  int64  // plain bytes promised to declared files
	Language  string // of its mail; "" until known
	CreatedAt time.Time
}

// Options are what a Service works with.
type Options struct {
	DB *db.DB
	// Ring gives the master keys: the current ring for version 0, else one that
	// holds the version if this server can come by it. A ring without it is no
	// error here; the key row is then ErrKeyUnavailable.
	Ring  func(ctx context.Context, version uint32) (*seal.Ring, error)
	Quota *int64 // plain bytes a new account may hold; nil: no quota
	// KeepEvents is how long Sweep leaves events; 0: for ever.
	KeepEvents time.Duration
	Now        func() time.Time
	Rand       io.Reader // crypto/rand.Reader if nil
	Log        *slog.Logger
}

// Service is all of the package that needs the database. It is safe for use by
// many goroutines, and by many processes on one database.
type Service struct {
	db    *db.DB
	ring  func(ctx context.Context, version uint32) (*seal.Ring, error)
	quota *int64
	now   func() time.Time
	rand  io.Reader
	log   *slog.Logger

	keepEvents time.Duration

	fileKeys  *keyCache
	passwords chan struct{} // one token: who holds it may compute a slow hash
}

// New returns a service. It does no work yet.
func New(o Options) *Service {
	s := &Service{
		db: o.DB, ring: o.Ring, quota: o.Quota, now: o.Now, rand: o.Rand, log: o.Log,
		keepEvents: o.KeepEvents,
		fileKeys:   newKeyCache(),
		passwords:  make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// NewAccount is what a studio is made of. Language may be "".
type NewAccount struct {
	Email, Name, Language string
	Quota                 *Quota // nil: the default one
}

// Quota is one that was chosen.
type Quota struct {
	Bytes *int64 // plain bytes; nil: none
}

// Create makes an active account in vault mode with its first key, a quota and an
// event. Errors: ErrEmailInvalid, ErrEmailTaken, ErrNameInvalid, ErrQuotaInvalid,
// ErrKeyUnavailable.
func (s *Service) Create(ctx context.Context, n NewAccount) (Account, error) {
	return s.create(ctx, n, func(context.Context, *sql.Tx, Account) error { return nil })
}

// CreateWithToken is Create with an API token of this name, both or neither, and
// gives the token's secret. Errors: those of Create, and ErrTokenName.
func (s *Service) CreateWithToken(ctx context.Context, n NewAccount, token string) (a Account, secret string, err error) {
	t, secret, err := s.makeToken(token, nil)
	if errors.Is(err, ErrNameInvalid) {
		err = ErrTokenName
	}
	if err != nil {
		return Account{}, "", err
	}
	a, err = s.create(ctx, n, func(ctx context.Context, tx *sql.Tx, a Account) error {
		return s.insertToken(ctx, tx, a.ID, newToken{t, secret, Origin{}})
	})
	if err != nil {
		return Account{}, "", err
	}
	return a, secret, nil
}

// create makes an account, and what else its transaction holds.
func (s *Service) create(ctx context.Context, n NewAccount, also func(context.Context, *sql.Tx, Account) error) (Account, error) {
	a, err := s.draft(n)
	if err != nil {
		return Account{}, err
	}
	key, err := s.newAccountKey(ctx, a.ID, 1)
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insertAccount, a.ID, a.Email, a.Name, a.Role, a.Mode,
			a.State, a.Quota, a.Language, db.Micros(a.CreatedAt)); err != nil {
			if db.IsUnique(err) {
				return ErrEmailTaken
			}
			return err
		}
		if err := insertKeyRow(ctx, tx, key); err != nil {
			return err
		}
		if err := s.Record(ctx, tx, Event{AccountID: a.ID, Kind: EventAccountCreated, Actor: ActorSystem}); err != nil {
			return err
		}
		return also(ctx, tx, a)
	})
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	return a, nil
}

// draft holds a new account's values against their bounds.
func (s *Service) draft(n NewAccount) (Account, error) {
	email, err := CheckEmail(n.Email)
	if err != nil {
		return Account{}, err
	}
	name, err := cleanName(n.Name)
	if err != nil {
		return Account{}, err
	}
	a := Account{
		ID: db.NewID(), Email: email, Name: name, Role: RoleOwner, Mode: ModeVault,
		State: StateActive, Quota: s.quota, Language: n.Language, CreatedAt: s.clock(),
	}
	if n.Quota != nil {
		a.Quota = n.Quota.Bytes
	}
	return a, checkQuota(a.Quota)
}

// ByID finds an account in any state. Errors: ErrNotFound.
func (s *Service) ByID(ctx context.Context, id string) (Account, error) {
	if _, err := db.ParseID(id); err != nil {
		return Account{}, ErrNotFound
	}
	return one(s.db.QueryRowContext(ctx, accountByID, id))
}

// ByEmail finds the account that has this address and is not deleted; the
// address may be written in any way that CheckEmail takes. Errors: ErrNotFound,
// also for what is no address.
func (s *Service) ByEmail(ctx context.Context, email string) (Account, error) {
	normal, err := CheckEmail(email)
	if err != nil {
		return Account{}, ErrNotFound
	}
	return one(s.db.QueryRowContext(ctx, accountByEmail, normal))
}

// List gives the accounts that are not deleted, newest first, and the cursor of
// the next page, "" at the end. Errors: ErrCursor.
func (s *Service) List(ctx context.Context, p Page) ([]Account, string, error) {
	return pageOf(ctx, s.db, p, accountsPage, nil, scanAccount,
		func(a Account) string { return a.ID })
}

// Rename changes what guests see of the studio. Errors: ErrNameInvalid,
// ErrNotFound, ErrNotActive.
func (s *Service) Rename(ctx context.Context, id, name string) (Account, error) {
	name, err := cleanName(name)
	if err != nil {
		return Account{}, err
	}
	var a Account
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockActive(ctx, tx, id); err != nil {
			return err
		}
		a, err = one(tx.QueryRowContext(ctx, renameAccount, id, name))
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("rename account: %w", err)
	}
	return a, nil
}

// clock is the time as rows keep it: UTC, whole microseconds.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	n := utf8.RuneCountInString(name)
	if n < 1 || n > 200 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", ErrNameInvalid
	}
	return name, nil
}

// scanner is a row or rows.
type scanner interface{ Scan(dest ...any) error }

func one(row scanner) (Account, error) {
	a, err := scanAccount(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, ErrNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

func scanAccount(row scanner) (Account, error) {
	var a Account
	var created int64
	err := row.Scan(&a.ID, &a.Email, &a.Name, &a.Role, &a.Mode, &a.State,
		&a.Quota, &a.Used, &a.Reserved, &a.Language, &created)
	a.CreatedAt = db.Time(created)
	return a, err
}
