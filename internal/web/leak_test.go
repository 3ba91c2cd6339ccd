package web

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// private are what the log must never hold, beside what things has: names,
// addresses, words and codes that come in with requests.
var private = []string{
	"private-name", "private-slug", "private-title", "private-word", "private@example.com", "private-token", "WRNG-C0DE", "7f3kprivate",
}

// secrets are those, and all that a studio's things are guarded by.
func (e *env) secrets(th things, login api.LoginCode) []string {
	code := th.done.Share.Code
	return append([]string{
		th.sent.token, th.UploadToken, th.open.UploadToken, th.fetch, th.session, e.studio, code, strings.ReplaceAll(code, "-", ""), login.Code,
	}, private...)
}

// asksEverything makes a call on every route with secrets in every place that
// takes one, whatever it answers.
func (e *env) asksEverything(th things, login api.LoginCode) {
	e.t.Helper()
	tokens := map[account.SecretKind]string{account.SecretUpload: th.open.UploadToken, account.SecretAPI: e.studio,
		account.SecretFetch: th.fetch, account.SecretSession: th.session}
	for _, rt := range routes() {
		if rt.method == "" || strings.HasPrefix(rt.pattern, "/static") || strings.HasSuffix(rt.pattern, "/events/stream") || rt.pattern == "/api/v1/me" && rt.method == "DELETE" {
			continue
		}
		path := th.path(rt.pattern)
		if strings.Contains(rt.pattern, "{$}") {
			path = "/"
		}
		kinds := append([]account.SecretKind{""}, rt.tokens...)
		for _, kind := range kinds {
			for _, body := range privateBodies(rt, login) {
				e.attempt(rt.method, path, tokens[kind], body)
				if strings.Contains(path, "/u/wedding") {
					e.attempt(rt.method, strings.Replace(path, "wedding", "private-slug", 1), tokens[kind], body)
				}
			}
		}
	}
}

// attempt sends a request whose answer may end in the midst of it.
func (e *env) attempt(method, path, token string, body any) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), drainFor)
	defer cancel()
	resp, err := e.client.Do(e.request(method, path, token, body).WithContext(ctx))
	if err == nil {
		_ = resp.Body.Close()
	}
}

// privateBodies are bodies of a route with what nobody else should read.
func privateBodies(rt route, login api.LoginCode) []any {
	switch rt.request.(type) {
	case api.Start:
		return []any{api.Start{SenderEmail: "private@example.com", SenderName: "private-name", Message: "private-word", Password: "private-word"}}
	case api.Declare:
		return []any{api.Declare{Files: []api.NewFile{{Path: "private-name/a.jpg", Size: 1}}}, api.Declare{Files: []api.NewFile{{Path: "../private-name", Size: 1}}}}
	case api.NewToken:
		return []any{api.NewToken{Name: "private-token"}}
	case api.NewLink:
		return []any{api.NewLink{Slug: "private-slug", Title: "private-title", Password: "private-word"}, api.NewLink{Slug: "private-slug!"}}
	case api.NewShare:
		return []any{api.NewShare{Code: "7f3kprivate", Recipients: []string{"private@example.com"}}}
	case api.Unlock:
		return []any{api.Unlock{Code: "WRNG-C0DE"}}
	case api.Login:
		return []any{api.Login{Email: "private@example.com"}, api.Login{Email: "studio@example.com"}}
	case api.LoginCode:
		return []any{api.LoginCode{LoginID: login.LoginID, Code: "00000000"}, login}
	}
	return []any{bodyOf(rt), `{"private-name":"private-word"`}
}

// TestLogTellsNoSecretOfFailures has everything fail in turn that a request can
// fail of, and reads what was logged.
func TestLogTellsNoSecretOfFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store broke")
	for name, fails := range map[string]func(e *env, th things){
		"refusals":       func(*env, things) {},
		"storage":        func(e *env, _ things) { e.fault.set(func(blob.Op, blob.When) error { return broken }) },
		"a full storage": func(e *env, _ things) { e.fault.set(func(blob.Op, blob.When) error { return blob.ErrFull }) },
		"damage": func(e *env, th things) {
			e.must(e.store.Delete(e.t.Context(), e.keyOf(th.sent.file.ID)))
		},
		"tables": func(e *env, _ things) {
			for _, table := range []string{"files", "links", "shares", "events", "tries", "logins"} {
				e.executes(fmt.Sprintf("ALTER TABLE %s RENAME TO %s_gone", table, table))
			}
		},
		"the database": func(e *env, _ things) { e.must(e.db.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil)
			th := e.privateThings()
			login := e.login("studio@example.com")
			fails(e, th)
			e.asksEverything(th, login)
			log := e.log.String()
			for _, secret := range e.secrets(th, login) {
				for line := range strings.Lines(log) {
					if strings.Contains(line, secret) {
						t.Errorf("the log holds %s: %s", secret, line)
						break
					}
				}
			}
			if failed := strings.Count(log, " error="); name != "refusals" && failed == 0 {
				t.Errorf("nothing failed:\n%s", log)
			}
		})
	}
}

// privateThings are things whose names nobody else should read.
func (e *env) privateThings() things {
	e.t.Helper()
	th := e.things()
	th.sent = e.send("private-name.jpg", []byte("private-word"))
	th.fetch = e.unlockShare(th.sent).AccessToken
	th.file = e.declareFile(th.open, "private-name/open.jpg", 4)
	_, err := e.transfers.CreateLink(e.t.Context(), e.account.ID, transfer.LinkFields{Slug: "private-slug", Title: "private-title", Password: "private-word"}, transfer.Client{})
	e.must(err)
	return th
}

// executes runs a statement behind the program's back.
func (e *env) executes(statement string) {
	e.t.Helper()
	e.must(e.db.InTx(e.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	}))
}

// keyOf is where a stored file lies.
func (e *env) keyOf(file string) (key string) {
	e.t.Helper()
	e.must(e.db.QueryRowContext(e.t.Context(), `SELECT blob_key FROM files WHERE id = $1`, file).Scan(&key))
	return key
}
