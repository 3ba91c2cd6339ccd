package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Window allows Max tries of one subject in each span of Per, which begins with
// its first try. A scope names one limit and is used with one of Window and
// Bucket only.
type Window struct {
	Scope   string
	Subject string
	Max     int64
	Per     time.Duration
}

// Bucket allows Burst tries at once and Rate a second in the long run.
type Bucket struct {
	Scope   string
	Subject string
	Rate    float64
	Burst   int64
}

// takeWindow starts a window, or counts one try more in the running one. Where
// the window is full it changes nothing and returns nothing.
const takeWindow = `
INSERT INTO tries (scope, subject, count, at, expires_at)
VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (scope, subject) DO UPDATE SET
  count = CASE WHEN tries.expires_at <= excluded.at THEN 1 ELSE tries.count + 1 END,
  expires_at = CASE WHEN tries.expires_at <= excluded.at THEN excluded.expires_at ELSE tries.expires_at END,
  at = CASE WHEN tries.expires_at <= excluded.at THEN excluded.at ELSE tries.at END
WHERE tries.expires_at <= excluded.at OR tries.count < CAST($5 AS BIGINT)
RETURNING expires_at`

// takeBucket is the generic cell rate algorithm (ITU-T I.371): at is when the
// bucket is empty again, each try moves it one interval ($5), and a try is
// refused that would find it more than burst - 1 intervals ahead ($6).
const takeBucket = `
INSERT INTO tries (scope, subject, count, at, expires_at)
VALUES ($1, $2, 1, $4, $4)
ON CONFLICT (scope, subject) DO UPDATE SET
  count = tries.count + 1,
  at = CASE WHEN tries.at <= CAST($3 AS BIGINT) THEN excluded.at ELSE tries.at + CAST($5 AS BIGINT) END,
  expires_at = CASE WHEN tries.at <= CAST($3 AS BIGINT) THEN excluded.at ELSE tries.at + CAST($5 AS BIGINT) END
WHERE tries.at <= CAST($3 AS BIGINT) + CAST($6 AS BIGINT)
RETURNING at`

const tryExpiry = `SELECT expires_at FROM tries WHERE scope = $1 AND subject = $2`

const returnTry = `UPDATE tries SET count = count - 1 WHERE scope = $1 AND subject = $2 AND count > 0`

const forgetTries = `DELETE FROM tries WHERE scope = $1 AND subject = $2`

// sweepTries names the expiry twice: the outer one is checked again on the row
// that the delete locks, which a try may have renewed meanwhile.
const sweepTries = `
DELETE FROM tries
WHERE expires_at <= $1 AND (scope, subject) IN (
  SELECT scope, subject FROM tries WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`

// TakeTry counts one try. It is called before the secret is compared, so that a
// hundred guesses at once are Max guesses. Errors: *TryLimitError.
func (s *Service) TakeTry(ctx context.Context, w Window) error {
	if w.Max < 1 || w.Per <= 0 {
		return fmt.Errorf("take a try of %s: %d in %s is no limit", w.Scope, w.Max, w.Per)
	}
	now := s.clock()
	until := now.Add(w.Per)
	err := s.take(ctx, w.Scope, w.Subject, func(expires time.Time) time.Duration { return expires.Sub(now) },
		takeWindow, w.Scope, w.Subject, db.Micros(now), db.Micros(until), w.Max)
	if err != nil {
		return fmt.Errorf("take a try of %s: %w", w.Scope, err)
	}
	return nil
}

// TakeToken counts one try against a leaky bucket. Errors: *TryLimitError.
func (s *Service) TakeToken(ctx context.Context, b Bucket) error {
	if b.Burst < 1 || b.Rate <= 0 {
		return fmt.Errorf("take a try of %s: %g a second, %d at once is no limit", b.Scope, b.Rate, b.Burst)
	}
	now := s.clock()
	interval := time.Duration(float64(time.Second) / b.Rate).Truncate(time.Microsecond)
	ahead := interval * time.Duration(b.Burst-1)
	err := s.take(ctx, b.Scope, b.Subject, func(empty time.Time) time.Duration { return empty.Sub(now) - ahead },
		takeBucket, b.Scope, b.Subject, db.Micros(now), db.Micros(now.Add(interval)),
		interval.Microseconds(), ahead.Microseconds())
	if err != nil {
		return fmt.Errorf("take a try of %s: %w", b.Scope, err)
	}
	return nil
}

// take runs one of the two upserts. When that returns no row the limit is
// reached; the row stays locked by it, so its expiry says how long that lasts.
func (s *Service) take(ctx context.Context, scope, subject string, wait func(time.Time) time.Duration,
	query string, args ...any) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var us int64
		err := tx.QueryRowContext(ctx, query, args...).Scan(&us)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := tx.QueryRowContext(ctx, tryExpiry, scope, subject).Scan(&us); err != nil {
			return err
		}
		return &TryLimitError{RetryAfter: max(wait(db.Time(us)), time.Microsecond)}
	})
}

// ForgetTries gives a subject all tries of a scope again, after a right secret.
func (s *Service) ForgetTries(ctx context.Context, scope, subject string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, forgetTries, scope, subject)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget tries of %s: %w", scope, err)
	}
	return nil
}

// ReturnTry gives one try of a window back: the secret was not compared, because
// another limit refused first.
func (s *Service) ReturnTry(ctx context.Context, scope, subject string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, returnTry, scope, subject)
		return err
	})
	if err != nil {
		return fmt.Errorf("return a try of %s: %w", scope, err)
	}
	return nil
}

// SweepTries removes at most limit rows whose limit has ended and returns how
// many it removed. Any number of processes may do it.
func (s *Service) SweepTries(ctx context.Context, limit int) (int64, error) {
	var gone int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, sweepTries, db.Micros(s.clock()), limit)
		if err != nil {
			return err
		}
		gone, err = r.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep tries: %w", err)
	}
	return gone, nil
}

// Batches of a sweep: many small transactions hold the writer shortly, and what
// one run leaves the next one takes.
const (
	sweepBatch   = 500
	sweepBatches = 20
)

// Sweep is the package's periodic work: it removes ended try limits, old events
// and ended tokens, forgets deleted accounts whose files are purged, and drops
// file keys from memory whose time in the cache is over.
func (s *Service) Sweep(ctx context.Context) error {
	s.fileKeys.dropEnded(s.now())
	for range sweepBatches {
		gone, err := s.SweepTries(ctx, sweepBatch)
		if err != nil {
			return err
		}
		if gone < sweepBatch {
			break
		}
	}
	return errors.Join(s.prune(ctx), s.sweepDeleted(ctx))
}

// AddressSubject is a client address as try limits count it: an IPv4 address
// by itself, an IPv6 one by its /64, which is what one client has.
func AddressSubject(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "unknown"
	}
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}
