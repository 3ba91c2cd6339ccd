package api

import "net/http"

// Code names a problem for programs. Codes are never renamed or reused.
type Code string

// The codes, grouped by what they are about.
const (
	JSONInvalid           Code = "json_invalid"  // with field
	QueryInvalid          Code = "query_invalid" // with field
	MediaTypeUnsupported  Code = "media_type_unsupported"
	BodyTooLarge          Code = "body_too_large"
	BodyCut               Code = "body_cut"
	LengthRequired        Code = "length_required"
	NotFound              Code = "not_found"
	MethodNotAllowed      Code = "method_not_allowed"
	PreconditionFailed    Code = "precondition_failed"
	RangeNotSatisfiable   Code = "range_not_satisfiable"
	URITooLong            Code = "uri_too_long"
	HeaderTooLarge        Code = "header_too_large"
	Unauthenticated       Code = "unauthenticated"
	CrossOrigin           Code = "cross_origin"
	FieldInvalid          Code = "field_invalid" // with field
	IdempotencyKeyInvalid Code = "idempotency_key_invalid"

	LinkNotFound  Code = "link_not_found"
	LinkClosed    Code = "link_closed"
	LinkExpired   Code = "link_expired"
	LinkFull      Code = "link_full"
	SlugTaken     Code = "slug_taken"
	SlugInvalid   Code = "slug_invalid"
	PasswordWrong Code = "password_wrong"
	EmailInvalid  Code = "email_invalid"
	EmailTaken    Code = "email_taken"
	AccountClosed Code = "account_closed"

	TooManyFiles       Code = "too_many_files"
	PathInvalid        Code = "path_invalid"
	PathTaken          Code = "path_taken" // with file
	SizeInvalid        Code = "size_invalid"
	FileTooLarge       Code = "file_too_large" // with max_file_bytes
	QuotaExceeded      Code = "quota_exceeded" // with bytes_left
	TransferEnded      Code = "transfer_ended"
	TransferExpired    Code = "transfer_expired"
	TransferEmpty      Code = "transfer_empty"
	TransferIncomplete Code = "transfer_incomplete" // with unfinished_count and files
	StillSealing       Code = "still_sealing"

	PartNotFound     Code = "part_not_found"
	PartSizeMismatch Code = "part_size_mismatch" // with expected
	PartConflict     Code = "part_conflict"
	DigestInvalid    Code = "digest_invalid"
	DigestMismatch   Code = "digest_mismatch"
	SealingMismatch  Code = "sealing_mismatch"
	FileNotReady     Code = "file_not_ready"
	FileDamaged      Code = "file_damaged"
	ArchiveTooLarge  Code = "archive_too_large"

	ShareNotFound Code = "share_not_found"
	ShareExpired  Code = "share_expired"
	ShareRevoked  Code = "share_revoked"
	ShareUsedUp   Code = "share_used_up"
	CodeRequired  Code = "code_required"
	CodeWrong     Code = "code_wrong"
	CodeTooShort  Code = "code_too_short"

	TooManyTries        Code = "too_many_tries"
	Internal            Code = "internal"
	Busy                Code = "busy"
	Draining            Code = "draining"
	Stalled             Code = "stalled"
	StorageUnavailable  Code = "storage_unavailable"
	DatabaseUnavailable Code = "database_unavailable"
	StorageFull         Code = "storage_full"
)

// CodeInfo is what is fixed about a code.
type CodeInfo struct {
	Code   Code
	Status int
	Title  string
}

