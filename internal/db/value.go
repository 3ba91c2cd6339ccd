package db

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Micros is how a time is stored: microseconds since 1970 in UTC, a BIGINT that
// sorts and compares the same on both engines. Anything finer is cut off.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time reads what Micros wrote, in UTC.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }

// NullMicros is Micros for a column that may be NULL: nil stays nil.
func NullMicros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	us := Micros(*t)
	return &us
}

// NullTime reads what NullMicros wrote: NULL is nil.
func NullTime(us *int64) *time.Time {
	if us == nil {
		return nil
	}
	t := Time(*us)
	return &t
}

// NewID makes the id of a row: a UUID of version 7 (RFC 9562), in the canonical
// lower-case text. Ids of one process ascend in the order they were made.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// ParseID accepts an id only in the text that NewID makes, so that one row has
// one name. Braces, URNs, capitals and the nil UUID are errors.
func ParseID(s string) (string, error) {
	id, err := uuid.Parse(s)
	if err != nil || id == uuid.Nil || id.String() != s {
		return "", fmt.Errorf("%.40q is not an id", s)
	}
	return s, nil
}

// IDBytes gives the 16 bytes of an id, for keys and additional data.
func IDBytes(id string) ([16]byte, error) {
	if _, err := ParseID(id); err != nil {
		return [16]byte{}, err
	}
	return uuid.Parse(id)
}
