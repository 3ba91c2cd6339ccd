package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// refusal is a call and what the interface says it gets.
type refusal struct {
	name   string
	call   call
	status int
	code   string
	fields []string // that the problem carries
}

// refuse sends the call of a row once and compares. It returns the body.
func refuse(ctx context.Context, t *testing.T, a *agent, r refusal) map[string]any {
	t.Helper()
	got, err := a.once(ctx, r.call)
	if err != nil {
		t.Errorf("%s: %v", r.name, err)
		return nil
	}
	var body map[string]any
	_ = json.Unmarshal(got.body, &body) // empty answers have none
	if got.status != r.status || r.code != "" && body["code"] != r.code {
		t.Errorf("%s: %s %s %.200s answered %s, want %d %s", r.name, r.call.method, r.call.path, r.call.body, got, r.status, r.code)
		return body
	}
	for _, field := range r.fields {
		if _, ok := body[field]; !ok {
			t.Errorf("%s: %s %s answered %s, without %s", r.name, r.call.method, r.call.path, got, field)
		}
	}
	return body
}

// stage is a server with two studios and things in every state that a client
// can bring about.
type stage struct {
	agent     *agent
	server    *server
	api, them string // API tokens of the studio and of another

	open, half, done, gone *sender // no file yet; two files, one part; complete; deleted by the studio
	share                  string  // of done: /api/v1/d/{token}
	code                   string
	fetch, cookieName      string // a live fetch token
	lastShare              string
}

func refusals(t *testing.T, bin string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := startServer(ctx, t, bin, "APP_ACCOUNT_QUOTA=60MiB", "APP_HTTP_TRUSTED_PROXIES=127.0.0.1/32")
	st := newStage(ctx, t, s)
	for _, rows := range [][]refusal{
		st.conventions(), st.linkRows(ctx, t), st.starts(), st.paths(), st.declares(), st.parts(), st.ends(), st.downloads(),
	} {
		for _, r := range rows {
			refuse(ctx, t, st.agent, r)
		}
	}
	st.strangers(ctx, t)
	st.quota(ctx, t)
	st.files(ctx, t)
	st.shares(ctx, t)
	st.tries(ctx, t)
}

func newStage(ctx context.Context, t *testing.T, s *server) *stage {
	t.Helper()
	st := &stage{agent: newAgent(s), server: s}
	st.api = s.seed(ctx, t, "studio@example.com", "demo").APIToken
	st.them = s.seed(ctx, t, "other@example.com", "other").APIToken
	file := func(path string, size int) *outFile {
		return &outFile{path: path, modified: "2026-06-14T00:00:00.000Z", data: bytes.Repeat([]byte(path), size/len(path)+1)[:size]}
	}
	begin := func(key string, files ...*outFile) *sender {
		g := &sender{agent: st.agent, slug: "demo", key: []byte(fmt.Sprintf("%-32s", key)), files: files, acked: map[partOf]string{}}
		must(t, "start", g.start(ctx))
		must(t, "declare", g.declare(ctx))
		return g
	}
	st.open = begin("open")
	st.half = begin("half", file("a.jpg", 11<<20), file("dir/b.jpg", 9))
	must(t, "part", st.half.send(ctx, []partOf{{st.half.files[0], 2, 10 << 20}}))
	st.gone = begin("gone", file("c.jpg", 9))
	refuse(ctx, t, st.agent, refusal{"delete", call{method: http.MethodDelete, path: "/api/v1/transfers/" + st.gone.id, token: st.api}, 204, "", nil})
	st.done = begin("done", file("d.jpg", 5000), file("e.jpg", 70_000))
	must(t, "parts", st.done.send(ctx, []partOf{{st.done.files[0], 1, 10 << 20}, {st.done.files[1], 1, 10 << 20}}))
	ended, err := st.done.complete(ctx)
	must(t, "complete", err)
	st.share, st.code = "/api/v1"+strings.TrimPrefix(ended.Share.URL, st.agent.base), ended.Share.Code
	f := &fetcher{agent: st.agent, path: st.share}
	must(t, "unlock", f.unlock(ctx, st.code))
	st.fetch, st.cookieName = f.token, f.cookie
	return st
}

