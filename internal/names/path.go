package names

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of a path, in bytes of UTF-8 as it was sent.
const (
	MaxPath    = 1024
	MaxSegment = 255
)

// ErrPath is what every error of Check is, by errors.Is.
var ErrPath = errors.New("path not allowed")

// Reason says which rule a path breaks.
type Reason string

// The rules of Check, in the order in which they are looked at.
const (
	ReasonEmpty          Reason = "it is empty"
	ReasonTooLong        Reason = "it is longer than 1024 bytes"
	ReasonNotUTF8        Reason = "it is not valid UTF-8"
	ReasonControl        Reason = "it holds a control character"
	ReasonEmptySegment   Reason = "it begins or ends with a slash, or has two in a row"
	ReasonDotSegment     Reason = "a segment is . or .."
	ReasonSegmentTooLong Reason = "a segment is longer than 255 bytes"
)

// PathError is the error of Check. Its text does not repeat the path, which may be long or hold control characters.
type PathError struct {
	Reason Reason
}

// Error says that the path is not allowed, and why.
func (e *PathError) Error() string { return fmt.Sprintf("%v: %s", ErrPath, string(e.Reason)) }

// Is makes every PathError match ErrPath.
func (e *PathError) Is(target error) bool { return target == ErrPath }

// Check returns nil when a guest may declare path: 1 to 1,024 bytes of UTF-8, segments of 1 to 255 bytes between
// single slashes, none of them . or .., no character from U+0000 to U+001F or U+007F to U+009F. A backslash is an
// ordinary character. Otherwise it returns a *PathError with the first rule that the path breaks.
func Check(path string) error {
	switch {
	case path == "":
		return &PathError{ReasonEmpty}
	case len(path) > MaxPath:
		return &PathError{ReasonTooLong}
	case !utf8.ValidString(path):
		return &PathError{ReasonNotUTF8}
	case strings.ContainsFunc(path, isControl):
		return &PathError{ReasonControl}
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
			return &PathError{ReasonEmptySegment}
		case segment == "." || segment == "..":
			return &PathError{ReasonDotSegment}
		case len(segment) > MaxSegment:
			return &PathError{ReasonSegmentTooLong}
		}
	}
	return nil
}

// isControl reports the C0 and C1 controls and DEL.
func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }

// Key returns the bytes by which a path is unique in its transfer: its form in Unicode normalisation form C, so
// that é is one name whether it was sent as one character or as two. Case counts. A key can be up to three times
// as long as its path. As x/text does, a run of more than thirty combining marks is broken up, so such a run is
// equal to itself but not to every reordering of it.
func Key(path string) []byte {
	return norm.NFC.Bytes([]byte(path))
}
