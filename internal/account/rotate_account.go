package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// RotateAccount gives an account a new key pair, seals its file keys to it and
// takes the old pair away once nothing is sealed to it. It changes rows only, in
// batches. What an earlier call left half-way is finished and no other pair is
// made. A file key that does not open stays as it is, and the old pair with it.
// tell hears of each batch. Errors: ErrNotFound, ErrShredded, ErrKeyUnavailable.
func (s *Service) RotateAccount(ctx context.Context, accountID string, tell func(Rotated)) (Rotated, error) {
	retiring, err := s.retiringKeys(ctx, accountID)
	if err == nil && len(retiring) == 0 {
		if err = s.retireKey(ctx, accountID); err == nil {
			retiring, err = s.retiringKeys(ctx, accountID)
		}
	}
	var total Rotated
	for _, old := range retiring {
		if err != nil {
			break
		}
		var r Rotated
		r, err = s.emptyKey(ctx, old, func(r Rotated) { tell(total.plus(r)) })
		total = total.plus(r)
	}
	if err != nil {
		return total, fmt.Errorf("rotate the key of account %s: %w", accountID, err)
	}
	return total, nil
}

func (r Rotated) plus(o Rotated) Rotated {
	if r.Reason == nil {
		r.Reason = o.Reason
	}
	return Rotated{Done: r.Done + o.Done, Left: r.Left + o.Left, Failed: r.Failed + o.Failed, Reason: r.Reason}
}

func (s *Service) retiringKeys(ctx context.Context, accountID string) ([]keyRow, error) {
	return s.sealedKeys(ctx, retiringKeys, accountID)
}

// retireKey makes a new pair the one that seals. The account's lock makes every
// declare either see it or come before it. Of two rotations at once one makes
// the pair, and both go on with it.
func (s *Service) retireKey(ctx context.Context, accountID string) error {
	if _, err := s.ByID(ctx, accountID); err != nil {
		return err
	}
	old, err := readKey(s.db.QueryRowContext(ctx, activeKey, keyAccount, accountID), keyAccount, accountID)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrShredded
	}
	if err != nil {
		return err
	}
	fresh, err := s.newAccountKey(ctx, accountID, old.version+1)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.Lock(ctx, tx, accountID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, retireKey, old.id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // another rotation was first, or the account was deleted
		}
		if err := insertKeyRow(ctx, tx, fresh); err != nil {
			return err
		}
		return s.Record(ctx, tx, Event{AccountID: accountID, Kind: EventKeyRotated, Detail: map[string]any{"version": fresh.version}})
	})
}

// emptyKey seals everything that a retiring key seals to the active one, and
// deletes it.
func (s *Service) emptyKey(ctx context.Context, old keyRow, tell func(Rotated)) (r Rotated, err error) {
	private, err := s.openPrivate(ctx, old)
	if err != nil {
		return r, err
	}
	defer clear(private)
	to, err := s.NewFileKeys(ctx, old.ownerID)
	if err != nil {
		return r, err
	}
	for {
		before := r.Done
		if err := s.emptyPass(ctx, old, private, to, &r, tell); err != nil {
			return r, err
		}
		if r.Left == 0 || r.Done == before {
			break
		}
		r.Failed, r.Reason = 0, nil // they are looked at again
	}
	if r.Left > 0 {
		return r, nil
	}
	// A file key that came meanwhile keeps the row: its reference is RESTRICT.
	return r, s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, deleteRetired, old.id)
		return err
	})
}

// sealedFileKey is a row of file_keys.
type sealedFileKey struct {
	fileID string
	sealed []byte
}

func (s *Service) emptyPass(ctx context.Context, old keyRow, private []byte, to *FileSealer, r *Rotated, tell func(Rotated)) error {
	for after := ""; ; {
		batch, err := s.fileKeysOf(ctx, old.id, after)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			after = batch[len(batch)-1].fileID
			if err := s.moveFileKeys(ctx, old, batch, to, private, r); err != nil {
				return err
			}
		}
		if err := s.db.QueryRowContext(ctx, countFileKeys, old.id).Scan(&r.Left); err != nil {
			return fmt.Errorf("count file keys: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		tell(*r)
	}
}

func (s *Service) fileKeysOf(ctx context.Context, keyID, after string) (batch []sealedFileKey, err error) {
	rows, err := s.db.QueryContext(ctx, fileKeysOf, keyID, after, rotateBatch)
	if err != nil {
		return nil, fmt.Errorf("read file keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var f sealedFileKey
		if err := rows.Scan(&f.fileID, &f.sealed); err != nil {
			return nil, fmt.Errorf("read file keys: %w", err)
		}
		batch = append(batch, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read file keys: %w", err)
	}
	return batch, nil
}

// moveFileKeys seals file keys to another account key, each in one statement, so
// that a reader finds it under the one or the other.
func (s *Service) moveFileKeys(ctx context.Context, old keyRow, batch []sealedFileKey, to *FileSealer, private []byte, r *Rotated) error {
	fresh := make([][]byte, len(batch))
	for i, f := range batch {
		var err error
		if fresh[i], err = to.reseal(private, f); err != nil {
			r.fail(unavailable(old, err))
		}
	}
	var done int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		done = 0
		for i, f := range batch {
			if fresh[i] == nil {
				continue
			}
			res, err := tx.ExecContext(ctx, moveFileKey, f.fileID, old.id, to.keyID, fresh[i], f.sealed)
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
		return fmt.Errorf("write file keys: %w", err)
	}
	return nil
}

// reseal opens a file key with the private half that it was sealed to and seals
// it to this one.
func (f *FileSealer) reseal(private []byte, k sealedFileKey) ([]byte, error) {
	id, err := db.IDBytes(k.fileID)
	if err != nil {
		return nil, err
	}
	key, err := seal.OpenFileKey(private, id, k.sealed)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", k.fileID, err)
	}
	defer clear(key[:])
	return seal.SealFileKey(f.public, id, key)
}

// Seals tells whether an account key still seals new file keys, for a
// transaction that holds the account's lock.
func (s *Service) Seals(ctx context.Context, tx db.Querier, keyID string) (bool, error) {
	var n int64
	if err := tx.QueryRowContext(ctx, keySeals, keyID).Scan(&n); err != nil {
		return false, fmt.Errorf("look at an account key: %w", err)
	}
	return n == 1, nil
}

const retiringKeys = `
SELECT ` + sealedKeyColumns + ` FROM keys
WHERE kind = 'account' AND owner_id = $1 AND state = 'retiring' AND private_sealed IS NOT NULL
ORDER BY version`

const retireKey = `UPDATE keys SET state = 'retiring' WHERE id = $1 AND state = 'active'`

const deleteRetired = `DELETE FROM keys WHERE id = $1 AND state = 'retiring'`

const fileKeysOf = `
SELECT file_id, sealed FROM file_keys
WHERE key_id = $1 AND file_id > $2
ORDER BY file_id LIMIT $3`

const countFileKeys = `SELECT COUNT(*) FROM file_keys WHERE key_id = $1`

const moveFileKey = `
UPDATE file_keys SET key_id = $3, sealed = $4
WHERE file_id = $1 AND key_id = $2 AND sealed = $5`

const keySeals = `SELECT COUNT(*) FROM keys WHERE id = $1 AND state = 'active'`
