package account

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// Kinds of rows in the table keys.
const (
	keyAccount = "account"
	keyCode    = "code"
)

// PublicKey is the public half of an account key, for who seals to the account.
type PublicKey struct {
	ID      string
	Version uint32
	Suite   []byte // HPKE's kem, kdf and aead ids, 6 bytes
	Public  []byte
}

// keyRow is a row of the table keys. Sealed is nil once the key was destroyed.
type keyRow struct {
	id      string
	kind    string
	ownerID string
	version uint32
	suite   []byte
	public  []byte
	sealed  []byte
	master  uint32
	created int64
}

// PublicKeys are the halves that new file keys of the account may be sealed
// to, newest first.
func (s *Service) PublicKeys(ctx context.Context, accountID string) ([]PublicKey, error) {
	rows, err := s.db.QueryContext(ctx, publicKeys, accountID)
	if err != nil {
		return nil, fmt.Errorf("read account keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var keys []PublicKey
	for rows.Next() {
		var k PublicKey
		if err := rows.Scan(&k.ID, &k.Version, &k.Suite, &k.Public); err != nil {
			return nil, fmt.Errorf("read account keys: %w", err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read account keys: %w", err)
	}
	return keys, nil
}

// newAccountKey makes a key pair with its private half sealed under the master
// key that seals now.
func (s *Service) newAccountKey(ctx context.Context, accountID string, version uint32) (keyRow, error) {
	ring, err := s.ring(ctx, 0)
	if err != nil {
		return keyRow{}, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	id, err := db.IDBytes(accountID)
	if err != nil {
		return keyRow{}, err
	}
	key, private, err := seal.NewAccountKey(id, version)
	if err != nil {
		return keyRow{}, err
	}
	defer clear(private)
	sealed, master, err := ring.SealPrivate(key, private)
	if err != nil {
		return keyRow{}, err
	}
	return keyRow{id: db.NewID(), kind: keyAccount, ownerID: accountID, version: version, suite: key.Suite,
		public: key.Public, sealed: sealed, master: master, created: db.Micros(s.clock())}, nil
}

// insertKeyRow leaves a row that stands already as it is.
func insertKeyRow(ctx context.Context, tx db.Querier, k keyRow) error {
	_, err := tx.ExecContext(ctx, insertKey, k.id, k.kind, k.ownerID, int64(k.version), k.suite, k.public,
		k.sealed, int64(k.master), k.created)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// readKey reads the columns of activeKey and codeKeyByVersion. No row is
// sql.ErrNoRows.
func readKey(row scanner, kind, ownerID string) (keyRow, error) {
	k := keyRow{kind: kind, ownerID: ownerID}
	err := row.Scan(&k.id, &k.version, &k.suite, &k.public, &k.sealed, &k.master)
	if err != nil {
		return keyRow{}, fmt.Errorf("read key: %w", err)
	}
	return k, nil
}

// openPrivate opens the private half of an account key.
func (s *Service) openPrivate(ctx context.Context, k keyRow) ([]byte, error) {
	if k.sealed == nil {
		return nil, ErrShredded
	}
	id, err := db.IDBytes(k.ownerID)
	if err != nil {
		return nil, err
	}
	ring, err := s.ring(ctx, k.master)
	if err != nil {
		return nil, unavailable(k, err)
	}
	named := seal.AccountKey{AccountID: id, Version: k.version, Suite: k.suite, Public: k.public}
	private, err := ring.OpenPrivate(named, k.sealed, k.master)
	if err != nil {
		return nil, unavailable(k, err)
	}
	return private, nil
}

// unavailable is the error for a key row that this process cannot open. A
// master key that another process holds and one that was mistyped look alike
// from here, so neither may be taken for damage of what the key opens.
func unavailable(k keyRow, err error) error {
	return fmt.Errorf("%s key %s under master key version %d: %w: %w", k.kind, k.id, k.master, ErrKeyUnavailable, err)
}

// CodeKey returns the key under which new codes are hashed, and its version,
// for a caller that needs both a hash and a sealed secret under one version.
// The first call of all makes it; of many processes at once one wins.
// Errors: ErrKeyUnavailable.
func (s *Service) CodeKey(ctx context.Context) (seal.CodeKey, uint32, error) {
	row, err := readKey(s.db.QueryRowContext(ctx, activeKey, keyCode, ""), keyCode, "")
	if errors.Is(err, sql.ErrNoRows) {
		err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			row, err = s.codeKeyRow(ctx, tx)
			return err
		})
	}
	if err != nil {
		return seal.CodeKey{}, 0, fmt.Errorf("code key: %w", err)
	}
	key, err := s.openCodeKey(ctx, row)
	return key, row.version, err
}

// CodeKeyVersion returns the code key that a row names. Errors: ErrShredded
// when it is gone, ErrKeyUnavailable.
func (s *Service) CodeKeyVersion(ctx context.Context, version uint32) (seal.CodeKey, error) {
	row, err := readKey(s.db.QueryRowContext(ctx, codeKeyByVersion, int64(version)), keyCode, "")
	if errors.Is(err, sql.ErrNoRows) {
		return seal.CodeKey{}, fmt.Errorf("code key version %d: %w", version, ErrShredded)
	}
	if err != nil {
		return seal.CodeKey{}, fmt.Errorf("code key: %w", err)
	}
	return s.openCodeKey(ctx, row)
}

// codeKeyRow reads the active code key inside a transaction, and makes it when
// there is none.
func (s *Service) codeKeyRow(ctx context.Context, tx db.Querier) (keyRow, error) {
	row, err := readKey(tx.QueryRowContext(ctx, activeKey, keyCode, ""), keyCode, "")
	if !errors.Is(err, sql.ErrNoRows) {
		return row, err
	}
	ring, err := s.ring(ctx, 0)
	if err != nil {
		return keyRow{}, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	key, err := seal.NewKey(s.rand)
	if err != nil {
		return keyRow{}, err
	}
	const first = 1
	sealed, master, err := ring.SealCodeKey(first, key)
	if err != nil {
		return keyRow{}, err
	}
	// The row of whoever came first is the one to use.
	if err := insertKeyRow(ctx, tx, keyRow{id: db.NewID(), kind: keyCode, version: first, sealed: sealed,
		master: master, created: db.Micros(s.clock())}); err != nil {
		return keyRow{}, err
	}
	return readKey(tx.QueryRowContext(ctx, activeKey, keyCode, ""), keyCode, "")
}

func (s *Service) openCodeKey(ctx context.Context, k keyRow) (seal.CodeKey, error) {
	if k.sealed == nil {
		return seal.CodeKey{}, fmt.Errorf("code key version %d: %w", k.version, ErrShredded)
	}
	ring, err := s.ring(ctx, k.master)
	if err != nil {
		return seal.CodeKey{}, unavailable(k, err)
	}
	key, err := ring.OpenCodeKey(k.version, k.sealed, k.master)
	if err != nil {
		return seal.CodeKey{}, unavailable(k, err)
	}
	return key, nil
}

// HashCode returns what is kept of a code and the version of the key it was
// made under. A code from a person goes through NormalizeCode first. Errors:
// ErrKeyUnavailable.
func (s *Service) HashCode(ctx context.Context, code string) (hash []byte, version uint32, err error) {
	key, version, err := s.CodeKey(ctx)
	if err != nil {
		return nil, 0, err
	}
	return seal.HashCode(key, code), version, nil
}

// CheckCode tells, in constant time, whether hash was made of this code.
// Errors: ErrKeyUnavailable, ErrShredded.
func (s *Service) CheckCode(ctx context.Context, code string, hash []byte, version uint32) (bool, error) {
	key, err := s.CodeKeyVersion(ctx, version)
	if err != nil {
		return false, err
	}
	return hmac.Equal(seal.HashCode(key, code), hash), nil
}

// SealSecret seals plain under the code key inside the caller's transaction.
// The label names the purpose and the row, and OpenSecret must be given the
// same. Errors: ErrKeyUnavailable.
func (s *Service) SealSecret(ctx context.Context, tx db.Querier, label string, plain []byte) (sealed []byte, version uint32, err error) {
	row, err := s.codeKeyRow(ctx, tx)
	if err != nil {
		return nil, 0, fmt.Errorf("seal a secret: %w", err)
	}
	key, err := s.openCodeKey(ctx, row)
	if err != nil {
		return nil, 0, fmt.Errorf("seal a secret: %w", err)
	}
	sealed, err = seal.SealSecret(key, label, plain)
	return sealed, row.version, err
}

// OpenSecret opens what SealSecret sealed. Errors: ErrKeyUnavailable,
// ErrShredded, seal.ErrKeyDamaged.
func (s *Service) OpenSecret(ctx context.Context, label string, sealed []byte, version uint32) ([]byte, error) {
	key, err := s.CodeKeyVersion(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	return seal.OpenSecret(key, label, sealed)
}
