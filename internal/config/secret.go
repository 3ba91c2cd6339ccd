package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a value that must not be printed. Every way of formatting it, as text, JSON or a log value, gives
// [redacted], or nothing when it is empty. The zero value is empty. Two secrets are compared by what Reveal gives,
// never by ==.
type Secret struct {
	// A pointer, so that even a printer that ignores methods shows an address and not the value.
	value *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// String returns [redacted], or nothing when the secret is empty.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

// Format writes String for every verb and flag.
func (s Secret) Format(state fmt.State, _ rune) {
	// A fmt.State cannot report a failed write to its caller; fmt does.
	_, _ = io.WriteString(state, s.String())
}

// MarshalText makes JSON and other encoders write String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue makes slog write String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
