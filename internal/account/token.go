package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Kinds of rows in the table tokens.
const (
	tokenAPI     = "api"
	tokenSession = "session"
)

// touchEvery is how exact last_used_at is: writing it on every call would make
// every read a write.
const touchEvery = time.Minute

// Token is a studio's API token without its secret, which only its maker sees.
type Token struct {
	ID         string
	Name       string
	CreatedAt  time.Time
	LastUsedAt *time.Time // to the minute; nil: never
	ExpiresAt  *time.Time // nil: never
}

// Principal is who an authenticated call is made for.
type Principal struct {
	AccountID string
	TokenID   string
	Kind      SecretKind // SecretAPI or SecretSession
}

// CreateToken makes an API token and returns its secret, which cannot be had
// again. expires may be nil. Errors: ErrNotFound, ErrNotActive, ErrNameInvalid,
// ErrExpiryInvalid.
func (s *Service) CreateToken(ctx context.Context, accountID, name string, expires *time.Time, by Origin) (Token, string, error) {
	t, secret, err := s.makeToken(name, expires)
	if err != nil {
		return Token{}, "", err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.lockActive(ctx, tx, accountID); err != nil {
			return err
		}
		return s.insertToken(ctx, tx, accountID, newToken{t, secret, by})
	})
	if err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	return t, secret, nil
}

// ReplaceToken makes an API token without expiry and revokes the account's
// earlier ones of that name, both or neither. Errors: as CreateToken.
func (s *Service) ReplaceToken(ctx context.Context, accountID, name string, by Origin) (Token, string, error) {
	t, secret, err := s.makeToken(name, nil)
	if err != nil {
		return Token{}, "", err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// The lock makes two replacements at once follow one another, so that
		// one token is left.
		if err := s.lockActive(ctx, tx, accountID); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, revokeTokensNamed, accountID, t.Name, db.Micros(s.clock()))
		if err != nil {
			return err
		}
		if err := s.recordRevoked(ctx, tx, revocation{accountID: accountID, kind: tokenAPI, by: by}, rows); err != nil {
			return err
		}
		return s.insertToken(ctx, tx, accountID, newToken{t, secret, by})
	})
	if err != nil {
		return Token{}, "", fmt.Errorf("replace token %q: %w", name, err)
	}
	return t, secret, nil
}

// Tokens gives an account's API tokens that are not revoked, newest first, and
// the cursor of the next page, "" at the end. Errors: ErrCursor.
func (s *Service) Tokens(ctx context.Context, accountID string, p Page) ([]Token, string, error) {
	return pageOf(ctx, s.db, p, tokensPage, []any{accountID}, scanToken,
		func(t Token) string { return t.ID })
}

// RevokeToken ends an API token at once. Revoking it again is no error.
// Errors: ErrNotFound for one that this account never had.
func (s *Service) RevokeToken(ctx context.Context, accountID, id string, by Origin) error {
	return s.revoke(ctx, revocation{accountID: accountID, id: id, kind: tokenAPI, by: by})
}

// revocation is which tokens or sessions end, and by whom.
type revocation struct {
	accountID, id, kind string
	by                  Origin
}

func (s *Service) revoke(ctx context.Context, r revocation) error {
	if _, err := db.ParseID(r.id); err != nil {
		return ErrNotFound
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, revokeToken, r.id, r.accountID, db.Micros(s.clock()), r.kind)
		if err != nil {
			return err
		}
		if err := s.recordRevoked(ctx, tx, r, rows); err != nil {
			return err
		}
		var id string
		err = tx.QueryRowContext(ctx, tokenExists, r.id, r.accountID, r.kind).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke %s token: %w", r.kind, err)
	}
	return nil
}

