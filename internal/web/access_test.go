package web

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

// things are what one studio has, for the places in paths.
type things struct {
	sent
	open  api.Started // a transfer that is receiving
	file  api.File    // of open
	link  string
	share string
	token string // id of an API token
	fetch string

	session, sessionID string // of the studio
}

func (e *env) things() things {
	e.t.Helper()
	th := things{sent: e.send("done.jpg", []byte("done")), open: e.start(), link: e.link.ID}
	th.file = e.declareFile(th.open, "open.jpg", 4)
	th.fetch = e.unlockShare(th.sent).AccessToken
	th.share = th.done.Share.ID
	th.token = ask[api.Tokens](e, 200, "GET", "/api/v1/tokens", e.studio, nil).Tokens[0].ID
	th.sessionID, th.session = e.newSession(e.account.ID)
	return th
}

// path fills a pattern with a studio's things; open takes those of the transfer
// that is receiving.
func (th things) path(pattern string) string {
	id := map[string]string{"links": th.link, "shares": th.share, "tokens": th.token, "sessions": th.sessionID, "transfers": th.open.ID, "files": th.file.ID}
	parts := strings.Split(pattern, "/")
	if strings.HasSuffix(pattern, "/shares") || strings.HasSuffix(pattern, "/restore") || strings.HasPrefix(pattern, "/api/v1/d/") {
		id["transfers"], id["files"] = th.ID, th.sent.file.ID
	}
	if strings.HasSuffix(pattern, "/content") {
		id["files"] = th.sent.file.ID
	}
	for i, p := range parts {
		switch p {
		case "{id}":
			parts[i] = id[parts[i-1]]
		case "{n}":
			parts[i] = "1"
		case "{slug}":
			parts[i] = "wedding"
		case "{token}":
			parts[i] = th.sent.token
		}
	}
	return strings.Join(parts, "/")
}

// bodyOf is a body that the route takes.
func bodyOf(rt route) any {
	switch {
	case rt.body != "":
		return []byte("open")
	case rt.request == nil:
		return nil
	}
	switch rt.request.(type) {
	case api.Start:
		return api.Start{SenderEmail: "a@example.com"}
	case api.Declare:
		return api.Declare{Files: []api.NewFile{{Path: "more", Size: 1}}}
	case api.NewToken:
		return api.NewToken{Name: "more"}
	}
	return "{}"
}

// guarded are the routes of the interface that take tokens.
func guarded() []route {
	return slices.DeleteFunc(routes(), func(rt route) bool { return len(rt.tokens) == 0 || rt.page })
}

func TestTokensThatARouteDoesNotTake(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	good := map[account.SecretKind]string{account.SecretUpload: th.open.UploadToken, account.SecretAPI: e.studio, account.SecretFetch: th.fetch, account.SecretSession: th.session}
	before := e.snapshot(th)
	for _, rt := range guarded() {
		want := api.Unauthenticated
		if slices.Contains(rt.tokens, account.SecretFetch) {
			if want = api.CodeRequired; strings.HasSuffix(rt.pattern, "/unlock") {
				want = api.CodeWrong // an unknown token is none, so the code counts
			}
		}
		bad := []string{"", "nonsense", "lza_short", "lzs_" + strings.Repeat("A", 43)}
		for _, kind := range []account.SecretKind{account.SecretUpload, account.SecretAPI, account.SecretFetch, account.SecretSession} {
			bad = append(bad, string(kind)+strings.Repeat("A", 43)) // unknown
			if !slices.Contains(rt.tokens, kind) {
				bad = append(bad, good[kind])
			}
		}
		for _, token := range bad {
			if want == api.CodeWrong && token != "" {
				continue // TestWrongCodes counts those
			}
			p := e.wantProblem(want, rt.method, th.path(rt.pattern), token, bodyOf(rt))
			if p.Status != 401 {
				t.Errorf("%s %s with %q: %d", rt.method, rt.pattern, token, p.Status)
			}
		}
	}
	if diff := cmp.Diff(before, e.snapshot(th)); diff != "" {
		t.Error("refused calls changed something: " + diff)
	}
}

