package seal

import (
	"crypto/rand"
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Key is 32 secret bytes: a master key, a file key or a code key. However it
// is printed, logged or marshalled, its bytes do not show, in an exported field
// neither. In an unexported field fmt calls no methods: a struct that holds a
// Key there must not be printed.
type Key [32]byte

// NewKey returns a random key from random, crypto/rand.Reader if nil.
func NewKey(random io.Reader) (Key, error) {
	var k Key
	if _, err := io.ReadFull(randomOr(random), k[:]); err != nil {
		return Key{}, fmt.Errorf("make a key: %w", err)
	}
	if k.isZero() {
		return Key{}, fmt.Errorf("make a key: random source gave zeros only: %w", ErrInvalid)
	}
	return k, nil
}

// String hides the key.
func (Key) String() string { return redacted }

// GoString hides the key from %#v.
func (Key) GoString() string { return redacted }

// Format hides the key from every verb, %x and %d too.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the key from JSON and from structured logs.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// isZero reports a key that was never set. Its timing tells nothing about a
// real key, which differs in its first bytes.
func (k *Key) isZero() bool { return *k == Key{} }

func randomOr(r io.Reader) io.Reader {
	if r == nil {
		return rand.Reader
	}
	return r
}
