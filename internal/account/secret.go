package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// SecretKind is the prefix that tells what a secret is for.
type SecretKind string

// Kinds of secrets.
const (
	SecretUpload  SecretKind = "lzu_" // a guest sends one transfer
	SecretFetch   SecretKind = "lzd_" // a guest who gave the code fetches a share
	SecretAPI     SecretKind = "lza_" // a studio's API token
	SecretSession SecretKind = "lzs_" // a studio signed in
)

// secretSize is the length of every secret in bytes: 256 bits need no slow hash
// and cannot be guessed.
const secretSize = 32

// NewSecret makes a secret: the kind and base64url of 32 bytes of random,
// crypto/rand.Reader if nil. It fails only when random does.
func NewSecret(kind SecretKind, random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [secretSize]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return FormatSecret(kind, b), nil
}

// FormatSecret writes 32 secret bytes that come from elsewhere as a secret.
func FormatSecret(kind SecretKind, b [secretSize]byte) string {
	return string(kind) + base64.RawURLEncoding.EncodeToString(b[:])
}

// ParseSecret tells the kind of a well-formed secret; ok is false for anything
// else. It says nothing about whether the secret is known.
func ParseSecret(s string) (kind SecretKind, ok bool) {
	const prefix = len(SecretUpload)
	if len(s) != prefix+base64.RawURLEncoding.EncodedLen(secretSize) {
		return "", false
	}
	kind = SecretKind(s[:prefix])
	switch kind {
	case SecretUpload, SecretFetch, SecretAPI, SecretSession:
	default:
		return "", false
	}
	// The decoder skips line ends, so what it gives may be too short.
	b, err := base64.RawURLEncoding.Strict().DecodeString(s[prefix:])
	if err != nil || len(b) != secretSize {
		return "", false
	}
	return kind, true
}

// HashSecret returns the SHA-256 of the whole secret, prefix included, by which
// rows keep it and find it. A lookup by hash tells nothing through its timing.
func HashSecret(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}
