package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// outer is what surrounds every route: the limits of request line and header,
// the headers of every answer, CORS, panics, and the log line.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.enter()
		defer s.running.leave()
		defer s.countRequest()
		rw := s.newResponse(w, r)
		s.setHeaders(rw)
		defer s.finish(rw, r, time.Now())
		if r.ContentLength != 0 { // net/http reads what a handler leaves of a body, and would wait for ever
			_ = rw.rc.SetReadDeadline(time.Now().Add(s.limits.BodyWait))
			defer offerRest(rw, r)
		}
		if err := s.limits.checkHeader(r); err != nil {
			s.fail(&call{s: s, w: rw, r: r, route: &route{}}, err)
			return
		}
		if s.cors(rw, r) {
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// offerRest lets the connection be taken for another while what is left of a
// body is read, with the answer on its way.
func offerRest(w *response, r *http.Request) {
	if w.wrote {
		_ = w.rc.Flush() // who left does not get it
		offer(r)
	}
}

// checkHeader holds the request to the limits of line and header. net/http has
// one limit for all of it, which is set well above these.
func (l Limits) checkHeader(r *http.Request) error {
	if len(r.Method)+len(r.RequestURI)+len(r.Proto)+2 > l.MaxRequestLine {
		return errURITooLong
	}
	total := len("Host: ") + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			size := len(name) + len(": ") + len(v)
			if size > l.MaxHeaderField {
				return errHeaderTooLarge
			}
			total += size + len("\r\n")
		}
	}
	if total > l.MaxHeaderBytes {
		return errHeaderTooLarge
	}
	return nil
}

// setHeaders sets what stands on every answer.
func (s *Server) setHeaders(w *response) {
	h := w.Header()
	h.Set("X-Request-Id", w.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	if s.secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// requestID makes an id, or takes the one that a trusted proxy gave.
func (s *Server) requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 64 && s.proxied(r) {
		odd := strings.ContainsFunc(id, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
		})
		if !odd {
			return id
		}
	}
	return strings.ToLower(rand.Text())
}

// cors lets pages of other origins call the interface, never with cookies. It
// answers preflights and says so.
func (s *Server) cors(w *response, r *http.Request) (answered bool) {
	if len(s.options.CORSOrigins) == 0 || !strings.HasPrefix(r.URL.Path, "/api/") {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	from := r.Header.Get("Origin")
	switch {
	case from == "":
		return false
	case slices.Contains(s.options.CORSOrigins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(s.options.CORSOrigins, from):
		h.Set("Access-Control-Allow-Origin", from)
	default:
		return false
	}
	h.Set("Access-Control-Expose-Headers",
		"Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, Retry-After, X-Request-Id")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Digest, Content-Type, Idempotency-Key, If-Range, Range")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// finish contains a panic, and writes the log line of the request.
func (s *Server) finish(w *response, r *http.Request, start time.Time) {
	v := recover()
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		s.record(w, r, start)
		panic(v) // net/http ends the connection
	}
	if v != nil {
		w.cause = fmt.Errorf("panic: %v", v)
		s.log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("id", w.id),
			slog.String("route", w.route), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		if w.wrote {
			s.record(w, r, start)
			abort()
		}
		s.fail(&call{s: s, w: w, r: r, route: &route{}}, w.cause)
	}
	s.record(w, r, start)
}

// record writes the log line and tells the observer. It names the route's
// pattern and never the path, which may hold a share's token.
func (s *Server) record(w *response, r *http.Request, start time.Time) {
	took := time.Since(start)
	seen := w.observed(r, took)
	if s.observe.Request != nil {
		s.observe.Request(seen)
	}
	if w.ended != nil {
		w.ended(seen)
	}
	level := slog.LevelInfo
	switch {
	case w.cause != nil && !w.gone:
		level = slog.LevelError
	case w.quiet && w.status < http.StatusInternalServerError:
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("id", w.id), slog.String("method", r.Method), slog.String("route", w.route),
		slog.Int("status", w.status), slog.Int64("received", w.received), slog.Int64("sent", w.sent),
		slog.Float64("ms", float64(took.Microseconds())/1000),
	}
	if w.account != "" {
		attrs = append(attrs, slog.String("account", w.account))
	}
	if w.gone {
		attrs = append(attrs, slog.Bool("gone", true))
	}
	if w.cause != nil {
		attrs = append(attrs, slog.String("error", w.cause.Error()))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}
