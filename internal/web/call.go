package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// call is one request on its way through a route's handler.
type call struct {
	s      *Server
	w      *response
	r      *http.Request
	route  *route
	from   netip.Addr
	secret string // the token that was given; "" where the route takes none
	kind   account.SecretKind
	// tokenID is the row of an API token or a session; "" for other tokens.
	tokenID string
	access  transfer.Access // for whom, where the route takes tokens of accounts or uploads
}

// linger is how long bytes that nobody authorised are still taken off the wire,
// so that the answer is not lost in a reset.
const linger = time.Second

// handlerOf wraps a row of the table: who calls, then the handler, then its
// error as an answer.
func (s *Server) handlerOf(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw, ok := w.(*response)
		if !ok {
			rw = s.newResponse(w, r)
		}
		rw.route = rt.pattern
		rw.quiet = rt.quiet
		r = s.begin(rw, r)
		c := &call{s: s, w: rw, r: r, route: rt, from: s.clientAddr(r)}
		err := c.authenticate()
		if c.asksToSignIn(err) {
			return
		}
		if err != nil && rt.body != "" { // nobody authorised these bytes: they are not waited for
			rw.Header().Set("Connection", "close")
			_ = rw.rc.SetReadDeadline(time.Now().Add(linger))
		}
		if err == nil {
			err = rt.handle(s, c)
		}
		if err != nil {
			s.fail(c, err)
		}
	})
}

// begin tells the observer of a request, and gives it the observer's context.
func (s *Server) begin(w *response, r *http.Request) *http.Request {
	if s.observe.Begin == nil || w.quiet || w.route == "" {
		return r
	}
	a := Arrival{Method: usual(r.Method), Route: w.route}
	if s.proxied(r) {
		a.Traceparent = r.Header.Get("Traceparent")
	}
	ctx, end := s.observe.Begin(r.Context(), a)
	w.ended = end
	return r.WithContext(ctx)
}

// client says where the call comes from.
func (c *call) client() transfer.Client {
	return transfer.Client{IP: c.ip(), Subject: account.AddressSubject(c.from)}
}

// ip is the caller's address as events show it.
func (c *call) ip() string {
	if !c.from.IsValid() {
		return ""
	}
	return c.from.String()
}

// origin says the same for events of the account.
func (c *call) origin() account.Origin {
	return account.Origin{Actor: account.ActorStudio, IP: c.ip()}
}

// reply answers with JSON and the route's status.
func (c *call) reply(v any) error {
	status := c.route.status
	if status == 0 {
		status = http.StatusOK
	}
	return c.json(status, v)
}

// made answers 201 with the address of what was made.
func (c *call) made(location string, v any) error {
	c.w.Header().Set("Location", location)
	return c.reply(v)
}

// done answers 204.
func (c *call) done() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	c.w.json(status, "application/json", body)
	return nil
}

// decode reads the JSON body into v.
func (c *call) decode(v any) error {
	if c.r.ContentLength == 0 {
		return nil
	}
	limit := c.route.maxBody
	if limit == 0 {
		limit = smallBody
	}
	if c.r.ContentLength > limit {
		return errBodyTooLarge
	}
	typed := isJSON(c.r.Header.Get("Content-Type"))
	if !typed && c.r.ContentLength > 0 {
		return errMediaType
	}
	data, err := c.readBody(limit)
	if err != nil {
		return err
	}
	if !typed && len(data) > 0 {
		return errMediaType
	}
	return api.Unmarshal(data, v)
}

// readBody reads a JSON body within BodyWait. One that may be large waits for
// its turn first, since it is held in memory whole. The connection of one that is
// slow to come may be taken for somebody else.
func (c *call) readBody(limit int64) ([]byte, error) {
	body := wholeBody(c.w, http.MaxBytesReader(c.w, c.r.Body, limit), c.s.limits.BodyWait)
	if limit > smallBody && (c.r.ContentLength < 0 || c.r.ContentLength > smallBody) {
		release, err := c.carry(c.s.declares, claim{transfer: c.access.TransferID, cut: body.giveWay})
		if err != nil {
			return nil, err
		}
		defer release()
	}
	c.w.moveWriteDeadline()
	here := slowly(c.r)
	data, err := io.ReadAll(body)
	here()
	c.w.received += int64(len(data))
	if err != nil {
		return nil, bodyError(err)
	}
	return data, nil
}

// bodyError says what became of a body that could not be read.
func bodyError(err error) error {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return errBodyTooLarge
	case errors.Is(err, errStalled), errors.Is(err, errGaveWay):
		return err
	default:
		return fmt.Errorf("%w: %w", errBodyCut, err)
	}
}

func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	return err == nil && media == "application/json" && (charset == "" || charset == "utf-8")
}

// page reads limit and cursor.
func (c *call) page() (transfer.Page, error) {
	q := c.r.URL.Query()
	p := transfer.Page{Cursor: q.Get("cursor")}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			return p, &queryError{"limit", "a number from 1 to 1000 is due"}
		}
		p.Limit = n
	}
	return p, nil
}

// id gives a path's id. What does not look like one was never given out, and may
// hold what a database does not take: it is the id of nothing.
func (c *call) id() string {
	id := c.r.PathValue("id")
	if len(id) != 36 || strings.Trim(id, "0123456789abcdef-") != "" {
		return ""
	}
	return id
}

// next is a list's cursor as the wire has it.
func next(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}

// optional is a text that is null when empty.
func optional(s string) *string { return next(s) }

// otherMethod answers a method that a path does not have.
func (c *call) otherMethod(allow string) error {
	c.w.Header().Set("Allow", allow)
	if c.r.Method == http.MethodOptions {
		return c.done()
	}
	return errMethod
}
