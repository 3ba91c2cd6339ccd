package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// MasterKey is a key of the ring with its version, from 1.
type MasterKey struct {
	Version uint32
	Key     Key
}

// Ring is the master keys that an instance holds. The first seals, all open.
// It does not change once parsed, so any number of goroutines may use it, and
// it never shows a key when printed.
type Ring struct {
	// keys returns the keys, never none. It is a function because fmt walks
	// through unexported fields, pointers too, and finds no method to call
	// there; it cannot walk into a function.
	keys func() []MasterKey
}

// ParseRing reads master keys as the configuration has them: entries
// version:key, the key 64 hex digits, parted by commas or line ends; or one
// bare key, which is version 1. A # begins a comment that ends with the line.
// Errors are ErrInvalid; they name the entry and show nothing of its key. A
// version or a key that comes twice is refused, and a key of zeros.
func ParseRing(s string) (*Ring, error) {
	entries := ringEntries(s)
	if len(entries) == 0 {
		return nil, fmt.Errorf("parse master keys: no key given: %w", ErrInvalid)
	}
	var keys []MasterKey
	for i, entry := range entries {
		if len(entries) == 1 && !strings.Contains(entry, ":") {
			entry = "1:" + entry
		}
		k, err := parseEntry(entry)
		if err == nil {
			err = checkNew(keys, k)
		}
		if err != nil {
			return nil, fmt.Errorf("parse master keys: entry %d: %w: %w", i+1, err, ErrInvalid)
		}
		keys = append(keys, k)
	}
	return &Ring{keys: func() []MasterKey { return keys }}, nil
}

// ringEntries cuts s into its entries, without comments, blanks and empties.
func ringEntries(s string) []string {
	var entries []string
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		for entry := range strings.SplitSeq(line, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

// parseEntry reads version:key. Its errors may be shown: they quote nothing,
// since what looks like a version may be a piece of a key.
func parseEntry(entry string) (MasterKey, error) {
	version, digits, found := strings.Cut(entry, ":")
	if !found {
		return MasterKey{}, errors.New("want version:key")
	}
	v, err := strconv.ParseUint(strings.TrimSpace(version), 10, 32)
	if err != nil || v == 0 {
		return MasterKey{}, errors.New("the version before the colon is not a whole number from 1")
	}
	digits = strings.TrimSpace(digits)
	k := MasterKey{Version: uint32(v)}
	if len(digits) != hex.EncodedLen(len(k.Key)) {
		return MasterKey{}, fmt.Errorf("version %d: the key has %d characters, want %d hex digits", v, len(digits), hex.EncodedLen(len(k.Key)))
	}
	if _, err := hex.Decode(k.Key[:], []byte(digits)); err != nil {
		return MasterKey{}, fmt.Errorf("version %d: the key is not hexadecimal", v)
	}
	if k.Key.isZero() {
		return MasterKey{}, fmt.Errorf("version %d: the key is all zeros", v)
	}
	return k, nil
}

// checkNew refuses a version or a key that is among keys already.
func checkNew(keys []MasterKey, k MasterKey) error {
	for _, other := range keys {
		if other.Version == k.Version {
			return fmt.Errorf("version %d comes twice", k.Version)
		}
		if other.Key == k.Key {
			return fmt.Errorf("version %d has the same key as version %d", k.Version, other.Version)
		}
	}
	return nil
}

// Current returns the version that seals.
func (r *Ring) Current() uint32 { return r.keys()[0].Version }

// Versions returns the versions that open, the one that seals first.
func (r *Ring) Versions() []uint32 {
	var versions []uint32
	for _, k := range r.keys() {
		versions = append(versions, k.Version)
	}
	return versions
}

// Has reports whether the ring opens what version v sealed.
func (r *Ring) Has(v uint32) bool { return slices.Contains(r.Versions(), v) }

// String names the versions and hides the keys.
func (r *Ring) String() string {
	if r == nil {
		return "no master keys"
	}
	return fmt.Sprintf("master keys, versions %v", r.Versions())
}

// GoString hides the keys from %#v.
func (r *Ring) GoString() string { return r.String() }

// Format hides the keys from every verb.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText hides the keys from JSON and from structured logs.
func (r *Ring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// GenerateMaster returns a new master key from random, crypto/rand.Reader if
// nil.
func GenerateMaster(random io.Reader) (Key, error) { return NewKey(random) }

// FormatEntry returns k as ParseRing reads it. It is the one function that
// shows a key, for the operator to keep.
func FormatEntry(k MasterKey) string {
	return strconv.FormatUint(uint64(k.Version), 10) + ":" + hex.EncodeToString(k.Key[:])
}

// seal seals plain under the key that seals, and returns that key's version.
func (r *Ring) seal(plain, associated []byte) (sealed []byte, version uint32, err error) {
	current := r.keys()[0]
	sealed, err = sealSmall(&current.Key, plain, associated)
	return sealed, current.Version, err
}

// open opens what master key version sealed.
func (r *Ring) open(version uint32, sealed, associated []byte) ([]byte, error) {
	for _, k := range r.keys() {
		if k.Version == version {
			return openSmall(&k.Key, sealed, associated)
		}
	}
	return nil, fmt.Errorf("master key version %d: %w", version, ErrUnknownMaster)
}
