package web

import (
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// exhausts holds n connections of the pool in open transactions until release.
func (e *env) exhausts(n int) (release func()) {
	e.t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	ended := make(chan error, n)
	for range n {
		go func() {
			ended <- e.db.InTx(e.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
					return err
				}
				held <- struct{}{}
				<-free
				return nil
			})
		}()
		select {
		case <-held:
		case err := <-ended:
			e.t.Fatalf("no transaction was opened: %v", err)
		}
	}
	return func() {
		e.t.Helper()
		close(free)
		for range n {
			e.must(<-ended)
		}
	}
}

// With every connection to the database held, a request waits db.acquire_timeout
// for one and is told to come again; /readyz names the database. When they are
// free again all goes on by itself, and nothing of what was refused is there.
func TestExhaustedPool(t *testing.T) {
	t.Parallel()
	at := testenv.Database(t, db.EnginePostgres)
	at.MaxConns, at.AcquireTimeout = 2, 500*time.Millisecond
	var e *env
	e = newEnvAt(t, at, nil, func(o *Options) {
		o.MailEvents = MailEvents{Secret: eventSecret, Take: func(ctx context.Context, _ string, _ http.Header, _ []byte) error {
			return e.db.InTx(ctx, func(context.Context, *sql.Tx) error { return nil })
		}}
		o.Checks = []Check{
			{Name: "database", Run: func(ctx context.Context) error { return e.db.Ping(ctx) }},
			{Name: "bucket", Run: func(ctx context.Context) error { return e.store.Check(ctx) }},
		}
	})
	st := e.start()
	f := e.declareFile(st, "a.raw", 4)
	part := "/api/v1/files/" + f.ID + "/parts/1"
	ask[api.Readiness](e, 200, "GET", "/readyz", "", nil)

	release := e.exhausts(at.MaxConns)
	e.clock.advance(goodFor + time.Second) // the good look is too old
	r := ask[api.Readiness](e, 503, "GET", "/readyz", "", nil)
	if r.Status != "unready" || r.Parts["database"].OK || !r.Parts["bucket"].OK {
		t.Errorf("ready while no connection is free: %+v", r)
	}
	for _, call := range []struct {
		method, path, token string
		body                any
	}{
		{"GET", "/api/v1/u/wedding", "", nil},
		{"GET", "/api/v1/transfers/" + st.ID, st.UploadToken, nil},
		{"POST", "/api/v1/transfers/" + st.ID + "/files", st.UploadToken, api.Declare{Files: []api.NewFile{{Path: "b.raw", Size: 4}}}},
		{"PUT", part, st.UploadToken, []byte("abcd")},
	} {
		began := time.Now()
		e.wantProblem(api.DatabaseUnavailable, call.method, call.path, call.token, call.body)
		if took := time.Since(began); took < at.AcquireTimeout || took > at.AcquireTimeout+10*time.Second {
			t.Errorf("%s %s was refused after %v", call.method, call.path, took)
		}
	}
	if r := e.do("POST", "/api/v1/mail/events/brevo", eventSecret, "[]"); r.StatusCode != 429 || r.Header.Get("Retry-After") == "" {
		t.Errorf("mail events: %d %v", r.StatusCode, r.Header)
	}
	if page := e.do("GET", "/u/wedding", "", nil, "Accept", "text/html"); page.StatusCode != 503 || page.Header.Get("Retry-After") == "" {
		t.Errorf("the page: %d %v", page.StatusCode, page.Header)
	}

	release()
	e.clock.advance(badFor + time.Second)
	ask[api.Readiness](e, 200, "GET", "/readyz", "", nil)
	ask[api.LinkView](e, 200, "GET", "/api/v1/u/wedding", "", nil)
	e.put(st, f, []byte("abcd"))
	ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/complete", st.UploadToken, "{}")
}
