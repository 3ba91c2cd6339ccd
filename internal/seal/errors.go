package seal

import (
	"errors"
	"fmt"
	"io"
)

// Errors of sealing a part. All of them leave the sealed part unfinished.
var (
	// ErrBodyShort: the body ended before the part's size.
	ErrBodyShort = errors.New("body is shorter than the part")
	// ErrBodyLong: the body goes on after the part's size.
	ErrBodyLong = errors.New("body is longer than the part")
	// ErrDigest: the body is not the one whose digest was given.
	ErrDigest = errors.New("body does not match its digest")
	// ErrInvalid: a part, a file or a key that the format does not allow. It is the caller's mistake, not damage.
	ErrInvalid = errors.New("not allowed by the format")
)

// Errors of opening a file. They come inside a SegmentError.
var (
	// ErrDamaged: a segment did not authenticate. The stored bytes, the key or the row that describes the file is wrong; a repeat will not help.
	ErrDamaged = errors.New("segment does not authenticate")
	// ErrTruncated: the source ended before the segment did. Either the object is shorter than it must be or the connection broke;
	// a repeat may help. It is an io.ErrUnexpectedEOF too.
	ErrTruncated = fmt.Errorf("sealed bytes end early: %w", io.ErrUnexpectedEOF)
)

// Errors of the keys.
var (
	// ErrUnknownMaster: the ring does not hold the master key of that version. The instance is configured behind; it is no damage.
	ErrUnknownMaster = errors.New("master key version not in the ring")
	// ErrKeyDamaged: a sealed key or secret does not open: it was changed, or it belongs to another row.
	ErrKeyDamaged = errors.New("sealed key does not open")
)

// SegmentError says where in a file opening failed. Unwrap gives ErrDamaged,
// ErrTruncated, or the source's own error.
type SegmentError struct {
	Part    int   // from 1
	Segment int64 // from 0, within the part
	Err     error
}

func (e *SegmentError) Error() string {
	return fmt.Sprintf("open segment %d of part %d: %v", e.Segment, e.Part, e.Err)
}

// Unwrap returns the cause.
func (e *SegmentError) Unwrap() error { return e.Err }
