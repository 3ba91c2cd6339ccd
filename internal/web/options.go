package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// Options are what a Server is made of. Transfers, Accounts, SignIn,
// Catalog and PublicURL are needed.
type Options struct {
	Transfers *transfer.Service
	Accounts  *account.Service
	SignIn    *account.SignIn
	Catalog   *catalog.Catalog

	// PublicURL is where people reach the server, like https://example.com.
	PublicURL string

	// MailToFiles says that messages are written into a folder instead of being
	// sent, NoMail that no way to send any is set.
	MailToFiles, NoMail bool
	// KeyFile says that the master keys lie in a file that was made by itself.
	KeyFile bool
	// Greets says that the server's terminal shows an address that signs in, so
	// that the front page may send its studio there.
	Greets bool

	// Checks are what /readyz looks at: database, bucket, queue.
	Checks []Check
	// Metrics answers /metrics; without it there is no such route.
	Metrics http.Handler
	Observe Observe
	// MailEvents are what mail services tell; the zero value takes none.
	MailEvents MailEvents
	Build      api.Version
	Log        *slog.Logger
	Now        func() time.Time

	Limits Limits

	// TrustedProxies may say in X-Forwarded-For for whom they call, and give
	// an X-Request-Id.
	TrustedProxies []netip.Prefix
	// CORSOrigins may call the interface from pages of their own, without
	// cookies. "*" is any.
	CORSOrigins []string
}

// Check looks at one part of the system.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Observe is told what happens, for metrics. Nil funcs are left out. They are
// called on the request's goroutine and must be quick.
type Observe struct {
	// Begin is told of a request that found its route, health and other quiet
	// ones aside, before it is handled. The handler has the context that it gives;
	// end is told of the answer.
	Begin func(ctx context.Context, a Arrival) (handle context.Context, end func(Request))
	// Request is told of every answer, also of broken ones.
	Request func(Request)
	// Broken is told of an answer with file content that ended early, with
	// the route's pattern; theirs says that the client went away.
	Broken func(route string, theirs bool)
}

// Arrival is a request that is about to be handled.
type Arrival struct {
	Method string // as in Request
	Route  string // the pattern
	// Traceparent is the W3C header of that name if a trusted proxy sent the
	// request: anybody else would choose ids, and what is traced.
	Traceparent string
}

// Request is an answered request.
type Request struct {
	ID       string // of the log line
	Method   string // "other" where it is no usual one
	Route    string // the pattern; "" where none matched
	Status   int
	Received int64 // bytes of the body that were read
	Sent     int64 // bytes of the answer's body
	Duration time.Duration
	Failed   bool // by our doing: the log line has an error
}

// Limits keep memory and time bounded. Zero values take the defaults; None is a
// wait, a rate or a queue of nothing.
type Limits struct {
	MaxStreams  int           // part bodies in flight; 64
	StreamWait  time.Duration // how long a body waits for its turn; 10 s
	MaxWaiting  int           // bodies that may wait; 256
	MaxConns    int           // 2000
	IdleTimeout time.Duration // window of progress; 120 s
	MinRate     int64         // bytes a second over that window; 1024
	KeepAlive   time.Duration // how long an unused connection is kept; 120 s
	HeaderWait  time.Duration // for all of a request's header; 20 s
	BodyWait    time.Duration // for all of a JSON body; 30 s

	// DrainDelay is how long Serve goes on to accept connections when it is no
	// longer ready, for those who hand out requests to see that; 0 is not at all.
	DrainDelay time.Duration

	LiveEvery time.Duration // between two looks of a stream of progress; 1 s
	LiveBeat  time.Duration // after which a quiet one says that it lives; 30 s

	// MaxRequests is after how many requests Serve drains and returns, for a
	// platform to start the process anew; 0 is never.
	MaxRequests int

	MaxRequestLine int // bytes; 4096
	MaxHeaderField int // bytes; 8190
	MaxHeaderBytes int // of all fields; 32 KiB
}

// None stands in Limits for zero, which is the default there.
const None = -1

func (l Limits) withDefaults() Limits {
	set(&l.MaxStreams, 64)
	set(&l.StreamWait, 10*time.Second)
	set(&l.MaxWaiting, 256)
	set(&l.MaxConns, 2000)
	set(&l.IdleTimeout, 2*time.Minute)
	set(&l.MinRate, 1024)
	set(&l.KeepAlive, 2*time.Minute)
	set(&l.HeaderWait, 20*time.Second)
	set(&l.BodyWait, 30*time.Second)
	set(&l.LiveEvery, time.Second)
	set(&l.LiveBeat, 30*time.Second)
	set(&l.MaxRequestLine, 4096)
	set(&l.MaxHeaderField, 8190)
	set(&l.MaxHeaderBytes, 32<<10)
	return l
}

// set gives *v a default, and makes None the zero that it stands for.
func set[T int | int64 | time.Duration](v *T, d T) {
	switch *v {
	case 0:
		*v = d
	case None:
		*v = 0
	}
}

// complete checks the options and fills in what was left out.
func (o Options) complete() (Options, error) {
	if o.Transfers == nil || o.Accounts == nil || o.SignIn == nil || o.Catalog == nil {
		return o, errors.New("transfers, accounts, signing in and catalog are needed")
	}
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return o, fmt.Errorf("public URL %q is not like https://example.com", o.PublicURL)
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	o.Limits = o.Limits.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
