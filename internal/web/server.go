package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// Server answers all requests of the program.
//
// The pages are embedded: uploadPage, downloadPage and homePage are handlers
// of the route table like all others, errorPage shows a problem on a page
// route, and static serves /static/.
type Server struct {
	*pages

	transfers *transfer.Service
	accounts  *account.Service
	signIn    *account.SignIn
	log       *slog.Logger
	now       func() time.Time
	publicURL string
	limits    Limits
	observe   Observe
	options   Options

	routes    []route
	errors    []errorRow
	codes     codeTable
	streams   *slots // bodies of parts
	downloads *slots // answers with file content
	declares  *slots // JSON bodies over smallBody
	lives     *lives // streams of progress
	plans     *planCache
	probes    *Probes
	origins   *http.CrossOriginProtection
	openAPI   []byte
	handler   http.Handler

	bodies   atomic.Int64 // requests that carry a part's body or a file's content
	running  inFlight
	answered atomic.Int64  // requests, for Limits.MaxRequests
	enough   chan struct{} // closed when there were so many
	conns    atomic.Pointer[connLimit]
}

// New makes a server. It starts nothing.
func New(o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("set up web: %w", err)
	}
	p, err := newPages(o)
	if err != nil {
		return nil, fmt.Errorf("set up pages: %w", err)
	}
	s := &Server{
		pages: p, transfers: o.Transfers, accounts: o.Accounts, signIn: o.SignIn, log: o.Log, now: o.Now,
		publicURL: o.PublicURL, limits: o.Limits, observe: o.Observe, options: o,
		routes: routes(), errors: errorRows(), codes: newCodeTable(),
		streams:   newSlots(o.Limits.MaxStreams, o.Limits.MaxWaiting, o.Limits.StreamWait),
		downloads: newSlots(4*o.Limits.MaxStreams, o.Limits.MaxWaiting, o.Limits.StreamWait),
		declares:  newSlots(maxDeclares, o.Limits.MaxWaiting, o.Limits.StreamWait),
		lives:     newLives(o.Limits.MaxConns),
		plans:     newPlanCache(o.Now),
		probes:    &Probes{ready: newReadiness(o.Checks, o.Now, o.Log)},
		origins:   http.NewCrossOriginProtection(),
		enough:    make(chan struct{}),
	}
	if err := s.origins.AddTrustedOrigin(origin(o.PublicURL)); err != nil {
		return nil, fmt.Errorf("set up web: trust the public URL: %w", err)
	}
	if s.openAPI, err = s.document(); err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	s.declares.longest = o.Limits.StreamWait
	s.handler = s.outer(s.mux())
	return s, nil
}

// Handler answers requests without the limits of Serve on connections.
func (s *Server) Handler() http.Handler { return s.handler }

// Probes are those of /healthz and /readyz, for another listener.
func (s *Server) Probes() *Probes { return s.probes }

// Stats are what the server holds right now, for gauges.
type Stats struct {
	Streams, StreamsWaiting     int // part bodies in flight, and those that wait
	Downloads, DownloadsWaiting int
	Conns                       int
}

// Stats counts.
func (s *Server) Stats() Stats {
	var st Stats
	st.Streams, st.StreamsWaiting = s.streams.count()
	st.Downloads, st.DownloadsWaiting = s.downloads.count()
	if c := s.conns.Load(); c != nil {
		st.Conns = c.count()
	}
	return st
}

// origin cuts an address to scheme and host.
func origin(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// secure says that people reach the server by https.
func (s *Server) secure() bool { return strings.HasPrefix(s.publicURL, "https://") }
