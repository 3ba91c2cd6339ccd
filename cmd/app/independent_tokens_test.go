package main_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func (st *stage) downloads() []refusal {
	get := func(path, token string, header ...string) call {
		c := call{method: http.MethodGet, path: path, token: token, header: map[string]string{}}
		for i := 0; i < len(header); i += 2 {
			c.header[header[i]] = header[i+1]
		}
		return c
	}
	unlock := func(path, body string) call {
		return call{method: http.MethodPost, path: path + "/unlock", body: []byte(body)}
	}
	file := st.share + "/files/" + st.done.files[0].id
	nobody := "/api/v1/d/" + strings.Repeat("A", 43)
	return []refusal{
		{"no code yet", get(st.share, ""), 401, "code_required", nil},
		{"unknown token", get(st.share, "lzd_"+strings.Repeat("A", 43)), 401, "code_required", nil},
		{"upload token", get(st.share, st.done.token), 401, "code_required", nil},
		{"API token", get(st.share, st.api), 401, "code_required", nil},
		{"no code yet, file", get(file, ""), 401, "code_required", nil},
		{"a header before a cookie", get(st.share, "nonsense", "Cookie", st.cookie()), 401, "code_required", nil},
		{"a cookie alone", get(st.share, "", "Cookie", st.cookie()), 200, "", nil},
		{"unknown share", get(nobody, ""), 404, "share_not_found", nil},
		{"unknown share with a token", get(nobody, st.fetch), 404, "share_not_found", nil},
		{"unlock an unknown share", unlock(nobody, `{"code": "K7QM-2XW9"}`), 404, "share_not_found", nil},
		{"a page that is not a share", get("/api/v1/d/x", ""), 404, "share_not_found", nil},
		{"another transfer's file", get(st.share+"/files/"+st.half.files[0].id, st.fetch), 404, "", nil},
		{"unknown file", get(st.share+"/files/01a20711-3767-7759-8958-68c4f1167f38", st.fetch), 404, "", nil},
		{"no code in the body", unlock(st.share, `{"cod": "K7QM-2XW9"}`), 400, "json_invalid", []string{"field"}},
		{"past the end", get(file, st.fetch, "Range", "bytes=5000-"), 416, "", nil},
		{"another site", call{method: http.MethodPost, path: st.share + "/unlock", body: []byte(`{"code": "` + st.code + `"}`),
			header: map[string]string{"Cookie": st.cookie(), "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}}, 403, "cross_origin", nil},
		{"a file not ready", get("/api/v1/files/"+st.half.files[0].id+"/content", st.api), 409, "file_not_ready", nil},
		{"content for its sender", get("/api/v1/files/"+st.done.files[0].id+"/content", st.done.token), 401, "unauthenticated", nil},
		{"content for the studio", get("/api/v1/files/"+st.done.files[0].id+"/content", st.api), 200, "", nil},
	}
}

// cookie is the fetch token as a browser sends it.
func (st *stage) cookie() string { return st.cookieName + "=" + st.fetch }

// tries guesses a code from one address until it is shut out, while one who has
// the code goes on.
func (st *stage) tries(ctx context.Context, t *testing.T) {
	t.Helper()
	path, code := st.newShare(ctx, t, map[string]any{})
	guesser := *st.agent
	guesser.from = "198.51.100.7"
	wrong := call{method: http.MethodPost, path: path + "/unlock", body: []byte(`{"code": "0000-0000"}`)}
	for range 5 {
		refuse(ctx, t, &guesser, refusal{"wrong code", wrong, 401, "code_wrong", nil})
	}
	shut, err := guesser.once(ctx, wrong)
	wait, _ := strconv.Atoi(shut.header.Get("Retry-After"))
	if err != nil || shut.status != http.StatusTooManyRequests || wait < 60 || wait > 15*60 {
		t.Errorf("the sixth wrong code answered %s, %v, to wait for %d s", shut, err, wait)
	}
	right := call{method: http.MethodPost, path: path + "/unlock", body: asJSON(map[string]string{"code": code})}
	refuse(ctx, t, &guesser, refusal{"the right one now", right, 429, "", nil})
	f := &fetcher{agent: st.agent, path: path}
	must(t, "unlock from elsewhere", f.unlock(ctx, code)) // after the second that the guesses cost the share
	for range 7 {
		refuse(ctx, t, st.agent, refusal{"who has unlocked it", right, 200, "", nil})
	}

	slug, _ := st.link(ctx, t, map[string]any{"password": "correct horse"})
	password := begin(slug, `{"sender_email": "a@example.com", "password": "wrong"}`)
	six := *st.agent
	for i := range 5 { // in IPv6 a /64 is one address
		six.from = fmt.Sprintf("2001:db8:1:2::%d", i+1)
		refuse(ctx, t, &six, refusal{"wrong password", password, 401, "password_wrong", nil})
	}
	six.from = "2001:db8:1:2:ffff::1"
	refuse(ctx, t, &six, refusal{"the sixth password", password, 429, "", nil})
	six.from = "2001:db8:1:3::1"
	if got, err := six.do(ctx, password); err != nil || got.code() != "password_wrong" {
		t.Errorf("a wrong password from another network answered %s, %v", got, err)
	}
}

// route is a call of the table with the kinds of token that it takes: u, a or d.
type route struct {
	method, path, takes string
	body                string
}

// routes are all that need a token. The foreign ones stand for a thing of the
// studio's, so that the other studio and the other guest may not see it.
func (st *stage) routes(ctx context.Context, t *testing.T) []route {
	t.Helper()
	_, link := st.link(ctx, t, map[string]any{"title": "for strangers"})
	transfer, file := "/api/v1/transfers/"+st.half.id, "/api/v1/files/"+st.half.files[0].id
	return []route{
		{"POST", transfer + "/files", "u", `{"files": [{"path": "x", "size": 1}]}`},
		{"PUT", file + "/parts/1", "u", ""},
		{"POST", transfer + "/complete", "u", `{}`},
		{"GET", file, "ua", ""}, {"HEAD", file, "ua", ""},
		{"GET", file + "/parts", "ua", ""},
		{"DELETE", file, "ua", ""},
		{"GET", transfer, "ua", ""},
		{"GET", transfer + "/files", "ua", ""},
		{"DELETE", transfer, "ua", ""},
		{"PATCH", transfer, "a", `{"expires_at": "2027-01-01T00:00:00.000Z"}`},
		{"POST", transfer + "/restore", "a", `{}`},
		{"GET", file + "/content", "a", ""},
		{"GET", transfer + "/shares", "a", ""},
		{"POST", transfer + "/shares", "a", `{}`},
		{"GET", "/api/v1/links/" + link, "a", ""},
		{"PATCH", "/api/v1/links/" + link, "a", `{"title": "x"}`},
		{"DELETE", "/api/v1/links/" + link, "a", ""},
	}
}

// strangers calls every route with every token that may not.
func (st *stage) strangers(ctx context.Context, t *testing.T) {
	t.Helper()
	tokens := map[string]string{
		"none": "", "noise": "noise", "an unknown one": "lza_" + strings.Repeat("A", 43), "an empty one": "lzu_",
		"a session that is none": "lzs_" + strings.Repeat("A", 43),
		"d":                      st.fetch, "u": st.open.token, "a": st.them,
	}
	for _, r := range st.routes(ctx, t) {
		for kind, token := range tokens {
			status, code := http.StatusUnauthorized, "unauthenticated"
			if len(kind) == 1 && strings.Contains(r.takes, kind) {
				status, code = http.StatusNotFound, "" // a good one on somebody else's id
			}
			if r.method == http.MethodHead {
				code = ""
			}
			c := call{method: r.method, path: r.path, token: token, body: []byte(r.body)}
			refuse(ctx, t, st.agent, refusal{"token " + kind, c, status, code, nil})
		}
	}
	for _, path := range []string{"/api/v1/me", "/api/v1/links", "/api/v1/transfers", "/api/v1/tokens", "/api/v1/events"} {
		for kind, token := range tokens {
			if kind != "a" {
				refuse(ctx, t, st.agent, refusal{"token " + kind, call{method: http.MethodGet, path: path, token: token}, 401, "unauthenticated", nil})
			}
		}
	}
	st.sameAsNever(ctx, t)
}

// sameAsNever holds somebody else's id to the answer of an id that never was.
func (st *stage) sameAsNever(ctx context.Context, t *testing.T) {
	t.Helper()
	get := func(id string) map[string]any {
		body := refuse(ctx, t, st.agent, refusal{"a stranger's id", call{method: http.MethodGet, path: "/api/v1/transfers/" + id, token: st.them}, 404, "", nil})
		delete(body, "request_id")
		return body
	}
	theirs, nobodys := get(st.half.id), get("01a20711-3767-7759-8958-68c4f1167f38")
	if fmt.Sprint(theirs) != fmt.Sprint(nobodys) {
		t.Errorf("a stranger's id is answered %v, and one that never was %v", theirs, nobodys)
	}
}
