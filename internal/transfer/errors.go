package transfer

import (
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// What can go wrong for a caller. Each has one row in the table of internal/web
// that turns errors into answers. Some come as a richer type that says more;
// errors.Is finds them all the same.
var (
	ErrLinkNotFound = errors.New("there is no such upload link")
	ErrLinkClosed   = errors.New("this upload link is closed")
	ErrLinkExpired  = errors.New("this upload link has expired")
	ErrLinkFull     = errors.New("this upload link takes no further transfer")
	ErrSlugTaken    = errors.New("this slug is taken")
	ErrSlugInvalid  = errors.New("a slug is 3 to 64 of a-z, 0-9 and -")

	ErrPasswordWrong   = errors.New("the password is wrong")
	ErrTransferMissing = errors.New("there is no such transfer")
	ErrFileMissing     = errors.New("there is no such file")
	ErrPartMissing     = errors.New("the file has no such part")

	ErrPathInvalid  = errors.New("the path is not allowed")
	ErrSizeInvalid  = errors.New("the size is not allowed")
	ErrPathTaken    = errors.New("the path is taken by another file")
	ErrFileTooLarge = errors.New("the file is larger than allowed") // *FileTooLargeError
	ErrTooManyFiles = errors.New("the transfer has too many files")

	ErrTransferEnded      = errors.New("the transfer has ended")
	ErrTransferExpired    = errors.New("the transfer has expired")
	ErrTransferEmpty      = errors.New("the transfer has no files")
	ErrTransferIncomplete = errors.New("some files are not all there") // *IncompleteError
	ErrStillSealing       = errors.New("some files are still being sealed")

	ErrPartSize     = errors.New("the body has not the part's length") // *PartSizeError
	ErrPartConflict = errors.New("this part is recorded with other bytes")
	ErrFileNotReady = errors.New("the file is not stored yet")
	ErrFileDamaged  = errors.New("the stored file is damaged")

	ErrShareNotFound = errors.New("there is no such share")
	ErrShareExpired  = errors.New("this share has expired")
	ErrShareRevoked  = errors.New("this share was revoked")
	ErrShareUsedUp   = errors.New("this share is used up")
	ErrCodeRequired  = errors.New("the code is needed first")
	ErrCodeWrong     = errors.New("the code is wrong")
	ErrCodeTooShort  = errors.New("a code has at least 8 characters")

	ErrUnauthenticated = errors.New("the upload token is unknown")
	ErrNotFound        = errors.New("there is no such thing")
	ErrFieldInvalid    = errors.New("a field is not allowed") // *FieldError
)

// What goes wrong further down and may reach a caller, under the names of this
// package so that internal/web needs to know no store.
var (
	ErrDigest              = seal.ErrDigest
	ErrBodyShort           = seal.ErrBodyShort
	ErrBodyLong            = seal.ErrBodyLong
	ErrDamaged             = seal.ErrDamaged
	ErrStorageUnavailable  = blob.ErrUnavailable
	ErrStorageDenied       = blob.ErrDenied
	ErrStorageFull         = blob.ErrFull
	ErrStorageStalled      = blob.ErrStalled
	ErrDatabaseUnavailable = db.ErrUnavailable
	ErrDatabaseRefused     = db.ErrRefused
	ErrDatabaseLocked      = db.ErrLocked
	ErrDatabaseReadOnly    = db.ErrReadOnly
	ErrDatabaseFull        = db.ErrFull
	ErrKeyUnavailable      = account.ErrKeyUnavailable
)

// Digest is a checksum of a part's plain bytes that the sender demands.
type Digest = seal.Digest

// Page asks for a piece of a list. The zero value is the first page.
type Page = account.Page

// FieldError is a value that a studio may not set.
type FieldError struct {
	Field  string // as the wire names it
	Reason string
}

func (e *FieldError) Error() string        { return e.Field + ": " + e.Reason }
func (e *FieldError) Is(target error) bool { return target == ErrFieldInvalid }

// PartSizeError says how long the body has to be, in bytes.
type PartSizeError struct{ Expected int64 }

func (e *PartSizeError) Error() string {
	return fmt.Sprintf("the part has %d bytes", e.Expected)
}
func (e *PartSizeError) Is(target error) bool { return target == ErrPartSize }

// FileTooLargeError says how large a file may be, in bytes.
type FileTooLargeError struct{ Max int64 }

func (e *FileTooLargeError) Error() string {
	return fmt.Sprintf("a file may have %d bytes at most", e.Max)
}
func (e *FileTooLargeError) Is(target error) bool { return target == ErrFileTooLarge }

// IncompleteError names what is missing: the number of unfinished files and the
// first hundred of them.
type IncompleteError struct {
	Count int64
	First []File
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d files are not all there", e.Count)
}
func (e *IncompleteError) Is(target error) bool { return target == ErrTransferIncomplete }

// SealingError asks the caller to come again.
type SealingError struct{ RetryAfter time.Duration }

func (e *SealingError) Error() string        { return ErrStillSealing.Error() }
func (e *SealingError) Is(target error) bool { return target == ErrStillSealing }
