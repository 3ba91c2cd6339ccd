package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// mailEventsBody is what a mail service may post at once: SendGrid sends lists
// of up to 768 KiB.
const mailEventsBody = 1 << 20

// ErrMailEvents is what the error of MailEvents.Take is when the body is not
// what the service sends.
var ErrMailEvents = errors.New("these are no events of this mail service")

// MailEvents are what a mail service tells of messages that it had taken over.
type MailEvents struct {
	// Secret authorises the service; empty: nobody may tell.
	Secret string
	// Take does what follows from a body; the header is that of the request. It
	// may be called again with the same.
	Take func(ctx context.Context, service string, header http.Header, body []byte) error
}

func mailEventRoute() route {
	return route{method: "POST", pattern: "/api/v1/mail/events/{service}", summary: "What a mail service tells of messages that it took over",
		request: []any{}, maxBody: mailEventsBody, status: http.StatusNoContent, handle: (*Server).mailEvents,
		pushed:   true, // https://developers.brevo.com/docs/retry-mechanism
		problems: []api.Code{api.Unauthenticated, api.NotFound, api.StorageFull}}
}

// mailEvents takes events of a mail service, which gives the secret as a bearer
// token or as the password of basic authentication, as each can.
func (s *Server) mailEvents(c *call) error {
	events := s.options.MailEvents
	if events.Secret == "" {
		return errNoRoute
	}
	secret, given := bearer(c.r)
	if _, password, basic := c.r.BasicAuth(); basic {
		secret = password
	}
	got, want := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(events.Secret))
	if !given || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return transfer.ErrUnauthenticated
	}
	body, err := c.readBody(c.route.maxBody)
	if err != nil {
		return err
	}
	if err := events.Take(c.r.Context(), c.r.PathValue("service"), c.r.Header, body); err != nil {
		return err
	}
	return c.done()
}
