package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/seal"
	"github.com/lenzeye/lenzeye/internal/testenv"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// env is a whole server, listening on loopback, over SQLite and memory if a test
// does not say otherwise.
type env struct {
	*Server
	t      *testing.T
	base   string
	client *http.Client
	clock  *clock
	fault  *fault
	store  *blob.Store
	db     *db.DB
	dbPath string
	log    *logBuffer
	mails  *mailbox
	// document is held to every JSON answer that do gets.
	document *documented

	studio, other     string // API tokens of two accounts
	account, otherAcc account.Account
	link              transfer.Link
	stop              context.CancelFunc // begins to drain
	ended             chan struct{}      // Serve has returned
	serveErr          error              // what it returned
}

// drainFor is how long servers of tests drain.
const drainFor = 5 * time.Second

const testRing = "1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// newEnv makes a server; change may alter its options.
func newEnv(t *testing.T, change func(*Options)) *env {
	t.Helper()
	return newEnvOver(t, nil, change)
}

// newEnvOver makes a server over a store, or one in memory that can fail if nil.
func newEnvOver(t *testing.T, store *blob.Store, change func(*Options)) *env {
	t.Helper()
	return newEnvAt(t, testenv.Database(t, db.EngineSQLite), store, change)
}

// newEnvAt is the same with a database of the test's choice.
func newEnvAt(t *testing.T, at db.Options, store *blob.Store, change func(*Options)) *env {
	t.Helper()
	e := &env{t: t, clock: &clock{now: time.Now().UTC().Truncate(time.Millisecond)}, fault: &fault{}, log: &logBuffer{}, mails: &mailbox{}}
	ring, err := seal.ParseRing(testRing)
	e.must(err)
	words, err := catalog.Load()
	e.must(err)
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := testenv.Open(t, at)
	e.db, e.dbPath = d, at.Path
	accounts := account.New(account.Options{
		DB: d, Now: e.clock.time, Log: log,
		Ring: func(context.Context, uint32) (*seal.Ring, error) { return ring, nil },
	})
	outbox, err := mail.New(mail.Options{
		DB: d, Catalog: words, From: "noreply@example.com", Now: e.clock.time, Log: log,
		Send: e.mails.send,
		Seal: accounts.SealSecret, Open: accounts.OpenSecret,
	})
	e.must(err)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	e.must(err)
	e.base = "http://" + l.Addr().String()
	if e.store = store; store == nil {
		e.store = blob.OpenMem(blob.MemOptions{}).WithFaults(e.fault.strike)
	}
	transfers := transfer.New(transfer.Options{
		DB: d, Blobs: e.store, Accounts: accounts, Mail: outbox,
		Settings: transfer.Settings{PublicURL: e.base}, Now: e.clock.time, Log: log,
	})
	signIn := account.NewSignIn(account.SignInOptions{Accounts: accounts, Mail: outbox, PublicURL: e.base, Hint: e.mails.hint})
	e.mails.jobs = append(signIn.Jobs(), outbox.Jobs()...)
	o := Options{
		Transfers: transfers, Accounts: accounts, SignIn: signIn, Catalog: words, PublicURL: e.base, Log: log, Now: e.clock.time,
		Build: api.Version{Version: "test", Go: "go"}, Metrics: http.NotFoundHandler(),
	}
	if change != nil {
		change(&o)
	}
	e.Server, err = New(o)
	e.must(err)
	e.document = newDocumented(t, e.openAPI)
	e.seed()
	e.serve(l, drainFor)
	return e
}

// seed makes two studios and a link of the first.
func (e *env) seed() {
	ctx := e.t.Context()
	var err error
	e.account, err = e.accounts.Create(ctx, account.NewAccount{Email: "studio@example.com", Name: "Studio"})
	e.must(err)
	e.otherAcc, err = e.accounts.Create(ctx, account.NewAccount{Email: "other@example.com", Name: "Other"})
	e.must(err)
	_, e.studio, err = e.accounts.CreateToken(ctx, e.account.ID, "test", nil, account.Origin{})
	e.must(err)
	_, e.other, err = e.accounts.CreateToken(ctx, e.otherAcc.ID, "test", nil, account.Origin{})
	e.must(err)
	e.link, err = e.Server.transfers.CreateLink(ctx, e.account.ID, transfer.LinkFields{Slug: "wedding", Title: "Wedding"}, transfer.Client{})
	e.must(err)
}

