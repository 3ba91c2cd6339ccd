package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

var (
	// ErrStalled is a connection on which nothing moved for Options.Idle.
	ErrStalled = errors.New("the connection stands still")
	// ErrChanged is a file that is not what it was when it was looked at.
	ErrChanged = errors.New("the file changes while it is sent")
	// ErrArrivedOtherwise is a part of which the server recorded other bytes.
	ErrArrivedOtherwise = errors.New("the server holds other bytes than were sent")
	// ErrDamaged is a fetched file that has not its checksum.
	ErrDamaged = errors.New("the file arrived damaged")
	// ErrOthers is a file of the transfer that another sender may have sent.
	ErrOthers = errors.New("the transfer holds other bytes under this path, which may be another sender's")
	// ErrExists is another file that stands where a fetched one belongs.
	ErrExists = errors.New("another file is there already")
)

// StatusError is a refusal that is not of the interface: by a proxy, or by a
// server that is none of ours.
type StatusError struct {
	Status   int
	Location string // of a redirect
}

// Error says what was answered, and where a redirect leads.
func (e *StatusError) Error() string {
	if e.Location != "" {
		return fmt.Sprintf("the server answers that it has moved to %s", e.Location)
	}
	return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
}

// LocalError is a failure of this machine: a file that cannot be read or
// written. Repeating the request would not help.
type LocalError struct{ Err error }

// Error is the text of the cause.
func (e *LocalError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *LocalError) Unwrap() error { return e.Err }

// IsCode tells whether err is a problem with one of the codes.
func IsCode(err error, codes ...api.Code) bool {
	var p *api.Problem
	if !errors.As(err, &p) {
		return false
	}
	for _, c := range codes {
		if p.Code == c {
			return true
		}
	}
	return false
}

// refusal reads an answer that is not a success.
func refusal(resp *http.Response) error {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err == nil && media == api.ProblemType {
		var p api.Problem
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&p); err == nil && p.Code != "" {
			p.Status = resp.StatusCode
			return &p
		}
	}
	e := &StatusError{Status: resp.StatusCode}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Location = resp.Header.Get("Location")
	}
	return e
}

// isTemporary tells whether the same request may be answered otherwise later.
func isTemporary(err error) bool {
	var p *api.Problem
	var s *StatusError
	var local *LocalError
	switch {
	case errors.As(err, &local):
		return false
	case errors.As(err, &p):
		switch p.Code {
		case api.FileDamaged, api.TooManyTries:
			return false
		case api.StillSealing, api.BodyCut, api.DigestMismatch:
			return true
		}
		return temporaryStatus(p.Status)
	case errors.As(err, &s):
		return temporaryStatus(s.Status)
	}
	return true // the network
}

func temporaryStatus(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests ||
		status == http.StatusRequestTimeout
}

// neverArrived tells whether the server surely did nothing: the connection was
// not made, or it said that it is too busy to begin.
func neverArrived(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return true
	}
	return IsCode(err, api.Busy, api.Draining)
}

// retryAfter is the wait that an answer asks for, 0 if none: seconds, or a moment
// by the clock of who answers.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	asked := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(asked, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(asked)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
