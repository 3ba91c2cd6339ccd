package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

const octets = "application/octet-stream"

func (s *Server) fileContent(c *call) error {
	content, err := s.transfers.OpenFile(c.r.Context(), c.access, c.id())
	if err != nil {
		return err
	}
	return c.content(content)
}

func (s *Server) sharedContent(c *call) error {
	access, err := c.fetchAccess()
	if err != nil {
		return err
	}
	content, err := s.transfers.OpenShared(c.r.Context(), access, c.id())
	if err != nil {
		return err
	}
	return c.content(content)
}

// rangedContent is what can be served from any offset: a file, or an archive.
// Limit says how much will be read from here on, so that no more is fetched.
type rangedContent interface {
	io.ReadSeeker
	io.WriterTo
	Limit(n int64)
}

// content answers with a file's bytes, or a range of them.
func (c *call) content(content *transfer.Content) error {
	defer content.Close() //nolint:errcheck // it was only read
	h := c.w.Header()
	h.Set("Content-Type", safeType(content.File.Type))
	h.Set("Content-Disposition", attachment(content.File.Path))
	h.Set("Etag", content.ETag)
	return c.serveRange(content, content.File.TransferID, content.Modified)
}

// serveRange answers with all of the content or the range that was asked for.
// Several ranges at once get the whole: no client of ours asks for them, and
// each would cost requests to the store.
func (c *call) serveRange(content rangedContent, transferID string, modified time.Time) error {
	if rng := c.r.Header.Get("Range"); strings.Contains(rng, ",") || !strings.HasPrefix(rng, "bytes=") {
		c.r.Header.Del("Range")
	}
	c.w.Header().Set("Cache-Control", "private, no-store")
	out := &contentWriter{c: c, content: content, transferID: transferID}
	http.ServeContent(out, c.r, "", modified, content)
	return out.finish()
}

// contentWriter stands between http.ServeContent and the answer. It holds the
// status back until there is a first byte, so that a store that does not answer
// or a first segment that is damaged gets a problem and not a broken answer;
// and it learns how the copying ended, which ServeContent does not tell.
type contentWriter struct {
	c          *call
	content    rangedContent
	transferID string
	status     int
	err        error
}

func (w *contentWriter) Header() http.Header { return w.c.w.Header() }

// WriteHeader only notes the status.
func (w *contentWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write takes file content, and drops the texts with which ServeContent refuses
// a range.
func (w *contentWriter) Write(p []byte) (int, error) {
	if w.status >= http.StatusBadRequest {
		return len(p), nil
	}
	if !w.c.w.wrote {
		w.c.w.WriteHeader(w.status)
	}
	n, err := w.c.w.Write(p)
	if err != nil {
		w.c.w.gone = true
	}
	return n, err
}

// ReadFrom copies what ServeContent asks for: the content, limited to the range.
func (w *contentWriter) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok || limited.R != io.Reader(w.content) {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	release, err := w.c.carry(w.c.s.downloads, claim{transfer: w.transferID})
	if err != nil {
		w.err = err
		return 0, err
	}
	defer release()
	w.content.Limit(limited.N)
	n, err := w.content.WriteTo(struct{ io.Writer }{w})
	limited.N -= n
	if err == nil && limited.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	w.err = err
	return n, err
}

// finish ends the answer. An error after the first byte breaks the connection,
// so that the client does not take what it has for the whole.
func (w *contentWriter) finish() error {
	answer := w.c.w
	switch {
	case w.err != nil && answer.wrote:
		if o := w.c.s.observe.Broken; o != nil {
			o(answer.route, answer.gone)
		}
		answer.cause = w.err
		abort()
		return nil
	case w.err != nil:
		return w.err
	case w.status == http.StatusRequestedRangeNotSatisfiable:
		return errRange
	case w.status == http.StatusPreconditionFailed:
		return errPrecondition
	case w.status >= http.StatusBadRequest:
		return errors.New("file content could not be served")
	case !answer.wrote:
		answer.WriteHeader(w.status)
	}
	return nil
}

// carry takes what a request with a large body, in either direction, needs: a
// connection of those that may have one, and a slot.
func (c *call) carry(from *slots, of claim) (release func(), err error) {
	of.address = account.AddressSubject(c.from)
	leave, err := c.s.enterBody()
	if err != nil {
		return nil, err
	}
	free, err := from.acquire(c.r.Context(), of)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { free(); leave() }, nil
}

// enterBody keeps a quarter of all connections free of large bodies.
func (s *Server) enterBody() (leave func(), err error) {
	if s.bodies.Add(1) > int64(max(1, s.limits.MaxConns*3/4)) {
		s.bodies.Add(-1)
		return nil, errBusy
	}
	return func() { s.bodies.Add(-1) }, nil
}