// link makes a link of the studio and gives its slug and id.
func (st *stage) link(ctx context.Context, t *testing.T, fields map[string]any) (slug, id string) {
	t.Helper()
	var l struct{ ID, Slug, State string }
	must(t, "make a link", want(ctx, st.agent, call{method: http.MethodPost, path: "/api/v1/links", token: st.api, body: asJSON(fields)}, http.StatusCreated, &l))
	return l.Slug, l.ID
}

// begin is the call that starts a transfer on a link.
func begin(slug, body string, header ...string) call {
	c := call{method: http.MethodPost, path: "/api/v1/u/" + slug + "/transfers", body: []byte(body), header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		c.header[header[i]] = header[i+1]
	}
	return c
}

const sender1 = `{"sender_email": "anna@example.com"}`

// conventions are what every call with a body refuses.
func (st *stage) conventions() []refusal {
	start := func(body string, header ...string) call { return begin("demo", body, header...) }
	field := []string{"field"}
	rows := []refusal{
		{"no content type", start(sender1, "Content-Type", ""), 415, "media_type_unsupported", nil},
		{"text", start(sender1, "Content-Type", "text/plain"), 415, "media_type_unsupported", nil},
		{"a form", start("a=b", "Content-Type", "application/x-www-form-urlencoded"), 415, "media_type_unsupported", nil},
		{"large", start(`{"message": "` + strings.Repeat("x", 64<<10) + `"}`), 413, "body_too_large", nil},
		{"larger declare", call{method: http.MethodPost, path: "/api/v1/transfers/" + st.open.id + "/files", token: st.open.token,
			body: []byte(`{"files": [{"path": "` + strings.Repeat("x", 4<<20) + `", "size": 1}]}`)}, 413, "body_too_large", nil},
		{"not JSON", start(`{"sender_email": `), 400, "json_invalid", nil}, // no field is to blame here and below
		{"not UTF-8", start("{\"sender_email\": \"a\xff@example.com\"}"), 400, "json_invalid", nil},
		{"not an object", start(`["anna@example.com"]`), 400, "json_invalid", nil},
		{"two bodies", start(sender1 + sender1), 400, "json_invalid", nil},
		{"unknown path", call{method: http.MethodGet, path: "/api/v1/nothing"}, 404, "", nil},
		{"unknown method", call{method: http.MethodPatch, path: "/api/v1/u/demo"}, 405, "", nil},
	}
	for name, body := range map[string]string{
		"a lone surrogate": `{"sender_email": "a@example.com", "message": "\ud800"}`, "another lone surrogate": `{"sender_email": "a@example.com", "message": "x\udc00x"}`,
		"wrong type": `{"sender_email": 7}`, "unknown field": `{"sender_email": "a@example.com", "sendr": 1}`,
		"repeated field": `{"sender_email": "a@example.com", "sender_email": "b@example.com"}`, "other case": `{"Sender_Email": "a@example.com"}`,
	} {
		rows = append(rows, refusal{name, start(body), 400, "json_invalid", field})
	}
	return rows
}

// starts are refused before there is a transfer.
func (st *stage) starts() []refusal {
	rows := []refusal{
		{"unknown link", begin("no-such-link", sender1), 404, "link_not_found", nil},
		{"unknown link's page", call{method: http.MethodGet, path: "/api/v1/u/no-such-link"}, 404, "link_not_found", nil},
		{"a link of no slug", call{method: http.MethodGet, path: "/api/v1/u/A%00B"}, 404, "link_not_found", nil},
		{"empty body", begin("demo", ""), 422, "email_invalid", nil},
	}
	for _, key := range []string{"short", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("A", 42) + "=", strings.Repeat("A", 42) + "+"} {
		rows = append(rows, refusal{"key " + key, begin("demo", sender1, "Idempotency-Key", key), 400, "idempotency_key_invalid", nil})
	}
	for _, mail := range []string{"", "anna", "@example.com", "anna@", "a b@example.com", "anna@example.com\r\nBcc: x@example.com", strings.Repeat("a", 400) + "@example.com"} {
		body := string(asJSON(map[string]string{"sender_email": mail}))
		rows = append(rows, refusal{"address " + mail, begin("demo", body), 422, "email_invalid", nil})
	}
	return rows
}