// Authenticate finds who holds an API token or a session. Errors:
// ErrUnauthenticated for whatever is unknown, revoked, expired, of another kind
// or of an account that is not active.
func (s *Service) Authenticate(ctx context.Context, secret string) (Principal, error) {
	kind, ok := ParseSecret(secret)
	if !ok {
		return Principal{}, ErrUnauthenticated
	}
	var p Principal
	var row string
	var used, expires *int64
	err := s.db.QueryRowContext(ctx, tokenByHash, HashSecret(secret)).
		Scan(&p.TokenID, &row, &p.AccountID, &used, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return Principal{}, ErrUnauthenticated
	}
	if err != nil {
		return Principal{}, fmt.Errorf("authenticate: %w", err)
	}
	now := s.clock()
	if row != rowKind(kind) || (expires != nil && *expires <= db.Micros(now)) {
		return Principal{}, ErrUnauthenticated
	}
	p.Kind = kind
	if used == nil || *used <= db.Micros(now.Add(-touchEvery)) {
		s.touch(ctx, p.TokenID, now)
	}
	return p, nil
}

// touch notes that a token was used. Who holds it is known by then, so a
// database that cannot write does not refuse the call.
func (s *Service) touch(ctx context.Context, id string, now time.Time) {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, touchToken, id, db.Micros(now), db.Micros(now.Add(-touchEvery)),
			db.Micros(now.Add(SessionLife)))
		return err
	})
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "token_use_not_noted", slog.String("token_id", id), slog.Any("error", err))
	}
}

func rowKind(k SecretKind) string {
	switch k {
	case SecretAPI:
		return tokenAPI
	case SecretSession:
		return tokenSession
	default:
		return ""
	}
}

// newToken is a token about to be written.
type newToken struct {
	Token
	secret string
	by     Origin
}

func (s *Service) makeToken(name string, expires *time.Time) (Token, string, error) {
	name, err := cleanName(name)
	if err != nil {
		return Token{}, "", err
	}
	now := s.clock()
	if expires != nil {
		at := expires.UTC().Truncate(time.Microsecond)
		if !at.After(now) {
			return Token{}, "", ErrExpiryInvalid
		}
		expires = &at
	}
	secret, err := NewSecret(SecretAPI, s.rand)
	if err != nil {
		return Token{}, "", err
	}
	return Token{ID: db.NewID(), Name: name, CreatedAt: now, ExpiresAt: expires}, secret, nil
}

func (s *Service) insertToken(ctx context.Context, tx *sql.Tx, accountID string, t newToken) error {
	_, err := tx.ExecContext(ctx, insertToken, t.ID, tokenAPI, accountID, HashSecret(t.secret), t.Name,
		db.Micros(t.CreatedAt), db.NullMicros(t.ExpiresAt))
	if err != nil {
		return err
	}
	return s.Record(ctx, tx, tokenEvent(EventTokenCreated, accountID, t.by, t.ID, t.Name))
}

// recordRevoked closes rows before it writes: a transaction has one connection.
func (s *Service) recordRevoked(ctx context.Context, tx *sql.Tx, r revocation, rows *sql.Rows) error {
	defer func() { _ = rows.Close() }()
	var gone []Event
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		if r.kind == tokenSession {
			gone = append(gone, Event{AccountID: r.accountID, Kind: EventSessionRevoked, Actor: r.by.Actor, IP: r.by.IP,
				Detail: map[string]any{"session_id": id}})
			continue
		}
		gone = append(gone, tokenEvent(EventTokenRevoked, r.accountID, r.by, id, name))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, e := range gone {
		if err := s.Record(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

func tokenEvent(kind EventKind, accountID string, by Origin, id, name string) Event {
	return Event{AccountID: accountID, Kind: kind, Actor: by.Actor, IP: by.IP,
		Detail: map[string]any{"token_id": id, "name": name}}
}

func scanToken(row scanner) (Token, error) {
	var t Token
	var created int64
	var used, expires *int64
	err := row.Scan(&t.ID, &t.Name, &created, &used, &expires)
	t.CreatedAt, t.LastUsedAt, t.ExpiresAt = db.Time(created), db.NullTime(used), db.NullTime(expires)
	return t, err
}
