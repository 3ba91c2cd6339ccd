package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
)

// MaxNumber is the largest number on the wire: what a double holds exactly.
const MaxNumber = 1<<53 - 1

const timeLayout = "2006-01-02T15:04:05.000Z"

// Time is an instant, written in UTC with milliseconds.
type Time struct{ time.Time }

// NewTime cuts t to milliseconds in UTC.
func NewTime(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// TimeOf is NewTime for a time that may be missing.
func TimeOf(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	v := NewTime(*t)
	return &v
}

// Std gives the time as the standard library has it, nil for nil.
func (t *Time) Std() *time.Time {
	if t == nil {
		return nil
	}
	v := t.Time
	return &v
}

// MarshalJSON writes the time.
func (t Time) MarshalJSON() ([]byte, error) {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("write time: year %d", y)
	}
	return []byte(t.UTC().Format(`"` + timeLayout + `"`)), nil
}

// UnmarshalJSON reads any time of RFC 3339 and cuts it to milliseconds in UTC.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("a time as a string is due")
	}
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return errors.New("a time like 2026-01-31T12:00:00.000Z is due")
	}
	v = v.UTC()
	if v.Year() < 1 || v.Year() > 9999 {
		return errors.New("a time of the years 1 to 9999 is due")
	}
	*t = NewTime(v)
	return nil
}

// CRC32 is a CRC-32/IEEE of plain bytes, written as 8 lower-case hex digits.
type CRC32 uint32

// CRCOf is for a checksum that may be missing.
func CRCOf(v *uint32) *CRC32 {
	if v == nil {
		return nil
	}
	c := CRC32(*v)
	return &c
}

// MarshalJSON writes the checksum.
func (c CRC32) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `"%08x"`, uint32(c)), nil
}

// UnmarshalJSON reads 8 hex digits.
func (c *CRC32) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || len(s) != 8 {
		return errors.New("8 hex digits are due")
	}
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return errors.New("8 hex digits are due")
	}
	*c = CRC32(v)
	return nil
}

// Int is a whole number within ±MaxNumber. Numbers like 1e3 are whole too.
type Int int64

// UnmarshalJSON reads the number.
func (n *Int) UnmarshalJSON(b []byte) error {
	v, err := wholeNumber(b)
	if err != nil {
		return err
	}
	if v > MaxNumber || v < -MaxNumber {
		return errors.New("the number is too large")
	}
	*n = Int(v)
	return nil
}

// Std gives the number as an int64, nil for nil.
func (n *Int) Std() *int64 {
	if n == nil {
		return nil
	}
	v := int64(*n)
	return &v
}

// Size is a whole number as a client asks for it. One that is too large becomes
// the largest or smallest int64, so that a giant size is refused as a size and
// not as JSON.
type Size int64

// UnmarshalJSON reads the number.
func (n *Size) UnmarshalJSON(b []byte) error {
	v, err := wholeNumber(b)
	*n = Size(v)
	return err
}

// wholeNumber reads a JSON number; beyond an int64 it gives the nearest one.
func wholeNumber(b []byte) (int64, error) {
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err == nil {
		return v, nil
	}
	notWhole := errors.New("a whole number is due")
	f, _, err := big.ParseFloat(string(b), 10, 128, big.ToNearestEven)
	switch {
	case err != nil && (f == nil || !f.IsInf()):
		return 0, notWhole
	case f.IsInf() || f.MantExp(nil) > 63:
		if f.Sign() < 0 {
			return math.MinInt64, nil
		}
		return math.MaxInt64, nil
	case !f.IsInt():
		return 0, notWhole
	}
	v, _ = f.Int64()
	return v, nil
}
