package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/archive"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// What can go wrong in this package itself.
var (
	errNoRoute        = errors.New("there is nothing at this address")
	errMethod         = errors.New("this address does not take the method; see Allow")
	errMediaType      = errors.New("send the body as application/json")
	errBodyTooLarge   = errors.New("the body is larger than this call takes")
	errLengthRequired = errors.New("send the part with Content-Length")
	errCrossOrigin    = errors.New("a page of another site made this request with the visitor's cookie")
	errIdempotencyKey = errors.New("the key is 43 characters of base64url, which are 32 bytes")
	errSealing        = errors.New("this file is sealed by the server: send raw bytes")
	errDigestHeader   = errors.New("Content-Digest holds a sha-256 or sha-512 that cannot be read")
	errNoFiles        = errors.New("name at least one file")
	errTooManyFiles   = errors.New("name at most 1000 files at once")
	errPrecondition   = errors.New("the file is not the one that was asked for")
	errRange          = errors.New("the range lies outside the file")
	errURITooLong     = errors.New("the request line is too long")
	errHeaderTooLarge = errors.New("the header is too large")
	errBusy           = errors.New("too many bodies are in flight; come again")
	errDraining       = errors.New("the server is restarting; come again")
	errTooManyLive    = errors.New("too many streams of progress are open; close one")
	errBodyCut        = errors.New("the body ended early")
	errGaveWay        = errors.New("others waited and this transfer holds more than its share; send it again")
	errStalled        = errors.New("too few bytes came for too long; send it again")
)

// queryError is a query parameter that is not allowed.
type queryError struct{ field, reason string }

func (e *queryError) Error() string { return e.field + ": " + e.reason }

// errorRow turns one error into an answer. The detail is the text of is, or
// what fill sets; the error's own text stays inside.
type errorRow struct {
	is   error
	code api.Code
	wait time.Duration // Retry-After, for what passes by itself
	fill func(error, *api.Problem) time.Duration
}

const (
	soon  = 2 * time.Second
	later = 10 * time.Second
)

// errorRows is the table. The first row that fits is taken, so what is special
// stands above what is general.
func errorRows() []errorRow {
	var all []errorRow
	for _, part := range [][]errorRow{requestErrors(), linkErrors(), fileErrors(), shareErrors(), accountErrors(), weatherErrors()} {
		all = append(all, part...)
	}
	return all
}

func requestErrors() []errorRow {
	return []errorRow{
		{is: api.ErrJSON, code: api.JSONInvalid, fill: fillJSON},
		{is: errNoRoute, code: api.NotFound},
		{is: errMethod, code: api.MethodNotAllowed},
		{is: ErrMailEvents, code: api.JSONInvalid},
		{is: errMediaType, code: api.MediaTypeUnsupported},
		{is: errBodyTooLarge, code: api.BodyTooLarge},
		{is: errLengthRequired, code: api.LengthRequired},
		{is: errCrossOrigin, code: api.CrossOrigin},
		{is: errIdempotencyKey, code: api.IdempotencyKeyInvalid},
		{is: errSealing, code: api.SealingMismatch},
		{is: errDigestHeader, code: api.DigestInvalid},
		{is: errNoFiles, code: api.JSONInvalid, fill: func(_ error, p *api.Problem) time.Duration { p.Field = "files"; return 0 }},
		{is: errTooManyFiles, code: api.TooManyFiles},
		{is: errPrecondition, code: api.PreconditionFailed},
		{is: errRange, code: api.RangeNotSatisfiable},
		{is: errURITooLong, code: api.URITooLong},
		{is: errHeaderTooLarge, code: api.HeaderTooLarge},
		{is: account.ErrCursor, code: api.QueryInvalid, fill: func(_ error, p *api.Problem) time.Duration { p.Field = "cursor"; return 0 }},
		{is: transfer.ErrUnauthenticated, code: api.Unauthenticated},
		{is: account.ErrUnauthenticated, code: api.Unauthenticated},
		{is: transfer.ErrNotFound, code: api.NotFound},
		{is: account.ErrNotFound, code: api.NotFound},
	}
}

func linkErrors() []errorRow {
	return []errorRow{
		{is: transfer.ErrLinkNotFound, code: api.LinkNotFound},
		{is: transfer.ErrLinkClosed, code: api.LinkClosed},
		{is: transfer.ErrLinkExpired, code: api.LinkExpired},
		{is: transfer.ErrLinkFull, code: api.LinkFull},
		{is: transfer.ErrSlugTaken, code: api.SlugTaken},
		{is: transfer.ErrSlugInvalid, code: api.SlugInvalid},
		{is: transfer.ErrPasswordWrong, code: api.PasswordWrong},
		{is: transfer.ErrFieldInvalid, code: api.FieldInvalid, fill: fillField},
	}
}

