package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

const (
	codeKeyLabel = "lenzeye/codekey/v1"
	secretLabel  = "lenzeye/secret/v1"
)

// CodeKey is the key under which codes and other short secrets are hashed, and
// from which the keys of SealSecret come. NewKey makes one.
type CodeKey = Key

// SealCodeKey seals version of the code key under the ring's current master
// key and returns that key's version.
func (r *Ring) SealCodeKey(version uint32, key CodeKey) (sealed []byte, masterVersion uint32, err error) {
	if key.isZero() {
		return nil, 0, fmt.Errorf("seal a code key: key is not set: %w", ErrInvalid)
	}
	if sealed, masterVersion, err = r.seal(key[:], codeKeyData(version)); err != nil {
		return nil, 0, fmt.Errorf("seal a code key: %w", err)
	}
	return sealed, masterVersion, nil
}

// OpenCodeKey opens version of the code key. Its errors are those of
// OpenPrivate.
func (r *Ring) OpenCodeKey(version uint32, sealed []byte, masterVersion uint32) (CodeKey, error) {
	plain, err := r.open(masterVersion, sealed, codeKeyData(version))
	if err != nil {
		return CodeKey{}, fmt.Errorf("open version %d of the code key: %w", version, err)
	}
	return keyOf(plain)
}

func codeKeyData(version uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(codeKeyLabel), version)
}

// HashCode returns the HMAC-SHA-256 of a code, 32 bytes. Compare two with
// hmac.Equal. Without the key a table of all codes is of no use.
func HashCode(key CodeKey, code string) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(code))
	return mac.Sum(nil)
}

// SealSecret seals a short secret that must come back in the clear, such as
// what a mail will say until it is sent. Label names the purpose, and the row
// where a secret must not be moved to another: each label has a key of its
// own, derived by HKDF-SHA-256 from the code key.
func SealSecret(key CodeKey, label string, plain []byte) ([]byte, error) {
	derived, err := secretKey(key, label)
	if err != nil {
		return nil, fmt.Errorf("seal a secret: %w", err)
	}
	sealed, err := sealSmall(derived, plain, nil)
	if err != nil {
		return nil, fmt.Errorf("seal a secret: %w", err)
	}
	return sealed, nil
}

// OpenSecret opens what SealSecret sealed under the same key and label, or is
// ErrKeyDamaged.
func OpenSecret(key CodeKey, label string, sealed []byte) ([]byte, error) {
	derived, err := secretKey(key, label)
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	plain, err := openSmall(derived, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	return plain, nil
}

func secretKey(key CodeKey, label string) (*Key, error) {
	if key.isZero() {
		return nil, fmt.Errorf("code key is not set: %w", ErrInvalid)
	}
	b, err := hkdf.Key(sha256.New, key[:], nil, secretLabel+label, len(key))
	if err != nil {
		return nil, fmt.Errorf("derive the key of a secret: %w", err)
	}
	k := Key(b)
	return &k, nil
}
