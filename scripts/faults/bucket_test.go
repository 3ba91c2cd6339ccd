package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// badBucket stands before a bucket and now and then does what buckets do: it
// is busy, it fails, it breaks off in the midst of a body, it names a part's
// ETag wrongly, or it does what was asked and its answer gets lost.
type badBucket struct {
	book *book
	far  *url.URL
	near *httptest.Server
	http *http.Transport
	ill  atomic.Bool // misbehaves
	all  []sickness  // in which ways

	outright atomic.Value // the sickness of every request; healthy: of none

	mu      sync.Mutex
	random  *rand.Rand
	uploads map[string]*sync.RWMutex
}

func newBadBucket(t *testing.T, b *book, far string, random *rand.Rand, all []sickness) *badBucket {
	t.Helper()
	u, err := url.Parse(far)
	if err != nil {
		t.Fatal(err)
	}
	p := &badBucket{book: b, far: u, random: random, all: all, uploads: map[string]*sync.RWMutex{}, http: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 64, MaxIdleConns: 64, DialContext: dialToReset,
	}}
	p.outright.Store(healthy)
	p.near = httptest.NewServer(p)
	t.Cleanup(func() {
		p.near.CloseClientConnections()
		p.near.Close()
		p.http.CloseIdleConnections()
	})
	return p
}

// dialToReset makes connections whose close is a reset: the bucket's server takes
// a body that ends too early in good order for the whole of it, which S3 does not.
func dialToReset(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetLinger(0)
}

// wait lets the end of an upload, and nothing else of it, happen alone, as S3
// has it. The server behind here loses parts for good that arrive while it ends
// one, or puts into the object a part that came after it had compared ETags.
func (p *badBucket) wait(r *http.Request) (done func()) {
	id := r.URL.Query().Get("uploadId")
	if id == "" {
		return func() {}
	}
	p.mu.Lock()
	turn := p.uploads[id]
	if turn == nil {
		turn = new(sync.RWMutex)
		p.uploads[id] = turn
	}
	p.mu.Unlock()
	if r.Method == http.MethodPost || r.Method == http.MethodDelete {
		turn.Lock()
		return turn.Unlock
	}
	turn.RLock()
	return turn.RUnlock
}

// sickness is what happens to one request.
type sickness string

const (
	healthy     sickness = ""
	busy        sickness = "answers 503"
	failing     sickness = "answers 500"
	halfRequest sickness = "takes half a body"
	halfAnswer  sickness = "sends half a body"
	lostAnswer  sickness = "loses an answer"
	wrongETag   sickness = "names a wrong ETag"
	denied      sickness = "answers 403"
	silent      sickness = "does not answer"
)

// sicknesses are those of any bucket.
func sicknesses() []sickness {
	return []sickness{busy, failing, halfRequest, halfAnswer, lostAnswer, wrongETag}
}

// draw decides about a request; about one in ten goes wrong.
func (p *badBucket) draw(r *http.Request) sickness {
	if s := p.outright.Load().(sickness); s != healthy {
		return s
	}
	if !p.ill.Load() {
		return healthy
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := healthy
	if n := p.random.IntN(10 * len(p.all)); n < len(p.all) {
		s = p.all[n]
	}
	if s == wrongETag && !(r.Method == http.MethodPut && r.URL.Query().Has("partNumber")) ||
		s == halfRequest && r.ContentLength <= 0 {
		s = healthy
	}
	if s != healthy {
		p.book.fault("bucket " + string(s))
	}
	return s
}

var errHalf = errors.New("the line broke in the midst of the body")

// halfReader breaks off in the midst of what it reads.
type halfReader struct {
	io.ReadCloser
	left int64
}

func (h *halfReader) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, errHalf
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

func (p *badBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := p.draw(r)
	switch s {
	case busy:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case failing:
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	case denied:
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	case silent:
		sayNothing(r)
		panic(http.ErrAbortHandler)
	case halfRequest:
		r.Body = &halfReader{r.Body, r.ContentLength / 2}
	}
	defer p.wait(r)()
	resp, err := p.forward(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = resp.Body.Close() }()
	if s == lostAnswer {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the step is done
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	if s == wrongETag && resp.StatusCode == http.StatusOK {
		w.Header().Set("ETag", `"00000000000000000000000000000000"`)
	}
	w.WriteHeader(resp.StatusCode)
	from := io.Reader(resp.Body)
	if s == halfAnswer {
		from = &halfReader{resp.Body, max(resp.ContentLength, 2) / 2}
	}
	if _, err := io.Copy(w, from); err != nil {
		panic(http.ErrAbortHandler)
	}
	if s == halfAnswer && resp.ContentLength <= 0 { // an answer without a body has its header cut
		panic(http.ErrAbortHandler)
	}
}

// sayNothing waits until who asked gives up. What it sends is taken, since only
// then its giving up is seen.
func sayNothing(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// forward sends the request as it came: its signature covers host and headers.
// One that arrived whole is waited for also when who sent it has gone, since the
// server behind goes on with it, and wait must know until when.
func (p *badBucket) forward(r *http.Request) (*http.Response, error) {
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.URL.Scheme, out.URL.Host = p.far.Scheme, p.far.Host
	out.RequestURI = ""
	return p.http.RoundTrip(out)
}

func refuse(w http.ResponseWriter, status int, code string) {
	text := fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message></Error>", code, http.StatusText(status))
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.Copy(w, bytes.NewReader([]byte(text)))
}
