package account

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lenzeye/lenzeye/internal/db"
)

// SessionLife is how long a session lasts after it was last used.
const SessionLife = 30 * 24 * time.Hour

// Device is what signs in, so that its studio knows it again.
type Device struct{ IP, UserAgent string }

// Session is a studio signed in on one device, without its secret.
type Session struct {
	ID         string
	AccountID  string
	CreatedAt  time.Time
	LastSeenAt time.Time // to the minute
	ExpiresAt  time.Time // moves with LastSeenAt
	Device     Device    // when it was begun
}

// Sessions gives an account's sessions that have not ended, newest first, and
// the cursor of the next page, "" at the end. Errors: ErrCursor.
func (s *Service) Sessions(ctx context.Context, accountID string, p Page) ([]Session, string, error) {
	return pageOf(ctx, s.db, p, sessionsPage, []any{accountID, db.Micros(s.clock())}, scanSession,
		func(v Session) string { return v.ID })
}

// RevokeSession ends a session at once. Again is no error as long as its row is
// kept. Errors: ErrNotFound for one that this account never had.
func (s *Service) RevokeSession(ctx context.Context, accountID, id string, by Origin) error {
	return s.revoke(ctx, revocation{accountID: accountID, id: id, kind: tokenSession, by: by})
}

// RevokeSessions ends all sessions of an account but the one named by keep, ""
// for none.
func (s *Service) RevokeSessions(ctx context.Context, accountID, keep string, by Origin) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.Lock(ctx, tx, accountID); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, revokeSessions, accountID, keep, db.Micros(s.clock()))
		if err != nil {
			return err
		}
		return s.recordRevoked(ctx, tx, revocation{accountID: accountID, kind: tokenSession, by: by}, rows)
	})
	if err != nil {
		return fmt.Errorf("revoke sessions: %w", err)
	}
	return nil
}

func (s *Service) newSession(from Device) (Session, string, error) {
	secret, err := NewSecret(SecretSession, s.rand)
	if err != nil {
		return Session{}, "", err
	}
	now := s.clock()
	from.UserAgent = cleanAgent(from.UserAgent)
	return Session{ID: db.NewID(), CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(SessionLife), Device: from}, secret, nil
}

func (s *Service) insertSession(ctx context.Context, tx *sql.Tx, accountID string, v Session, secret string) error {
	_, err := tx.ExecContext(ctx, insertSession, v.ID, accountID, HashSecret(secret), db.Micros(v.CreatedAt),
		db.Micros(v.ExpiresAt), v.Device.IP, v.Device.UserAgent)
	if err != nil {
		return err
	}
	return s.Record(ctx, tx, Event{AccountID: accountID, Kind: EventSignedIn, Actor: ActorStudio, IP: v.Device.IP,
		Detail: map[string]any{"session_id": v.ID, "user_agent": v.Device.UserAgent}})
}

// cleanAgent cuts what a browser says of itself to what a row and a page hold.
func cleanAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300])
	}
	return s
}

func scanSession(row scanner) (Session, error) {
	var v Session
	var created, expires int64
	var used *int64
	err := row.Scan(&v.ID, &v.AccountID, &created, &used, &expires, &v.Device.IP, &v.Device.UserAgent)
	v.CreatedAt, v.ExpiresAt, v.LastSeenAt = db.Time(created), db.Time(expires), db.Time(created)
	if used != nil {
		v.LastSeenAt = db.Time(*used)
	}
	return v, err
}

const insertSession = `
INSERT INTO tokens (id, kind, account_id, hash, created_at, last_used_at, expires_at, ip, user_agent)
VALUES ($1, 'session', $2, $3, $4, $4, $5, $6, $7)`

const sessionsPage = `
SELECT id, account_id, created_at, last_used_at, expires_at, ip, user_agent FROM tokens
WHERE account_id = $3 AND kind = 'session' AND revoked_at IS NULL AND expires_at > $4 AND id < $1
ORDER BY id DESC LIMIT $2`

const revokeSessions = `
UPDATE tokens SET revoked_at = $3
WHERE account_id = $1 AND id <> $2 AND kind = 'session' AND revoked_at IS NULL
RETURNING id, name`
