package web

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lenzeye/lenzeye/internal/api"
)

func TestGuestSendsAndFetches(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	v := ask[api.LinkView](e, 200, "GET", "/api/v1/u/wedding", "", nil)
	if v.Title != "Wedding" || v.Studio.Name != "Studio" || v.Mode != "vault" || v.PasswordRequired ||
		cmp.Diff([]string{"server"}, v.Sealing) != "" || len(v.AccountKeys) != 1 {
		t.Errorf("link %+v", v)
	}
	key := base64.RawURLEncoding.EncodeToString(pattern(32))
	start := func(body string) api.Started {
		return startWithKey(e, key, body)
	}
	st := start(`{"sender_email":"anna@example.com","sender_name":"Anna","message":"Hi"}`)
	if again := start(`{"sender_email":"other@example.com"}`); again != st {
		t.Errorf("the same key gave %+v, then %+v", st, again)
	}
	body := pattern(10<<20 + 5)
	d := ask[api.Declared](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/files", st.UploadToken, api.Declare{Files: []api.NewFile{
		{Path: "Ordner/größe \"1\".jpg", Size: api.Size(len(body)), Type: "image/jpeg"}, {Path: "empty", Size: 0}, {Path: "../x", Size: 1},
	}})
	if len(d.Files) != 2 || len(d.Errors) != 1 || d.Errors[0].Code != api.PathInvalid || d.Errors[0].Index != 2 {
		t.Fatalf("declared %+v", d)
	}
	f := d.Files[0]
	if f.PartCount != 2 || f.PartSize != 10<<20 || d.Files[1].State != "stored" || f.Received == nil {
		t.Errorf("file %+v, empty %+v", f, d.Files[1])
	}
	part := func(n int, b []byte) api.Receipt {
		return ask[api.Receipt](e, 200, "PUT", fmt.Sprintf("/api/v1/files/%s/parts/%d", f.ID, n), st.UploadToken, b)
	}
	part(2, body[10<<20:])
	if p := e.wantProblem(api.TransferIncomplete, "POST", "/api/v1/transfers/"+st.ID+"/complete", st.UploadToken, "{}"); *p.UnfinishedCount != 1 ||
		cmp.Diff([][2]int{{2, 2}}, p.Files[0].Received) != "" {
		t.Errorf("incomplete: %+v", p)
	}
	if r := part(1, body[:10<<20]); r.State != "stored" || r.CRC32 != api.CRC32(crc32.ChecksumIEEE(body[:10<<20])) {
		t.Errorf("receipt %+v", r)
	}
	parts := ask[api.Parts](e, 200, "GET", "/api/v1/files/"+f.ID+"/parts?limit=1", st.UploadToken, nil)
	if len(parts.Parts) != 1 || parts.NextCursor == nil {
		t.Errorf("parts %+v", parts)
	}
	done := ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/complete", st.UploadToken, nil)
	if again := ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/complete", st.UploadToken, "{}"); again != done {
		t.Errorf("completed as %+v, then %+v", done, again)
	}
	if done.Files != 2 || done.Bytes != int64(len(body)) || len(done.Share.Code) != 9 {
		t.Errorf("completed %+v", done)
	}
	s := sent{Started: st, file: f.File, body: body, done: done, token: strings.TrimPrefix(done.Share.URL, e.base+"/d/")}
	fetchAll(t, e, s)
}

func startWithKey(e *env, key, body string) api.Started {
	e.t.Helper()
	a := e.do("POST", "/api/v1/u/wedding/transfers", "", body, "Idempotency-Key", key)
	if a.StatusCode != 201 || !strings.HasPrefix(a.Header.Get("Location"), "/api/v1/transfers/") {
		e.t.Fatalf("start: %d %s", a.StatusCode, a.body)
	}
	var st api.Started
	e.must(api.Unmarshal(a.body, &st))
	return st
}

