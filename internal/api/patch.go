package api

import (
	"bytes"
	"encoding/json"
)

// Patch is a field of a merge patch (RFC 7396): absent when Set is false,
// cleared when Null, else Value.
type Patch[T any] struct {
	Set   bool
	Null  bool
	Value T
}

// Change is a Patch that sets v.
func Change[T any](v T) Patch[T] { return Patch[T]{Set: true, Value: v} }

// Clear is a Patch that clears.
func Clear[T any]() Patch[T] { return Patch[T]{Set: true, Null: true} }

// Pointer gives the value, or nil for one that is cleared or absent.
func (p Patch[T]) Pointer() *T {
	if !p.Set || p.Null {
		return nil
	}
	return &p.Value
}

// IsZero makes an absent field vanish with omitzero.
func (p Patch[T]) IsZero() bool { return !p.Set }

// MarshalJSON writes the value or null.
func (p Patch[T]) MarshalJSON() ([]byte, error) {
	if p.Null || !p.Set {
		return []byte("null"), nil
	}
	return json.Marshal(p.Value)
}

// UnmarshalJSON is called for present fields only, with null too.
func (p *Patch[T]) UnmarshalJSON(b []byte) error {
	*p = Patch[T]{Set: true}
	if bytes.Equal(b, []byte("null")) {
		p.Null = true
		return nil
	}
	return json.Unmarshal(b, &p.Value)
}
