package blob

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	keyVersion = "v1"
	hexLen     = 32 // 16 bytes
	keyLen     = len(keyVersion) + 2*(1+hexLen)
)

// NewKey makes a key that was never used: `v1/`, the account's 16 bytes and 16
// fresh random bytes, both in lower-case hex. random nil means crypto/rand.
// The only error is that of random.
func NewKey(account [16]byte, random io.Reader) (string, error) {
	id, err := newID(random)
	if err != nil {
		return "", fmt.Errorf("make blob key: %w", err)
	}
	return keyVersion + "/" + hex.EncodeToString(account[:]) + "/" + id, nil
}

// ParseKey checks a key against the grammar and returns the account in it.
// Anything else is ErrInvalid.
func ParseKey(key string) (account [16]byte, err error) {
	rest, ok := strings.CutPrefix(key, keyVersion+"/")
	if !ok || len(key) != keyLen || rest[hexLen] != '/' || !isHex(rest[:hexLen]) || !isHex(rest[hexLen+1:]) {
		return account, fmt.Errorf("%w: key %.80q", ErrInvalid, key)
	}
	if _, err := hex.Decode(account[:], []byte(rest[:hexLen])); err != nil {
		return account, fmt.Errorf("%w: key %q", ErrInvalid, key)
	}
	return account, nil
}

// ValidKey reports whether key follows the grammar.
func ValidKey(key string) bool {
	_, err := ParseKey(key)
	return err == nil
}

// newID is 16 random bytes in hex.
func newID(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[:]), nil
}

// isHex reports whether s is 32 lower-case hex digits, the form of every
// random name here.
func isHex(s string) bool {
	if len(s) != hexLen {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