func fetchAll(t *testing.T, e *env, s sent) {
	t.Helper()
	e.wantProblem(api.CodeRequired, "GET", "/api/v1/d/"+s.token, "", nil)
	e.wantProblem(api.CodeWrong, "POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{Code: "00000000"})
	u := e.unlockShare(s)
	view := ask[api.ShareView](e, 200, "GET", "/api/v1/d/"+s.token, u.AccessToken, nil)
	if view.TotalFiles != 2 || view.TotalBytes != int64(len(s.body)) || view.Title != "Wedding" || view.SenderName != "Anna" {
		t.Errorf("share %+v", view)
	}
	for _, f := range view.Files {
		a := e.do("GET", "/api/v1/d/"+s.token+"/files/"+f.ID, u.AccessToken, nil)
		if f.ID != s.file.ID {
			if a.StatusCode != 200 || len(a.body) != 0 {
				t.Errorf("empty file: %d, %d bytes", a.StatusCode, len(a.body))
			}
			continue
		}
		if !bytes.Equal(a.body, s.body) || a.ContentLength != int64(len(s.body)) {
			t.Error("the file came back otherwise")
		}
		want := `attachment; filename="gr__e _1_.jpg"; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.jpg`
		if got := a.Header.Get("Content-Disposition"); got != want {
			t.Errorf("disposition %s, want %s", got, want)
		}
		if a.Header.Get("Content-Type") != "image/jpeg" || a.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("headers %v", a.Header)
		}
	}
}

func TestStudioLooksAndShares(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(1000))
	if me := ask[api.Me](e, 200, "GET", "/api/v1/me", e.studio, nil); me.UsedBytes != 1000 || me.ReservedBytes != 0 || me.Email != "studio@example.com" {
		t.Errorf("me %+v", me)
	}
	if me := ask[api.Me](e, 200, "PATCH", "/api/v1/me", e.studio, `{"name":"New"}`); me.Name != "New" {
		t.Errorf("me %+v", me)
	}
	list := ask[api.Transfers](e, 200, "GET", "/api/v1/transfers?q=anna", e.studio, nil)
	if len(list.Transfers) != 1 || list.Transfers[0].ID != s.ID || list.Transfers[0].Files.Stored != 1 {
		t.Errorf("transfers %+v", list)
	}
	if got := e.do("GET", "/api/v1/files/"+s.file.ID+"/content", e.studio, nil); !bytes.Equal(got.body, s.body) {
		t.Errorf("content: %d, %d bytes", got.StatusCode, len(got.body))
	}
	made := ask[api.Share](e, 201, "POST", "/api/v1/transfers/"+s.ID+"/shares", e.studio,
		`{"code":"our own secret","max_downloads":1,"recipients":["b@example.com"]}`)
	own := sent{Started: s.Started, file: s.file, body: s.body, token: strings.TrimPrefix(*made.URL, e.base+"/d/")}
	own.done.Share.Code = "our own secret"
	u := e.unlockShare(own)
	if got := e.do("GET", "/api/v1/d/"+own.token+"/files/"+s.file.ID, u.AccessToken, nil); !bytes.Equal(got.body, s.body) {
		t.Errorf("shared content: %d", got.StatusCode)
	}
	e.wantProblem(api.ShareUsedUp, "POST", "/api/v1/d/"+own.token+"/unlock", "", api.Unlock{Code: "our own secret"})
	again := ask[api.Unlocked](e, 200, "POST", "/api/v1/d/"+own.token+"/unlock", u.AccessToken, api.Unlock{})
	if again.AccessToken != u.AccessToken {
		t.Error("a live token was not given again")
	}
	for range 2 {
		if a := e.do("DELETE", "/api/v1/shares/"+made.ID, e.studio, nil); a.StatusCode != 204 {
			t.Errorf("revoke: %d %s", a.StatusCode, a.body)
		}
	}
	e.wantProblem(api.ShareRevoked, "GET", "/api/v1/d/"+own.token+"/files/"+s.file.ID, u.AccessToken, nil)
	events := ask[api.Events](e, 200, "GET", "/api/v1/events?limit=2", e.studio, nil)
	if len(events.Events) != 2 || events.Events[0].Kind != "share_revoked" || events.NextCursor == nil || events.Events[0].IP != "127.0.0.1" {
		t.Errorf("events %+v", events)
	}
}

