package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// rotateBatch is how many rows one transaction of a rotation changes: few, so
// that a running server gets its turn in between.
const rotateBatch = 200

// Rotated is how far a rotation has come.
type Rotated struct {
	Done   int64 // keys sealed anew by this call
	Left   int64 // keys that still wait, with those that failed
	Failed int64 // keys that did not open
	Reason error // why the first of them did not; nil when none failed
}

func (r *Rotated) fail(err error) {
	if r.Failed == 0 {
		r.Reason = err
	}
	r.Failed++
}

// RotateMaster seals every private half and code key that lies under another
// master key under the one that seals now. It changes rows only, in batches, and
// may be stopped and called again at any time, beside any number of processes. A
// key that does not open is left as it is and counted. tell hears of each batch.
// Errors: ErrKeyUnavailable when there is no master key at all.
func (s *Service) RotateMaster(ctx context.Context, tell func(Rotated)) (Rotated, error) {
	ring, err := s.ring(ctx, 0)
	if err != nil {
		return Rotated{}, fmt.Errorf("rotate the master key: %w: %w", ErrKeyUnavailable, err)
	}
	var total Rotated
	for { // again while others seal under an old key: they hold an older order of keys
		pass, err := s.masterPass(ctx, ring, total.Done, tell)
		total = Rotated{Done: total.Done + pass.Done, Left: pass.Left, Failed: pass.Failed, Reason: pass.Reason}
		if err != nil {
			return total, fmt.Errorf("rotate the master key: %w", err)
		}
		if pass.Done == 0 || total.Left == 0 {
			return total, nil
		}
	}
}

// masterPass goes once through all keys.
func (s *Service) masterPass(ctx context.Context, ring *seal.Ring, before int64, tell func(Rotated)) (Rotated, error) {
	var r Rotated
	for after := ""; ; {
		keys, err := s.sealedKeys(ctx, keysUnderOthers, int64(ring.Current()), after, rotateBatch)
		if err != nil {
			return r, err
		}
		if len(keys) > 0 {
			after = keys[len(keys)-1].id
			if err := s.resealKeys(ctx, ring, keys, &r); err != nil {
				return r, err
			}
		}
		err = s.db.QueryRowContext(ctx, countUnderOthers, int64(ring.Current())).Scan(&r.Left)
		if err != nil {
			return r, fmt.Errorf("count keys: %w", err)
		}
		if len(keys) == 0 {
			return r, nil
		}
		tell(Rotated{Done: before + r.Done, Left: r.Left, Failed: r.Failed, Reason: r.Reason})
	}
}

// resealKeys opens keys outside of a transaction and writes them in one, each
// only where it still is what was opened: a key destroyed meanwhile stays so.
func (s *Service) resealKeys(ctx context.Context, ring *seal.Ring, keys []keyRow, r *Rotated) error {
	type change struct {
		old, fresh keyRow
	}
	var changes []change
	for _, k := range keys {
		fresh, err := s.resealed(ctx, ring, k)
		if errors.Is(err, ErrKeyUnavailable) {
			r.fail(err)
			continue
		}
		if err != nil {
			return err
		}
		changes = append(changes, change{k, fresh})
	}
	var done int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		done = 0
		for _, c := range changes {
			res, err := tx.ExecContext(ctx, resealKey, c.old.id, c.fresh.sealed, int64(c.fresh.master), c.old.sealed)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			done += n
		}
		return nil
	})
	r.Done += done
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// resealed is k under the master key that seals.
func (s *Service) resealed(ctx context.Context, ring *seal.Ring, k keyRow) (fresh keyRow, err error) {
	fresh = k
	if k.kind == keyCode {
		key, err := s.openCodeKey(ctx, k)
		if err != nil {
			return k, err
		}
		fresh.sealed, fresh.master, err = ring.SealCodeKey(k.version, key)
		return fresh, err
	}
	private, err := s.openPrivate(ctx, k)
	if err != nil {
		return k, err
	}
	defer clear(private)
	id, err := db.IDBytes(k.ownerID)
	if err != nil {
		return k, err
	}
	named := seal.AccountKey{AccountID: id, Version: k.version, Suite: k.suite, Public: k.public}
	fresh.sealed, fresh.master, err = ring.SealPrivate(named, private)
	return fresh, err
}

// sealedKeys reads whole rows of keys.
func (s *Service) sealedKeys(ctx context.Context, query string, args ...any) (keys []keyRow, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k keyRow
		if err := rows.Scan(&k.kind, &k.ownerID, &k.id, &k.version, &k.suite, &k.public, &k.sealed, &k.master); err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return keys, nil
}

const sealedKeyColumns = `kind, owner_id, id, version, suite, public, private_sealed, master_version`

const keysUnderOthers = `
SELECT ` + sealedKeyColumns + ` FROM keys
WHERE private_sealed IS NOT NULL AND master_version <> $1 AND id > $2
ORDER BY id LIMIT $3`

const countUnderOthers = `SELECT COUNT(*) FROM keys WHERE private_sealed IS NOT NULL AND master_version <> $1`

const resealKey = `
UPDATE keys SET private_sealed = $2, master_version = $3
WHERE id = $1 AND private_sealed = $4`
