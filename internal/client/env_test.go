package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/seal"
	"github.com/lenzeye/lenzeye/internal/testenv"
	"github.com/lenzeye/lenzeye/internal/transfer"
	"github.com/lenzeye/lenzeye/internal/web"
)

// env is a whole server over SQLite and memory, behind a proxy that a test can
// make fail.
type env struct {
	t      *testing.T
	server string // its own address
	base   string // the proxy's
	studio string // an API token

	mu    sync.Mutex
	fault func(http.ResponseWriter, *http.Request) (next func(http.ResponseWriter) http.ResponseWriter)
	calls []string // method and path of what reached the proxy
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t}
	ring, err := seal.ParseRing("1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	e.must(err)
	words, err := catalog.Load()
	e.must(err)
	log := slog.New(slog.DiscardHandler)
	d := testenv.Open(t, testenv.Database(t, db.EngineSQLite))
	accounts := account.New(account.Options{
		DB: d, Now: time.Now, Log: log,
		Ring: func(context.Context, uint32) (*seal.Ring, error) { return ring, nil },
	})
	outbox, err := mail.New(mail.Options{
		DB: d, Catalog: words, From: "noreply@example.com", Now: time.Now, Log: log,
		Send: func(context.Context, mail.Envelope) error { return nil },
		Seal: accounts.SealSecret, Open: accounts.OpenSecret,
	})
	e.must(err)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	e.must(err)
	e.server = "http://" + l.Addr().String()
	transfers := transfer.New(transfer.Options{
		DB: d, Blobs: blob.OpenMem(blob.MemOptions{}), Accounts: accounts, Mail: outbox,
		Settings: transfer.Settings{PublicURL: e.server}, Now: time.Now, Log: log,
	})
	server, err := web.New(web.Options{
		Transfers: transfers, Accounts: accounts, Catalog: words, PublicURL: e.server,
		SignIn: account.NewSignIn(account.SignInOptions{Accounts: accounts, Mail: outbox, PublicURL: e.server}), Log: log, Now: time.Now,
		Build: api.Version{Version: "test", Go: "go"}, Metrics: http.NotFoundHandler(),
	})
	e.must(err)
	a, err := accounts.Create(t.Context(), account.NewAccount{Email: "studio@example.com", Name: "Studio"})
	e.must(err)
	_, e.studio, err = accounts.CreateToken(t.Context(), a.ID, "test", nil, account.Origin{})
	e.must(err)
	_, err = transfers.CreateLink(t.Context(), a.ID, transfer.LinkFields{Slug: "wedding", Title: "Wedding"}, transfer.Client{})
	e.must(err)
	e.serve(server, l)
	return e
}

func (e *env) serve(server *web.Server, l net.Listener) {
	ctx, stop := context.WithCancel(context.WithoutCancel(e.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l, time.Second) }()
	target, err := url.Parse(e.server)
	e.must(err)
	forward := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.calls = append(e.calls, r.Method+" "+r.URL.Path)
		fault := e.fault
		e.mu.Unlock()
		if fault != nil {
			wrap := fault(w, r)
			if wrap == nil {
				return
			}
			w = wrap(w)
		}
		forward.ServeHTTP(w, r)
	}))
	proxy.Config.ErrorLog = forward.ErrorLog
	proxy.Start()
	e.base = proxy.URL
	e.t.Cleanup(func() {
		proxy.Close()
		stop()
		if err := <-ended; err != nil {
			e.t.Errorf("serve: %v", err)
		}
	})
}

// setFault makes the proxy fail from now on; nil heals it. A fault that returns nil
// has answered; what it returns otherwise stands before the answer.
func (e *env) setFault(fault func(http.ResponseWriter, *http.Request) func(http.ResponseWriter) http.ResponseWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = fault
}

// count tells how often a call reached the proxy since the last count of all.
func (e *env) count(matches func(call string) bool) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		if matches(c) {
			n++
		}
	}
	return n
}

func (e *env) forgetCalls() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = nil
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) client(o client.Options) *client.Client {
	e.t.Helper()
	c, err := client.New(e.base, o)
	e.must(err)
	return c
}

// start begins a transfer.
func (e *env) start(c *client.Client) *client.Upload {
	e.t.Helper()
	key, err := client.NewKey(nil)
	e.must(err)
	st, err := c.Start(e.t.Context(), "wedding", key, api.Start{SenderEmail: "anna@example.com"})
	e.must(err)
	return c.Upload(st.ID, st.UploadToken)
}

// open unlocks the share of a complete transfer.
func (e *env) open(c *client.Client, done api.Completed) *client.Share {
	e.t.Helper()
	_, token, err := client.ParseShare(done.Share.URL)
	e.must(err)
	s := c.Share(token, "")
	e.must(s.Unlock(e.t.Context(), done.Share.Code))
	return s
}

// view reads the whole list of a share.
func view(ctx context.Context, s *client.Share) (api.ShareView, error) {
	var files []api.SharedFile
	v, err := s.List(ctx, func(f api.SharedFile) error {
		files = append(files, f)
		return nil
	})
	v.Files = files
	return v, err
}

// name names all files of a list.
func name(files []api.SharedFile) (all []client.Wanted) {
	var naming client.Naming
	for _, f := range files {
		all = append(all, naming.Name(f))
	}
	return all
}

// folder is a folder of files of a test.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

// folderWith is a folder with files of these texts.
func folderWith(t *testing.T, texts map[string]string) folder {
	t.Helper()
	f := newFolder(t)
	for name, text := range texts {
		f.write(name, []byte(text))
	}
	return f
}

func (f folder) write(name string, body []byte) *client.Source {
	f.t.Helper()
	at := filepath.Join(f.dir, filepath.FromSlash(name))
	for _, err := range []error{os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, body, 0o644)} {
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return f.source(name)
}

// source looks at a file as a walk would.
func (f folder) source(name string) *client.Source {
	f.t.Helper()
	at := filepath.Join(f.dir, filepath.FromSlash(name))
	info, err := os.Stat(at)
	if err != nil {
		f.t.Fatal(err)
	}
	return &client.Source{Path: name, Size: info.Size(), Modified: info.ModTime(),
		Open: func(string) (*os.File, error) { return os.Open(at) }}
}

func (f folder) read(name string) []byte {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(name)))
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// names are those of what is in the folder.
func (f folder) names() (names []string) {
	f.t.Helper()
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (f folder) root() *os.Root {
	f.t.Helper()
	r, err := os.OpenRoot(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = r.Close() })
	return r
}

// pattern is n bytes that repeat nowhere near, and differ by seed.
func pattern(n int, seed uint32) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte(bytes.Repeat(binary.LittleEndian.AppendUint32(nil, seed), 8))).Read(out) // never fails
	return out
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, status int, code api.Code, header ...string) {
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Problem{Status: status, Code: code}) // the client may be gone
}

// lost swallows an answer: the server did it and nobody hears.
type lost struct{ http.ResponseWriter }

func (lost) WriteHeader(int) { panic(http.ErrAbortHandler) }

// cut lets only so many bytes of an answer through.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}