func TestStudioKeepsLinksTokensAndTransfers(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	l := ask[api.Link](e, 201, "POST", "/api/v1/links", e.studio, `{"slug":"press","max_bytes":5000,"password":"sesame","expires_at":null}`)
	if l.URL != e.base+"/u/press" || !l.HasPassword || *l.MaxBytes != 5000 || l.State != "open" {
		t.Errorf("link %+v", l)
	}
	e.wantProblem(api.SlugTaken, "POST", "/api/v1/links", e.other, `{"slug":"press"}`)
	e.wantProblem(api.PasswordWrong, "POST", "/api/v1/u/press/transfers", "", api.Start{SenderEmail: "a@example.com"})
	l = ask[api.Link](e, 200, "PATCH", "/api/v1/links/"+l.ID, e.studio, `{"max_bytes":null,"password":null,"closed":true}`)
	if l.HasPassword || l.MaxBytes != nil || l.State != "closed" {
		t.Errorf("link %+v", l)
	}
	e.wantProblem(api.LinkClosed, "POST", "/api/v1/u/press/transfers", "", api.Start{SenderEmail: "a@example.com"})
	for range 2 {
		if a := e.do("DELETE", "/api/v1/links/"+l.ID, e.studio, nil); a.StatusCode != 204 {
			t.Errorf("delete: %d %s", a.StatusCode, a.body)
		}
	}
	tok := ask[api.Token](e, 201, "POST", "/api/v1/tokens", e.studio, `{"name":"ci"}`)
	if list := ask[api.Tokens](e, 200, "GET", "/api/v1/tokens", tok.Token, nil); len(list.Tokens) != 2 || list.Tokens[0].Token != "" {
		t.Errorf("tokens %+v", list)
	}
	if a := e.do("DELETE", "/api/v1/tokens/"+tok.ID, e.studio, nil); a.StatusCode != 204 {
		t.Errorf("revoke: %d %s", a.StatusCode, a.body)
	}
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", tok.Token, nil)

	own := ask[api.Started](e, 201, "POST", "/api/v1/transfers", e.studio, `{"title":"Proofs"}`)
	e.put(own, e.declareFile(own, "p.jpg", 3), []byte("abc"))
	ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+own.ID+"/complete", own.UploadToken, nil)
	e.wantProblem(api.TransferEnded, "DELETE", "/api/v1/transfers/"+own.ID, own.UploadToken, nil)
	e.do("DELETE", "/api/v1/transfers/"+own.ID, e.studio, nil)
	if tr := ask[api.Transfer](e, 200, "POST", "/api/v1/transfers/"+own.ID+"/restore", e.studio, nil); tr.State != "complete" || tr.Title != "Proofs" {
		t.Errorf("restored %+v", tr)
	}
	until := api.NewTime(e.clock.time().AddDate(0, 2, 0))
	if tr := ask[api.Transfer](e, 200, "PATCH", "/api/v1/transfers/"+own.ID, e.studio, api.TransferPatch{ExpiresAt: api.Change(until)}); tr.ExpiresAt != until {
		t.Errorf("extended %+v", tr)
	}
}

func TestGuestGivesUp(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 3)
	for range 2 {
		if a := e.do("DELETE", "/api/v1/files/"+f.ID, st.UploadToken, nil); a.StatusCode != 204 {
			t.Errorf("delete file: %d %s", a.StatusCode, a.body)
		}
	}
	e.wantProblem(api.NotFound, "GET", "/api/v1/files/"+f.ID, st.UploadToken, nil)
	for range 2 {
		if a := e.do("DELETE", "/api/v1/transfers/"+st.ID, st.UploadToken, nil); a.StatusCode != 204 {
			t.Errorf("give up: %d %s", a.StatusCode, a.body)
		}
	}
	e.wantProblem(api.TransferEnded, "POST", "/api/v1/transfers/"+st.ID+"/files", st.UploadToken, api.Declare{Files: []api.NewFile{{Path: "b", Size: 1}}})
}
