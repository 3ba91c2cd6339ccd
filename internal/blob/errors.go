package blob

import (
	"context"
	"errors"
	"fmt"
)

// Every error of a Store is of one of these classes, or is the cause of a
// cancelled context. Test with errors.Is.
var (
	// ErrNotFound: there is no object under the key.
	ErrNotFound = errors.New("blob: no such object")
	// ErrUploadNotFound: the multipart upload never was, was aborted or was
	// completed. After a Complete whose reply was lost, Head tells which.
	ErrUploadNotFound = errors.New("blob: no such upload")
	// ErrPartMismatch: Complete named a part, or an ETag of a part, that the
	// store does not hold.
	ErrPartMismatch = errors.New("blob: part does not match")
	// ErrTooSmall: a part that is not the last is under the store's minimum,
	// 5 MiB on S3.
	ErrTooSmall = errors.New("blob: part too small")
	// ErrExists: the key is in use. Directory and memory notice it; S3 does
	// not, which is why a key is never written twice.
	ErrExists = errors.New("blob: key in use")
	// ErrInvalid: an argument that no store takes. A mistake of the caller.
	ErrInvalid = errors.New("blob: invalid argument")
	// ErrBody: the reader that was to be stored failed, not the store. Its own
	// error is visible too.
	ErrBody = errors.New("blob: body failed")
	// ErrLength: an ErrBody; the reader was shorter or longer than its size.
	ErrLength = errors.New("blob: body has the wrong length")
	// ErrFull: no space is left, or less than is to stay free.
	ErrFull = errors.New("blob: store is full")
	// ErrDenied: the store refuses the credentials or the permission.
	ErrDenied = errors.New("blob: access denied")
	// ErrAccessKey: an ErrDenied; the store does not know who asks.
	ErrAccessKey = fmt.Errorf("%w: the access key is unknown", ErrDenied)
	// ErrSecretKey: an ErrDenied; the signature is wrong.
	ErrSecretKey = fmt.Errorf("%w: the secret key does not belong to the access key", ErrDenied)
	// ErrClock: an ErrDenied; the store's clock and ours differ too much.
	ErrClock = fmt.Errorf("%w: the clock of this machine is wrong", ErrDenied)
	// ErrRegion: an ErrDenied; the signature names another region.
	ErrRegion = fmt.Errorf("%w: the region is not the bucket's", ErrDenied)
	// ErrLockedOut: an ErrDenied; the store takes no credentials for a while.
	ErrLockedOut = fmt.Errorf("%w: locked for some minutes after wrong credentials", ErrDenied)
	// ErrStalled: the store gave up on a body that came too slowly.
	ErrStalled = errors.New("blob: body stalled")
	// ErrUnavailable: any other failure of the store. The step may have been
	// done all the same; it can be tried again.
	ErrUnavailable = errors.New("blob: store unavailable")
	// ErrNoBucket: an ErrUnavailable; the bucket is not at this endpoint and
	// region. Nothing can be concluded about what it held.
	ErrNoBucket = fmt.Errorf("%w: no such bucket here", ErrUnavailable)
)

// classed reports whether err already belongs to one of the package's classes.
func classed(err error) bool {
	for _, class := range []error{
		ErrNotFound, ErrUploadNotFound, ErrPartMismatch, ErrTooSmall, ErrExists, ErrInvalid,
		ErrBody, ErrFull, ErrDenied, ErrStalled, ErrUnavailable,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// classify gives a driver's error its class. What a driver could not name is
// the caller's cancellation, if there was one, and ErrUnavailable otherwise.
func classify(ctx context.Context, err error) error {
	if err == nil || classed(err) {
		return err
	}
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		if errors.Is(err, cause) {
			return err
		}
		return fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