func fileErrors() []errorRow {
	return []errorRow{
		{is: transfer.ErrTransferMissing, code: api.NotFound},
		{is: transfer.ErrFileMissing, code: api.NotFound},
		{is: transfer.ErrPartMissing, code: api.PartNotFound},
		{is: transfer.ErrPathInvalid, code: api.PathInvalid},
		{is: transfer.ErrSizeInvalid, code: api.SizeInvalid},
		{is: transfer.ErrPathTaken, code: api.PathTaken},
		{is: transfer.ErrFileTooLarge, code: api.FileTooLarge, fill: fillTooLarge},
		{is: transfer.ErrTooManyFiles, code: api.TooManyFiles},
		{is: account.ErrQuotaExceeded, code: api.QuotaExceeded, fill: fillQuota},
		{is: transfer.ErrTransferEnded, code: api.TransferEnded},
		{is: transfer.ErrTransferExpired, code: api.TransferExpired},
		{is: transfer.ErrTransferEmpty, code: api.TransferEmpty},
		{is: transfer.ErrTransferIncomplete, code: api.TransferIncomplete, fill: fillIncomplete},
		{is: transfer.ErrStillSealing, code: api.StillSealing, wait: soon, fill: fillSealing},
		{is: transfer.ErrPartSize, code: api.PartSizeMismatch, fill: fillPartSize},
		{is: transfer.ErrPartConflict, code: api.PartConflict},
		{is: transfer.ErrDigest, code: api.DigestMismatch},
		{is: transfer.ErrFileNotReady, code: api.FileNotReady},
		{is: archive.ErrTooManyNames, code: api.ArchiveTooLarge},
		{is: transfer.ErrFileDamaged, code: api.FileDamaged},
		{is: transfer.ErrDamaged, code: api.FileDamaged},
	}
}

func shareErrors() []errorRow {
	return []errorRow{
		{is: transfer.ErrShareNotFound, code: api.ShareNotFound},
		{is: transfer.ErrShareExpired, code: api.ShareExpired},
		{is: transfer.ErrShareRevoked, code: api.ShareRevoked},
		{is: transfer.ErrShareUsedUp, code: api.ShareUsedUp},
		{is: transfer.ErrCodeRequired, code: api.CodeRequired},
		{is: transfer.ErrCodeWrong, code: api.CodeWrong},
		{is: transfer.ErrCodeTooShort, code: api.CodeTooShort},
	}
}

func accountErrors() []errorRow {
	named := func(field string) func(error, *api.Problem) time.Duration {
		return func(_ error, p *api.Problem) time.Duration { p.Field = field; return 0 }
	}
	return []errorRow{
		{is: account.ErrCodeWrong, code: api.CodeWrong, fill: fillCode},
		{is: account.ErrTooManyTries, code: api.TooManyTries, wait: later, fill: fillTries},
		{is: account.ErrEmailInvalid, code: api.EmailInvalid},
		{is: account.ErrEmailTaken, code: api.EmailTaken},
		{is: account.ErrNameInvalid, code: api.FieldInvalid, fill: named("name")},
		{is: account.ErrTokenName, code: api.FieldInvalid, fill: named("name")},
		{is: account.ErrExpiryInvalid, code: api.FieldInvalid, fill: named("expires_at")},
		{is: account.ErrPasswordInvalid, code: api.FieldInvalid, fill: named("password")},
		{is: account.ErrQuotaInvalid, code: api.FieldInvalid, fill: named("quota_bytes")},
		{is: account.ErrNotActive, code: api.AccountClosed},
		{is: account.ErrQuotaDrift, code: api.Internal},
	}
}

// weatherErrors pass by themselves. What a body's end does stands last, since
// the store may have failed because of it or the other way round.
func weatherErrors() []errorRow {
	return []errorRow{
		{is: errTooManyLive, code: api.Busy, wait: later},
		{is: errBusy, code: api.Busy, wait: soon},
		{is: transfer.ErrScrubBusy, code: api.Busy, wait: later},
		{is: account.ErrBusy, code: api.Busy, wait: soon},
		{is: errDraining, code: api.Draining, wait: soon},
		{is: errGaveWay, code: api.Busy, wait: soon},
		{is: errStalled, code: api.Stalled, wait: soon},
		{is: transfer.ErrStorageStalled, code: api.Stalled, wait: soon},
		{is: transfer.ErrStorageFull, code: api.StorageFull, wait: time.Minute},
		{is: transfer.ErrStorageUnavailable, code: api.StorageUnavailable, wait: later},
		{is: transfer.ErrDatabaseUnavailable, code: api.DatabaseUnavailable, wait: later},
		{is: transfer.ErrDatabaseRefused, code: api.DatabaseUnavailable, wait: later},
		{is: transfer.ErrDatabaseLocked, code: api.DatabaseUnavailable, wait: later},
		{is: transfer.ErrDatabaseReadOnly, code: api.DatabaseUnavailable, wait: later},
		{is: transfer.ErrDatabaseFull, code: api.StorageFull, wait: time.Minute},
		{is: transfer.ErrStorageDenied, code: api.StorageUnavailable, wait: later},
		{is: transfer.ErrKeyUnavailable, code: api.StorageUnavailable, wait: later},
		{is: account.ErrKeyUnavailable, code: api.StorageUnavailable, wait: later},
		{is: account.ErrShredded, code: api.NotFound},
		{is: errBodyCut, code: api.BodyCut},
		{is: transfer.ErrBodyShort, code: api.BodyCut},
		{is: transfer.ErrBodyLong, code: api.PartSizeMismatch},
	}
}

