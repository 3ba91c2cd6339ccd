package blob

import (
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// wire stands between a store and a real S3 server. It notes what passes and
// does what a network and a server in trouble do.
type wire struct {
	*httptest.Server
	options S3Options
	proxy   *httputil.ReverseProxy

	mu     sync.Mutex
	faults map[Op][]fault
	seen   []*http.Request
	ended  map[Op]chan struct{} // closed when the first request of its kind was dealt with
}

// fault deals with one request in place of the proxy.
type fault func(w http.ResponseWriter, r *http.Request, server http.Handler)

func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{options: s3Options(testenv.S3(t)), faults: map[Op][]fault{}, ended: map[Op]chan struct{}{}}
	w.proxy = newProxy(t, w.options.Endpoint)
	w.Server = httptest.NewUnstartedServer(w)
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(w.Server.Close)
	return w
}

func (w *wire) start() *wire {
	w.Start()
	w.options.Endpoint = w.URL
	return w
}

// newProxy passes requests on as they are signed, and a cut as a cut: a plain
// close would end a body that is too short as if it were whole.
func newProxy(t *testing.T, endpoint string) *httputil.ReverseProxy {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, DialContext: S3Options{ReadTimeout: defaultReadTimeout}.dialToReset(nil)}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host
		},
	}
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	op := opOf(r)
	serve, done := w.next(op, r)
	defer done()
	serve(rw, r, w.proxy)
}

// next notes the request and takes the fault that is due.
func (w *wire) next(op Op, r *http.Request) (serve fault, done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, r)
	serve = pass
	if due := w.faults[op]; len(due) > 0 {
		serve, w.faults[op] = due[0], due[1:]
	}
	ended := w.ended[op]
	delete(w.ended, op)
	return serve, func() {
		if ended != nil {
			close(ended)
		}
	}
}

// inject makes the next requests of one kind meet these faults.
func (w *wire) inject(op Op, faults ...fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[op] = faults
}

// end is closed when the next request of one kind has been dealt with.
func (w *wire) end(op Op) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[op] = make(chan struct{})
	return w.ended[op]
}

// requests are those of one kind so far.
func (w *wire) requests(op Op) []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var some []*http.Request
	for _, r := range w.seen {
		if opOf(r) == op {
			some = append(some, r)
		}
	}
	return some
}

// opOf names the step that a request is of.
func opOf(r *http.Request) Op {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return OpPutPart
	case r.Method == http.MethodPut:
		return OpPut
	case r.Method == http.MethodPost && q.Has("uploads"):
		return OpCreateUpload
	case r.Method == http.MethodPost:
		return OpComplete
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return OpAbort
	case r.Method == http.MethodDelete:
		return OpDelete
	case r.Method == http.MethodHead && len(r.URL.Path) < keyLen:
		return OpCheck
	case r.Method == http.MethodHead:
		return OpHead
	case q.Has("uploadId"):
		return OpParts
	case q.Has("uploads"):
		return OpUploads
	case q.Has("list-type"):
		return OpList
	}
	return OpRange
}

func pass(w http.ResponseWriter, r *http.Request, server http.Handler) { server.ServeHTTP(w, r) }

// lose does the step and cuts the answer.
func lose(_ http.ResponseWriter, r *http.Request, server http.Handler) {
	server.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// half does the step and cuts the answer's body in the middle.
func half(w http.ResponseWriter, r *http.Request, server http.Handler) {
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, r)
	body := answer.Body.Bytes()
	answer.Header().Set("Content-Length", strconv.Itoa(len(body)))
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body[:len(body)/2]) // what does not arrive is cut all the same
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// change does the step and changes the answer's headers.
func change(edit func(http.Header)) fault {
	return func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		edit(w.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that is gone is not our concern
	}
}

// refuse answers with an error and does nothing.
func refuse(status int, code string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, errorXML(code)) // a client that is gone is not our concern
	}
}

// doneBut does the step and answers with an error.
func doneBut(status int, code string) fault {
	return func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		server.ServeHTTP(httptest.NewRecorder(), r)
		refuse(status, code)(w, r, server)
	}
}

func errorXML(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>in other words</Message></Error>`
}

// fake is a store on a server that answers everything in one way.
func fake(t *testing.T, o S3Options, answer http.HandlerFunc) *Store {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	o.Bucket, o.Endpoint, o.Region, o.AccessKey, o.SecretKey = "bucket", server.URL, "us-east-1", "key", "hidden-words"
	if o.Attempts == 0 {
		o.Attempts = 1
	}
	return openTestBucket(t, o)
}

// dialed is the bucket behind a store, for what options do not reach.
func dialed(s *Store) *bucket { return s.objects.(*bucket) }