// snapshot is what a studio sees of its things.
func (e *env) snapshot(th things) []string {
	e.t.Helper()
	var all []string
	for _, path := range []string{"/me", "/links", "/transfers", "/tokens", "/files/" + th.file.ID, "/transfers/" + th.ID + "/shares", "/events"} {
		a := e.do("GET", "/api/v1"+path, e.studio, nil)
		all = append(all, withoutUse(string(a.body)))
	}
	return all
}

// withoutUse drops when tokens were last used and wrong codes, which reading
// and refusing change.
func withoutUse(s string) string {
	if i := strings.Index(s, `"last_used_at"`); i >= 0 {
		return s[:i]
	}
	if i := strings.LastIndex(s, `"kind":"share_unlocked"`); i >= 0 {
		return s[i:]
	}
	return s
}

func TestForeignThingsAreNotThere(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	_, session := e.newSession(e.otherAcc.ID)
	foreign := map[account.SecretKind]string{account.SecretUpload: e.start().UploadToken, account.SecretAPI: e.other, account.SecretFetch: e.unlockShare(e.send("x", nil)).AccessToken, account.SecretSession: session}
	before := e.snapshot(th)
	for _, rt := range guarded() {
		for _, kind := range rt.tokens {
			path := th.path(rt.pattern)
			switch {
			case kind == account.SecretFetch && strings.HasSuffix(path, "/unlock"):
			case kind == account.SecretFetch:
				e.wantProblem(api.CodeRequired, rt.method, path, foreign[kind], bodyOf(rt))
			case strings.Contains(rt.pattern, "{id}"):
				there := e.do(rt.method, path, foreign[kind], bodyOf(rt)).problem(t)
				never := e.do(rt.method, replaceID(rt.pattern, "0192e4a0-0000-7000-8000-000000000000"), foreign[kind], bodyOf(rt)).problem(t)
				odd := e.do(rt.method, replaceID(rt.pattern, "no-id"), foreign[kind], bodyOf(rt)).problem(t)
				there.RequestID, never.RequestID, odd.RequestID = "", "", ""
				if there.Status != 404 || cmp.Diff(there, never) != "" || cmp.Diff(there, odd) != "" {
					t.Errorf("%s %s by %s: %+v, for one that never was %+v, for no id %+v", rt.method, rt.pattern, kind, there, never, odd)
				}
			case rt.method == "GET":
				a := e.do(rt.method, path, foreign[kind], nil)
				for _, id := range []string{th.ID, th.open.ID, th.link, th.token, e.account.ID, th.file.ID} {
					if strings.Contains(string(a.body), id) {
						t.Errorf("%s %s by %s shows %s", rt.method, rt.pattern, kind, id)
					}
				}
			}
		}
	}
	if diff := cmp.Diff(before, e.snapshot(th)); diff != "" {
		t.Error("foreign calls changed something: " + diff)
	}
}

func replaceID(pattern, id string) string {
	return strings.NewReplacer("{id}", id, "{n}", "1").Replace(pattern)
}

func TestOwnTokensAreTaken(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, rt := range guarded() {
		if rt.method == "DELETE" && strings.HasSuffix(rt.pattern, "/me") {
			continue // TestDeletedAccountIsGoneAtOnce does it, for it ends all the others
		}
		for _, kind := range rt.tokens {
			th := e.things()
			own := map[account.SecretKind]string{account.SecretUpload: th.open.UploadToken, account.SecretAPI: e.studio, account.SecretFetch: th.fetch, account.SecretSession: th.session}
			if strings.Contains(rt.pattern, "/tokens/") {
				th.token = ask[api.Token](e, 201, "POST", "/api/v1/tokens", e.studio, `{"name":"x"}`).ID
			}
			if rt.method == "DELETE" && strings.Contains(rt.pattern, "/links/") {
				th.link = ask[api.Link](e, 201, "POST", "/api/v1/links", e.studio, `{}`).ID
			}
			method := rt.method
			if rt.media == eventStream {
				method = "HEAD" // it would not end
			}
			a := e.do(method, th.path(rt.pattern), own[kind], bodyOf(rt))
			if a.StatusCode == 401 || a.StatusCode == 404 || a.StatusCode >= 500 {
				t.Errorf("%s %s with %s: %d %s", rt.method, rt.pattern, kind, a.StatusCode, a.body)
			}
		}
	}
}