func fillJSON(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*api.DecodeError](err); ok {
		p.Field, p.Detail = e.Field, e.Error()
		if p.Field == "" { // the body as a whole
			p.Field = "body"
		}
	}
	return 0
}

func fillField(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*transfer.FieldError](err); ok {
		p.Field, p.Detail = e.Field, e.Error()
	}
	return 0
}

func fillTooLarge(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*transfer.FileTooLargeError](err); ok {
		p.MaxFileBytes, p.Detail = &e.Max, e.Error()
	}
	return 0
}

func fillQuota(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*account.QuotaError](err); ok {
		p.BytesLeft = &e.Left
	}
	return 0
}

func fillIncomplete(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*transfer.IncompleteError](err); ok {
		p.UnfinishedCount, p.Files = &e.Count, each(e.First, wireFile)
	}
	return 0
}

func fillSealing(err error, _ *api.Problem) time.Duration {
	if e, ok := errors.AsType[*transfer.SealingError](err); ok {
		return e.RetryAfter
	}
	return 0
}

func fillPartSize(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*transfer.PartSizeError](err); ok {
		p.Expected, p.Detail = &e.Expected, e.Error()
	}
	return 0
}

func fillTries(err error, _ *api.Problem) time.Duration {
	if e, ok := errors.AsType[*account.TryLimitError](err); ok {
		return e.RetryAfter
	}
	return 0
}

func fillCode(err error, p *api.Problem) time.Duration {
	if e, ok := errors.AsType[*account.CodeError](err); ok {
		p.TriesLeft = &e.Left
	}
	return 0
}

// codeTable finds what is fixed about a code.
type codeTable map[api.Code]api.CodeInfo

func newCodeTable() codeTable {
	t := codeTable{}
	for _, c := range api.Codes() {
		t[c.Code] = c
	}
	return t
}

// problem looks an error up. known is false for what no row has: a mistake of
// ours, of which the client learns nothing but the request's id.
func (s *Server) problem(err error) (p api.Problem, retry time.Duration, known bool) {
	if q, ok := errors.AsType[*queryError](err); ok {
		return s.newProblem(api.QueryInvalid, q.Error(), q.field), 0, true
	}
	for _, row := range s.errors {
		if !errors.Is(err, row.is) {
			continue
		}
		p = s.newProblem(row.code, row.is.Error(), "")
		retry = row.wait
		if row.fill != nil {
			if d := row.fill(err, &p); d > 0 {
				retry = d
			}
		}
		return p, retry, true
	}
	return s.newProblem(api.Internal, "it was logged under the request's id", ""), 0, false
}

func (s *Server) newProblem(code api.Code, detail, field string) api.Problem {
	info := s.codes[code]
	return api.Problem{
		Type: "urn:lenzeye:problem:" + string(code), Title: info.Title, Status: info.Status,
		Detail: detail, Code: code, Field: field,
	}
}

// fail answers with a problem. Where the answer has begun there is nothing left
// to say, so the connection ends and the client notices.
func (s *Server) fail(c *call, err error) {
	p, retry, known := s.problem(err)
	if d, ok := errors.AsType[*declareFailure](err); ok {
		p, known = d.problem, true
	}
	p.RequestID = c.w.id
	if p.Status >= http.StatusInternalServerError || !known {
		c.w.cause = err
	}
	p.Status = c.route.statusHere(p.Status)
	if c.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		c.w.gone = true
	}
	if c.w.wrote {
		abort()
	}
	h := c.w.Header()
	for _, name := range []string{"Content-Length", "Content-Type", "Content-Disposition", "Etag", "Last-Modified", "Accept-Ranges"} {
		h.Del(name)
	}
	if p.Status != http.StatusRequestedRangeNotSatisfiable {
		h.Del("Content-Range")
	}
	h.Set("Cache-Control", "no-store")
	if retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(retry.Seconds())), 10))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="lenzeye"`)
	}
	if c.route.browsed {
		h.Add("Vary", "Accept")
	}
	if c.route.page || c.route.browsed && wantsPage(c.r) {
		pageErr := s.errorPage(c.w, c.r, p)
		if pageErr == nil {
			return
		}
		c.w.cause = fmt.Errorf("show problem %s: %w", p.Code, pageErr)
	}
	body, err := json.Marshal(p)
	if err != nil {
		c.w.cause = fmt.Errorf("write problem %s: %w", p.Code, err)
		p.Status, body = http.StatusInternalServerError, []byte(`{"code":"internal","status":500}`)
	}
	c.w.json(p.Status, api.ProblemType, body)
}

// wantsPage tells a browser that goes to an address from a program, or a script,
// that calls it.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// abort ends the connection, since an answer that has begun cannot be taken
// back. It is the only panic of this package.
func abort() { panic(http.ErrAbortHandler) }