// Codes lists every code with its status and title.
func Codes() []CodeInfo {
	return []CodeInfo{
		{JSONInvalid, http.StatusBadRequest, "The body is not the JSON expected here"},
		{QueryInvalid, http.StatusBadRequest, "A query parameter is not allowed"},
		{IdempotencyKeyInvalid, http.StatusBadRequest, "The Idempotency-Key is not 32 bytes in base64url"},
		{TooManyFiles, http.StatusBadRequest, "Too many files"},
		{PartSizeMismatch, http.StatusBadRequest, "The body has not the part's length"},
		{DigestInvalid, http.StatusBadRequest, "The Content-Digest cannot be read"},
		{DigestMismatch, http.StatusBadRequest, "The body does not match its Content-Digest"},
		{BodyCut, http.StatusBadRequest, "The body ended early"},
		{Unauthenticated, http.StatusUnauthorized, "A valid token is needed"},
		{PasswordWrong, http.StatusUnauthorized, "The password is wrong"},
		{CodeRequired, http.StatusUnauthorized, "The code is needed first"},
		{CodeWrong, http.StatusUnauthorized, "The code is wrong"},
		{CrossOrigin, http.StatusForbidden, "The request came from another site"},
		{AccountClosed, http.StatusForbidden, "The account is not active"},
		{NotFound, http.StatusNotFound, "There is nothing here"},
		{LinkNotFound, http.StatusNotFound, "There is no such upload link"},
		{PartNotFound, http.StatusNotFound, "The file has no such part"},
		{ShareNotFound, http.StatusNotFound, "There is no such share"},
		{MethodNotAllowed, http.StatusMethodNotAllowed, "The method is not allowed here"},
		{SlugTaken, http.StatusConflict, "The slug is taken"},
		{EmailTaken, http.StatusConflict, "The email address is taken"},
		{PathTaken, http.StatusConflict, "The path is taken by another file"},
		{TransferEnded, http.StatusConflict, "The transfer has ended"},
		{TransferEmpty, http.StatusConflict, "The transfer has no files"},
		{TransferIncomplete, http.StatusConflict, "Some files are not all there"},
		{StillSealing, http.StatusConflict, "Some files are still being sealed"},
		{PartConflict, http.StatusConflict, "The part is recorded with other bytes"},
		{FileNotReady, http.StatusConflict, "The file is not stored yet"},
		{ArchiveTooLarge, http.StatusConflict, "Too many files and folders for one archive"},
		{LinkClosed, http.StatusGone, "The upload link is closed"},
		{LinkExpired, http.StatusGone, "The upload link has expired"},
		{LinkFull, http.StatusGone, "The upload link takes no further transfer"},
		{TransferExpired, http.StatusGone, "The transfer has expired"},
		{ShareExpired, http.StatusGone, "The share has expired"},
		{ShareRevoked, http.StatusGone, "The share was revoked"},
		{ShareUsedUp, http.StatusGone, "The share is used up"},
		{LengthRequired, http.StatusLengthRequired, "Content-Length is needed"},
		{PreconditionFailed, http.StatusPreconditionFailed, "A precondition does not hold"},
		{BodyTooLarge, http.StatusRequestEntityTooLarge, "The body is too large"},
		{FileTooLarge, http.StatusRequestEntityTooLarge, "The file is too large"},
		{QuotaExceeded, http.StatusRequestEntityTooLarge, "There is not enough space left"},
		{URITooLong, http.StatusRequestURITooLong, "The request line is too long"},
		{MediaTypeUnsupported, http.StatusUnsupportedMediaType, "The body has to be application/json"},
		{SealingMismatch, http.StatusUnsupportedMediaType, "Sealed bytes where raw ones are due, or the reverse"},
		{RangeNotSatisfiable, http.StatusRequestedRangeNotSatisfiable, "The range lies outside the file"},
		{EmailInvalid, http.StatusUnprocessableEntity, "The email address is not valid"},
		{PathInvalid, http.StatusUnprocessableEntity, "The path is not allowed"},
		{SizeInvalid, http.StatusUnprocessableEntity, "The size is not allowed"},
		{SlugInvalid, http.StatusUnprocessableEntity, "The slug is not allowed"},
		{CodeTooShort, http.StatusUnprocessableEntity, "The code is too short"},
		{FieldInvalid, http.StatusUnprocessableEntity, "A value is not allowed"},
		{TooManyTries, http.StatusTooManyRequests, "Too many tries"},
		{HeaderTooLarge, http.StatusRequestHeaderFieldsTooLarge, "The header is too large"},
		{Internal, http.StatusInternalServerError, "Something broke on our side"},
		{FileDamaged, http.StatusInternalServerError, "The stored file is damaged"},
		{Busy, http.StatusServiceUnavailable, "The server is busy"},
		{Draining, http.StatusServiceUnavailable, "The server is restarting"},
		{Stalled, http.StatusServiceUnavailable, "The bytes stopped coming"},
		{StorageUnavailable, http.StatusServiceUnavailable, "The storage does not answer"},
		{DatabaseUnavailable, http.StatusServiceUnavailable, "The database does not answer"},
		{StorageFull, http.StatusInsufficientStorage, "The storage is full"},
	}
}
