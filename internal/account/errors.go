package account

import (
	"errors"
	"fmt"
	"time"
)

// What can go wrong for a caller. Some come as a richer type that says more;
// errors.Is finds them all the same.
var (
	ErrNotFound     = errors.New("there is no such thing in this account")
	ErrNotActive    = errors.New("the account is not active")
	ErrEmailTaken   = errors.New("another account has this email address")
	ErrEmailInvalid = errors.New("this is not an email address that mail can reach")
	ErrNameInvalid  = errors.New("a name has 1 to 200 characters and no control characters")
	ErrTokenName    = errors.New("a token's name has 1 to 200 characters and no control characters")

	ErrUnauthenticated = errors.New("the secret is unknown, revoked or expired")
	ErrExpiryInvalid   = errors.New("the expiry has passed already")
	ErrCursor          = errors.New("the cursor is not one that a list gave")

	ErrQuotaExceeded = errors.New("the account's quota does not allow so many bytes") // *QuotaError
	ErrQuotaInvalid  = errors.New("a quota has 0 to 2^53 - 1 bytes")
	ErrQuotaDrift    = errors.New("the account's byte counters do not cover the change")

	ErrKeyUnavailable = errors.New("this server cannot open the key now")
	ErrShredded       = errors.New("the key was destroyed")

	ErrCodeWrong       = errors.New("the code is wrong, used or too old") // *CodeError
	ErrTooManyTries    = errors.New("too many tries")                     // *TryLimitError
	ErrPasswordInvalid = errors.New("a password has 1 to 1024 bytes")
	ErrBusy            = errors.New("too many passwords are being checked")
)

// QuotaError says how many bytes could still be reserved.
type QuotaError struct{ Left int64 }

func (e *QuotaError) Error() string {
	return fmt.Sprintf("%v: %d bytes are left", ErrQuotaExceeded, e.Left)
}

// Is makes the error one of ErrQuotaExceeded.
func (e *QuotaError) Is(target error) bool { return target == ErrQuotaExceeded }

// TryLimitError says when the next try is allowed.
type TryLimitError struct{ RetryAfter time.Duration }

func (e *TryLimitError) Error() string {
	return fmt.Sprintf("%v: the next one is allowed in %s", ErrTooManyTries, e.RetryAfter)
}

// Is makes the error one of ErrTooManyTries.
func (e *TryLimitError) Is(target error) bool { return target == ErrTooManyTries }
