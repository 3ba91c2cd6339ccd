package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"fmt"
)

const (
	accountLabel = "lenzeye/account/v1"
	fileLabel    = "lenzeye/file/v1"
	suiteSize    = 6
)

// AccountKey names one version of an account's key pair: its row, but for the
// private half. All of it but Public is bound into the sealed private half.
type AccountKey struct {
	AccountID [16]byte
	Version   uint32
	Suite     []byte // HPKE's kem ‖ kdf ‖ aead ids, 6 bytes
	Public    []byte
}

// suite returns the HPKE suite of version 1 of the format:
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180).
func suite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	return hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.AES256GCM()
}

// suiteID returns the ids of suite as they are stored.
func suiteID() []byte {
	kem, kdf, aead := suite()
	b := make([]byte, 0, suiteSize)
	for _, id := range []uint16{kem.ID(), kdf.ID(), aead.ID()} {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	return b
}

// NewAccountKey makes a key pair for an account. The private half is the
// caller's to seal and to drop.
func NewAccountKey(accountID [16]byte, version uint32) (k AccountKey, private []byte, err error) {
	kem, _, _ := suite()
	pair, err := kem.GenerateKey()
	if err != nil {
		return AccountKey{}, nil, fmt.Errorf("make an account key: %w", err)
	}
	if private, err = pair.Bytes(); err != nil {
		return AccountKey{}, nil, fmt.Errorf("make an account key: %w", err)
	}
	k = AccountKey{AccountID: accountID, Version: version, Suite: suiteID(), Public: pair.PublicKey().Bytes()}
	return k, private, nil
}

// SealPrivate seals the private half of k under the ring's current master key
// and returns that key's version, to be kept in the row.
func (r *Ring) SealPrivate(k AccountKey, private []byte) (sealed []byte, masterVersion uint32, err error) {
	associated, err := k.associatedData()
	if err != nil {
		return nil, 0, fmt.Errorf("seal an account key: %w", err)
	}
	if sealed, masterVersion, err = r.seal(private, associated); err != nil {
		return nil, 0, fmt.Errorf("seal an account key: %w", err)
	}
	return sealed, masterVersion, nil
}

// OpenPrivate opens the private half of k. ErrUnknownMaster says that this
// instance does not hold the master key; ErrKeyDamaged that the sealed half or
// the row around it was changed.
func (r *Ring) OpenPrivate(k AccountKey, sealed []byte, masterVersion uint32) (private []byte, err error) {
	associated, err := k.associatedData()
	if err != nil {
		return nil, fmt.Errorf("open an account key: %w: %w", err, ErrKeyDamaged)
	}
	if private, err = r.open(masterVersion, sealed, associated); err != nil {
		return nil, fmt.Errorf("open version %d of an account key: %w", k.Version, err)
	}
	return private, nil
}

// associatedData binds a private half to its row. The suite's length is fixed,
// or two rows could give the same bytes.
func (k AccountKey) associatedData() ([]byte, error) {
	if len(k.Suite) != suiteSize {
		return nil, fmt.Errorf("suite has %d bytes, want %d: %w", len(k.Suite), suiteSize, ErrInvalid)
	}
	b := make([]byte, 0, len(accountLabel)+len(k.AccountID)+4+suiteSize)
	b = append(b, accountLabel...)
	b = append(b, k.AccountID[:]...)
	b = binary.BigEndian.AppendUint32(b, k.Version)
	return append(b, k.Suite...), nil
}

// PublicOf returns the public half of a private one. In vault mode the server
// seals to this, not to the row's, which whoever can write the row could swap.
func PublicOf(private []byte) ([]byte, error) {
	kem, _, _ := suite()
	k, err := kem.NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read a private half: %w: %w", err, ErrKeyDamaged)
	}
	return k.PublicKey().Bytes(), nil
}

// SealFileKey seals a file's key to an account's public half. The result, enc
// ‖ ciphertext, opens for that file only. A public half of another suite is
// ErrInvalid.
func SealFileKey(public []byte, fileID [16]byte, key Key) (sealed []byte, err error) {
	kem, kdf, aead := suite()
	to, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("seal a file key: read the public half: %w: %w", err, ErrInvalid)
	}
	if sealed, err = hpke.Seal(to, kdf, aead, fileInfo(fileID), key[:]); err != nil {
		return nil, fmt.Errorf("seal a file key: %w", err)
	}
	return sealed, nil
}

// OpenFileKey opens a file's key with an account's private half, or is
// ErrKeyDamaged.
func OpenFileKey(private []byte, fileID [16]byte, sealed []byte) (Key, error) {
	kem, kdf, aead := suite()
	k, err := kem.NewPrivateKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("open a file key: read the private half: %w: %w", err, ErrKeyDamaged)
	}
	plain, err := hpke.Open(k, kdf, aead, fileInfo(fileID), sealed)
	if err != nil {
		return Key{}, fmt.Errorf("open a file key: %w: %w", err, ErrKeyDamaged)
	}
	return keyOf(plain)
}

func fileInfo(fileID [16]byte) []byte {
	return append([]byte(fileLabel), fileID[:]...)
}

// keyOf makes a Key of bytes that were authenticated but not measured.
func keyOf(plain []byte) (Key, error) {
	var key Key
	if len(plain) != len(key) {
		return Key{}, fmt.Errorf("the key inside has %d bytes, want %d: %w", len(plain), len(key), ErrKeyDamaged)
	}
	copy(key[:], plain)
	return key, nil
}
