package web

import (
	"net/http"
	"strconv"
	"time"
)

// response is the writer of every answer. It moves the write deadline with
// progress, counts, and keeps what the log line says.
type response struct {
	http.ResponseWriter
	rc    *http.ResponseController
	meter meter

	id      string // of the request
	route   string // the pattern that matched
	account string // whose request it is, once known
	quiet   bool
	status  int
	wrote   bool // the answer has begun
	gone    bool // the client went away
	sent    int64
	// received counts the bytes of the body that were read.
	received int64
	cause    error         // what the client is not told
	ended    func(Request) // told of the answer; nil: nobody asks
}

// chunk is the most that is written under one look at the deadline; less where
// less is due, since a piece counts only when all of it was taken.
const chunk = 64 << 10

// leastPiece is written under one look also where hardly anything has to move:
// a write for each byte would cost more than the answer.
const leastPiece = 4 << 10

func (s *Server) newResponse(w http.ResponseWriter, r *http.Request) *response {
	rc := http.NewResponseController(w)
	return &response{
		ResponseWriter: w, rc: rc, id: s.requestID(r),
		meter: meter{pace: s.limits.pace(), set: rc.SetWriteDeadline},
	}
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader begins the answer.
func (w *response) WriteHeader(status int) {
	w.moveWriteDeadline()
	if status >= http.StatusOK && !w.wrote {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes at the pace that the limits ask for.
func (w *response) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	done := 0
	for {
		if err := w.meter.start(); err != nil {
			return done, err
		}
		piece := p[done:min(done+int(min(chunk, max(leastPiece, w.meter.due))), len(p))]
		n, err := w.ResponseWriter.Write(piece)
		done += n
		w.sent += int64(n)
		w.meter.moved(n)
		if err != nil || done == len(p) {
			return done, err
		}
	}
}

// moveWriteDeadline begins a window for what is written next. The one before
// may be long past: a deadline stays on the connection.
func (w *response) moveWriteDeadline() {
	w.meter.due = 0
	_ = w.meter.start() // a connection that takes no deadline fails on its own
}

// json writes a whole answer. Nothing of the interface may be kept by others.
func (w *response) json(status int, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		w.gone = true
	}
}

func (w *response) observed(r *http.Request, took time.Duration) Request {
	return Request{
		ID: w.id, Method: usual(r.Method), Failed: w.cause != nil && !w.gone, Route: w.route, Status: w.status,
		Received: w.received, Sent: w.sent, Duration: took,
	}
}

// usual is a method that everybody knows. Others are the client's words, and
// what counts by method would grow with each.
func usual(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