func TestWrongCodes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a", []byte("a"))
	token := e.unlockShare(s).AccessToken
	path := "/api/v1/d/" + s.token + "/unlock"
	for range 5 {
		e.wantProblem(api.CodeWrong, "POST", path, "", api.Unlock{Code: "0000-0000"})
		e.clock.advance(2e9)
	}
	e.wantProblem(api.TooManyTries, "POST", path, "", api.Unlock{Code: s.done.Share.Code})
	if a := e.do("GET", "/api/v1/d/"+s.token, token, nil); a.StatusCode != 200 {
		t.Errorf("who has unlocked it is affected: %d", a.StatusCode)
	}
	e.clock.advance(16 * 60e9)
	e.unlockShare(s)
}

func TestFetchCookie(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s, other := e.send("a.jpg", []byte("aaa")), e.send("b.jpg", []byte("bbb"))
	a := e.do("POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{Code: s.done.Share.Code})
	cookies := a.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != 2 || cookies[0].Path != "/" || strings.Contains(cookies[0].Name, s.token) {
		t.Fatalf("cookies %v", cookies)
	}
	jar := cookies[0].Name + "=" + cookies[0].Value
	file := "/api/v1/d/" + s.token + "/files/" + s.file.ID
	if got := e.do("GET", file, "", nil, "Cookie", jar); string(got.body) != "aaa" {
		t.Errorf("by cookie: %d %s", got.StatusCode, got.body)
	}
	e.wantProblem(api.CodeRequired, "GET", "/api/v1/d/"+other.token, "", nil, "Cookie", jar)
	e.wantProblem(api.CodeRequired, "GET", file, "", nil, "Cookie", jar, "Authorization", "Bearer nonsense")
	e.wantProblem(api.CodeRequired, "GET", file, "", nil, "Cookie", jar, "Authorization", "Basic eDp5")
	e.wantProblem(api.CrossOrigin, "POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{}, "Cookie", jar, "Sec-Fetch-Site", "cross-site")
	e.wantProblem(api.CrossOrigin, "POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{}, "Cookie", jar, "Origin", "https://evil.example")
	if got := e.do("POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{}, "Cookie", jar, "Sec-Fetch-Site", "same-origin"); got.StatusCode != 200 {
		t.Errorf("from the page itself: %d %s", got.StatusCode, got.body)
	}
}

func TestCookieIsSecureBehindHTTPS(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.PublicURL = "https://files.example.com/" })
	c := e.fetchCookie("token", "lzd_x", e.clock.time())
	if !c.Secure || e.shareURL("x") != "https://files.example.com/d/x" {
		t.Errorf("cookie %v, share %s", c, e.shareURL("x"))
	}
	if a := e.do("GET", "/healthz", "", nil); a.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
}

// TestDeletedAccountIsGoneAtOnce proves that what a studio deletes with its
// account ends for everybody, and that nobody else's does.
func TestDeletedAccountIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	th := e.things()
	cookie := e.signInAs("studio@example.com", "Browser")
	e.wantProblem(api.Unauthenticated, "DELETE", "/api/v1/me", e.studio, nil)
	a := e.do("DELETE", "/api/v1/me", "", nil, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	if a.StatusCode != 204 || !strings.Contains(a.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Fatalf("%d %v %s", a.StatusCode, a.Header["Set-Cookie"], a.body)
	}
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", "", nil, "Cookie", cookie)
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", e.studio, nil)
	e.wantProblem(api.LinkNotFound, "GET", "/api/v1/u/wedding", "", nil)
	e.wantProblem(api.Unauthenticated, "PUT", "/api/v1/files/"+th.file.ID+"/parts/1", th.open.UploadToken, []byte("open"))
	if a := e.do("GET", "/api/v1/d/"+th.sent.token+"/files/"+th.sent.file.ID, th.fetch, nil); a.StatusCode == 200 {
		t.Errorf("a file of the deleted account is still handed out: %s", a.body)
	}
	if me := ask[api.Me](e, 200, "GET", "/api/v1/me", e.other, nil); me.Email != "other@example.com" {
		t.Errorf("the other account: %+v", me)
	}
}
