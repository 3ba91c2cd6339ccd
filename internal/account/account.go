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
type NewAccount struct{ Email, Name, Language string }

// Create makes an active account in vault mode with its first key, the default
// quota and an event. Errors: ErrEmailInvalid, ErrEmailTaken, ErrNameInvalid,
// ErrKeyUnavailable.
func (s *Service) Create(ctx context.Context, n NewAccount) (Account, error) {
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
		return s.Record(ctx, tx, Event{AccountID: a.ID, Kind: EventAccountCreated, Actor: ActorSystem})
	})
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	return a, nil
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
