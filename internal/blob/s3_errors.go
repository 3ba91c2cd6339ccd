package blob

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
)

// bucketError gives an answer of the store its class. What is no answer, such
// as a connection that failed, keeps its form: the Store classes it.
func bucketError(err error) error {
	if err == nil {
		return nil
	}
	code, status := answer(err)
	if reason := refusal(code); reason != nil {
		return fmt.Errorf("%w: %w", reason, err)
	}
	if class := classOfCode(code); class != nil {
		return fmt.Errorf("%w: %w", class, err)
	}
	if class := classOfStatus(status); class != nil {
		return fmt.Errorf("%w: %w", class, err)
	}
	return err
}

// answer is the code and the HTTP status of an error that the store sent.
func answer(err error) (code string, status int) {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if res, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		status = res.HTTPStatusCode()
	}
	return code, status
}

// classOfCode knows the codes of
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and those
// that Wasabi, MinIO and others add.
func classOfCode(code string) error {
	switch code {
	case "NoSuchKey":
		return ErrNotFound
	case "NoSuchUpload":
		return ErrUploadNotFound
	case "InvalidPart", "InvalidPartOrder":
		return ErrPartMismatch
	case "EntityTooSmall":
		return ErrTooSmall
	case "NoSuchBucket", "PermanentRedirect", "IllegalLocationConstraintException":
		return ErrNoBucket
	case "RequestTimeout":
		return ErrStalled
	case "QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "StorageFull", "XMinioStorageFull",
		"XMinioAdminBucketQuotaExceeded":
		return ErrFull
	case "AccessDenied", "AllAccessDisabled", "AccountProblem", "ExpiredToken", "InvalidToken", "NotSignedUp":
		return ErrDenied
	case "SlowDown", "RequestRateLimitExceeded", "ServiceUnavailable", "Unavailable", "InternalError":
		return ErrUnavailable
	}
	return nil
}

// classOfStatus is for answers without a code, as those to HEAD are. A 404 is
// not among them: it may come from a server that is no store at all.
func classOfStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrDenied
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return ErrNoBucket
	case http.StatusInsufficientStorage:
		return ErrFull
	}
	return nil
}

// refusal says what is wrong with credentials that the store does not take.
func refusal(code string) error {
	switch code {
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		return ErrAccessKey
	case "SignatureDoesNotMatch":
		return ErrSecretKey
	case "RequestTimeTooSkewed", "RequestExpired":
		return ErrClock
	case "AuthorizationHeaderMalformed":
		return ErrRegion
	case "AuthenticationLockout":
		return ErrLockedOut
	}
	return nil
}