func (e *env) serve(l net.Listener, drain time.Duration) {
	ctx, stop := context.WithCancel(context.WithoutCancel(e.t.Context()))
	e.stop, e.ended = stop, make(chan struct{})
	e.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	go func() {
		defer close(e.ended)
		e.serveErr = e.Serve(ctx, l, drain)
	}()
	e.t.Cleanup(func() {
		e.client.CloseIdleConnections()
		stop()
		<-e.ended
	})
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

// problem reads the answer as one, and holds it to what every problem has.
func (a answer) problem(t *testing.T) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(a.body, &p); err != nil || a.Header.Get("Content-Type") != api.ProblemType {
		t.Fatalf("%d is no problem: %s %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	if p.Status != a.StatusCode || p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") || p.Title == "" {
		t.Errorf("problem %+v of answer %d %v", p, a.StatusCode, a.Header)
	}
	waits := p.Status == 503 || p.Status == 507 || p.Status == 429
	if waits && a.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s without Retry-After", p.Status, p.Code)
	}
	return p
}

// do sends a request. body is nil, a string or []byte as it is, or JSON. What
// follows are names and values of headers.
func (e *env) do(method, path, token string, body any, headers ...string) answer {
	e.t.Helper()
	req := e.request(method, path, token, body, headers...)
	resp, err := e.client.Do(req)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	e.document.check(e.t, req, resp, got)
	return answer{resp, got}
}

func (e *env) request(method, path, token string, body any, headers ...string) *http.Request {
	e.t.Helper()
	var r io.Reader
	media := ""
	switch b := body.(type) {
	case nil:
	case string:
		r, media = strings.NewReader(b), "application/json"
	case []byte:
		r, media = bytes.NewReader(b), octets
	default:
		raw, err := json.Marshal(b)
		e.must(err)
		r, media = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.base+path, r)
	e.must(err)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	return req
}

// ask sends a request that has to succeed and reads its JSON.
func ask[T any](e *env, status int, method, path, token string, body any) T {
	e.t.Helper()
	a := e.do(method, path, token, body)
	var v T
	if a.StatusCode != status {
		e.t.Fatalf("%s %s: %d %s, want %d", method, path, a.StatusCode, a.body, status)
	}
	e.must(json.Unmarshal(a.body, &v))
	return v
}

// wantProblem sends a request that has to fail.
func (e *env) wantProblem(code api.Code, method, path, token string, body any, headers ...string) api.Problem {
	e.t.Helper()
	a := e.do(method, path, token, body, headers...)
	p := a.problem(e.t)
	if p.Code != code {
		e.t.Errorf("%s %s: %d %s %q, want %s", method, path, p.Status, p.Code, p.Detail, code)
	}
	return p
}

// start begins a transfer on the link.
func (e *env) start() api.Started {
	e.t.Helper()
	return ask[api.Started](e, 201, "POST", "/api/v1/u/wedding/transfers", "", api.Start{SenderEmail: "anna@example.com"})
}

// declareFile declares one file.
func (e *env) declareFile(st api.Started, path string, size int) api.File {
	e.t.Helper()
	d := ask[api.Declared](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/files", st.UploadToken,
		api.Declare{Files: []api.NewFile{{Path: path, Size: api.Size(size), Type: "image/jpeg"}}})
	return d.Files[0].File
}

// put sends part 1 of a file.
func (e *env) put(st api.Started, f api.File, body []byte) api.Receipt {
	e.t.Helper()
	return ask[api.Receipt](e, 200, "PUT", "/api/v1/files/"+f.ID+"/parts/1", st.UploadToken, body)
}

// sent is a complete transfer of one file.
type sent struct {
	api.Started
	file  api.File
	body  []byte
	done  api.Completed
	token string // of the share
}

func (e *env) send(path string, body []byte) sent {
	e.t.Helper()
	s := sent{Started: e.start(), body: body}
	s.file = e.declareFile(s.Started, path, len(body))
	if len(body) > 0 {
		e.put(s.Started, s.file, body)
	}
	s.done = ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+s.ID+"/complete", s.UploadToken, "{}")
	s.token = strings.TrimPrefix(s.done.Share.URL, e.base+"/d/")
	return s
}

func (e *env) unlockShare(s sent) api.Unlocked {
	e.t.Helper()
	return ask[api.Unlocked](e, 200, "POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{Code: s.done.Share.Code})
}

// pattern is n bytes that repeat nowhere near.
func pattern(n int) []byte {
	out := make([]byte, n)
	x := uint32(12345)
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fault makes the store fail where a test says so.
type fault struct {
	mu sync.Mutex
	fn func(blob.Op, blob.When) error
}

func (f *fault) set(fn func(blob.Op, blob.When) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fn = fn
}

func (f *fault) strike(op blob.Op, when blob.When) error {
	f.mu.Lock()
	fn := f.fn
	f.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn(op, when)
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
