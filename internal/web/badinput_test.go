package web

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
)

func sum256(b []byte) string {
	s := sha256.Sum256(b)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(s[:]) + ":"
}

func sum512(b []byte) string {
	s := sha512.Sum512(b)
	return "sha-512=:" + base64.StdEncoding.EncodeToString(s[:]) + ":"
}

func TestPartsThatAreRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a.jpg", 4)
	at := "/api/v1/files/" + f.ID + "/parts/"
	tests := []struct {
		name    string
		n       string
		body    string
		code    api.Code
		headers []string
	}{
		{"short", "1", "abc", api.PartSizeMismatch, nil},
		{"long", "1", "abcde", api.PartSizeMismatch, nil},
		{"empty", "1", "", api.PartSizeMismatch, nil},
		{"number 0", "0", "abcd", api.PartNotFound, nil},
		{"number 2", "2", "abcd", api.PartNotFound, nil},
		{"number -1", "-1", "abcd", api.PartNotFound, nil},
		{"number 01", "01", "abcd", api.PartNotFound, nil},
		{"number x", "x", "abcd", api.PartNotFound, nil},
		{"number giant", "99999999999999999999", "abcd", api.PartNotFound, nil},
		{"wrong digest", "1", "abcd", api.DigestMismatch, []string{"Content-Digest", sum256([]byte("abce"))}},
		{"one right one wrong", "1", "abcd", api.DigestMismatch, []string{"Content-Digest", sum256([]byte("abcd")) + ", " + sum512([]byte("x"))}},
		{"unreadable digest", "1", "abcd", api.DigestInvalid, []string{"Content-Digest", "sha-256=abcd"}},
		{"short digest", "1", "abcd", api.DigestInvalid, []string{"Content-Digest", "sha-256=:YWJj:"}},
		{"sealed", "1", "abcd", api.SealingMismatch, []string{"Content-Type", api.SealedBytes}},
	}
	for _, tc := range tests {
		if p := e.wantProblem(tc.code, "PUT", at+tc.n, st.UploadToken, []byte(tc.body), tc.headers...); tc.code == api.PartSizeMismatch && *p.Expected != 4 {
			t.Errorf("%s: expected %d", tc.name, *p.Expected)
		}
	}
	if got := ask[api.File](e, 200, "GET", "/api/v1/files/"+f.ID, st.UploadToken, nil); len(got.Received) != 0 || got.State != "receiving" {
		t.Errorf("something counted: %+v", got)
	}
	a := e.do("PUT", at+"1", st.UploadToken, []byte("abcd"), "Content-Digest", "md5=:x:, "+sum256([]byte("abcd"))+", "+sum512([]byte("abcd")), "Content-Type", "")
	if a.StatusCode != 200 {
		t.Fatalf("a good part: %d %s", a.StatusCode, a.body)
	}
	again := e.do("PUT", at+"1", st.UploadToken, []byte("abcd"))
	if string(again.body) != string(a.body) {
		t.Errorf("a repeat: %s, first %s", again.body, a.body)
	}
	e.wantProblem(api.PartConflict, "PUT", at+"1", st.UploadToken, []byte("abce"))
	e.wantProblem(api.DigestMismatch, "PUT", at+"1", st.UploadToken, []byte("abcd"), "Content-Digest", sum256([]byte("x")))
}

func TestDeclaresThatAreRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	path := "/api/v1/transfers/" + st.ID + "/files"
	declare := func(files string) answer { return e.do("POST", path, st.UploadToken, `{"files":[`+files+`]}`) }
	e.declareFile(st, "dir/a", 1)
	tests := map[string]api.Code{
		`{"path":"..","size":1}`:                                        api.PathInvalid,
		`{"path":"a/../b","size":1}`:                                    api.PathInvalid,
		`{"path":"./a","size":1}`:                                       api.PathInvalid,
		`{"path":"/a","size":1}`:                                        api.PathInvalid,
		`{"path":"a//b","size":1}`:                                      api.PathInvalid,
		`{"path":"a/","size":1}`:                                        api.PathInvalid,
		`{"path":"","size":1}`:                                          api.PathInvalid,
		`{"path":"a\u0000","size":1}`:                                   api.PathInvalid,
		`{"path":"a\u007f","size":1}`:                                   api.PathInvalid,
		`{"path":"a\u0085","size":1}`:                                   api.PathInvalid,
		`{"path":"a\n","size":1}`:                                       api.PathInvalid,
		`{"path":"` + strings.Repeat("a", 256) + `","size":1}`:          api.PathInvalid,
		`{"path":"` + strings.Repeat("abcd/", 204) + `abcde","size":1}`: api.PathInvalid, // 1,025 bytes
		`{"path":"dir","size":1}`:                                       api.PathTaken,
		`{"path":"dir/a/b","size":1}`:                                   api.PathTaken,
		`{"path":"dir/a","size":2}`:                                     api.PathTaken,
		`{"path":"dir/a","size":1}`:                                     api.PathTaken, // without a date it never matches
		`{"path":"s","size":-1}`:                                        api.SizeInvalid,
		`{"path":"s","size":9007199254740993}`:                          api.FileTooLarge,
		`{"path":"s","size":1e300}`:                                     api.FileTooLarge,
		`{"path":"s","size":-99999999999999999999}`:                     api.SizeInvalid,
		`{"path":"s","size":"1"}`:                                       api.JSONInvalid,
		`{"path":"s","size":1.5}`:                                       api.JSONInvalid,
		`{"path":"s","size":1,"modified":"x"}`:                          api.JSONInvalid,
		`{"path":"\ud800","size":1}`:                                    api.JSONInvalid,
		"{\"path\":\"\xff\",\"size\":1}":                                api.JSONInvalid,
		`{"path":"s","size":1,"sise":1}`:                                api.JSONInvalid,
		`{"path":"s","path":"t","size":1}`:                              api.JSONInvalid,
		``:                                                              api.JSONInvalid,
		strings.Repeat(`{"path":"s","size":1},`, 1000) + `{"path":"s","size":1}`: api.TooManyFiles,
	}
	for files, code := range tests {
		p := declare(files).problem(t)
		if p.Code != code {
			t.Errorf("%.60s: %s, want %s", files, p.Code, code)
		}
		if (code == api.PathInvalid || code == api.SizeInvalid || code == api.PathTaken) && (len(p.Errors) != 1 || p.Errors[0].Code != code) {
			t.Errorf("%.60s: errors %+v", files, p.Errors)
		}
		if code == api.PathTaken && strings.Contains(files, "dir/a\"") && (p.File == nil || p.File.Path != "dir/a") {
			t.Errorf("%.60s: file %+v", files, p.File)
		}
	}
	if a := declare(`{"path":"back\\slash","size":1}`); a.StatusCode != 200 {
		t.Errorf("a backslash: %d %s", a.StatusCode, a.body)
	}
	long := strings.Repeat("abcd/", 203) + "abcdefghi"
	if a := declare(`{"path":"` + long + `","size":0}`); a.StatusCode != 200 || len(long) != 1024 {
		t.Errorf("%d bytes: %d %s", len(long), a.StatusCode, a.body)
	}
	if tr := ask[api.Transfer](e, 200, "GET", "/api/v1/transfers/"+st.ID, st.UploadToken, nil); tr.Files.Total != 3 || tr.Bytes.Declared != 2 {
		t.Errorf("something counted: %+v", tr)
	}
}

func TestBodiesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	path := "/api/v1/u/wedding/transfers"
	good := `{"sender_email":"a@example.com"}`
	e.wantProblem(api.MediaTypeUnsupported, "POST", path, "", good, "Content-Type", "")
	e.wantProblem(api.MediaTypeUnsupported, "POST", path, "", good, "Content-Type", "text/plain")
	e.wantProblem(api.MediaTypeUnsupported, "POST", path, "", good, "Content-Type", "application/json; charset=latin1")
	e.wantProblem(api.JSONInvalid, "POST", path, "", `{"sender_email":`)
	e.wantProblem(api.JSONInvalid, "POST", path, "", `{} {}`)
	e.wantProblem(api.BodyTooLarge, "POST", path, "", `{"message":"`+strings.Repeat("x", 64<<10)+`"}`)
	e.wantProblem(api.EmailInvalid, "POST", path, "", "")
	e.wantProblem(api.EmailInvalid, "POST", path, "", `{"sender_email":"nobody"}`)
	if p := e.wantProblem(api.JSONInvalid, "POST", path, "", `{"sender_emial":"a@example.com"}`); p.Field != "sender_emial" {
		t.Errorf("field %q", p.Field)
	}
	for _, key := range []string{"short", strings.Repeat("A", 44), strings.Repeat("A", 42) + "=", strings.Repeat("A", 42) + "B", strings.Repeat("+", 43)} {
		e.wantProblem(api.IdempotencyKeyInvalid, "POST", path, "", good, "Idempotency-Key", key)
	}
	if a := e.do("POST", path, "", good, "Content-Type", "application/json; charset=UTF-8"); a.StatusCode != 201 {
		t.Errorf("with charset: %d %s", a.StatusCode, a.body)
	}
	st := e.start()
	big := `{"files":[{"path":"` + strings.Repeat("x", 4<<20) + `","size":1}]}`
	e.wantProblem(api.BodyTooLarge, "POST", "/api/v1/transfers/"+st.ID+"/files", st.UploadToken, big)
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "cursor=nonsense"} {
		e.wantProblem(api.QueryInvalid, "GET", "/api/v1/links?"+q, e.studio, nil)
	}
}

func TestLinkLimitsByAHundredAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	ask[api.Link](e, 200, "PATCH", "/api/v1/links/"+e.link.ID, e.studio, `{"max_bytes":55,"max_file_bytes":50}`)
	st := e.start()
	path := "/api/v1/transfers/" + st.ID + "/files"
	if p := e.wantProblem(api.FileTooLarge, "POST", path, st.UploadToken, `{"files":[{"path":"big","size":51}]}`); *p.MaxFileBytes != 50 || *p.Errors[0].MaxFileBytes != 50 {
		t.Errorf("%+v", p)
	}
	var all sync.WaitGroup
	statuses := make([]int, 100)
	for i := range statuses {
		all.Go(func() {
			a := e.do("POST", path, st.UploadToken, fmt.Sprintf(`{"files":[{"path":"f%d","size":10}]}`, i))
			statuses[i] = a.StatusCode
			if a.StatusCode != 200 {
				if p := a.problem(t); p.Code != api.QuotaExceeded || p.BytesLeft == nil || *p.BytesLeft >= 10 {
					t.Errorf("%+v", p)
				}
			}
		})
	}
	all.Wait()
	stand := 0
	for _, s := range statuses {
		if s == 200 {
			stand++
		}
	}
	if me := ask[api.Me](e, 200, "GET", "/api/v1/me", e.studio, nil); stand != 5 || me.ReservedBytes != 50 {
		t.Errorf("%d declares stand, %d bytes reserved", stand, me.ReservedBytes)
	}
}

func TestLinksThatTakeNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	path, body := "/api/v1/u/wedding/transfers", api.Start{SenderEmail: "a@example.com"}
	e.wantProblem(api.LinkNotFound, "GET", "/api/v1/u/nowhere", "", nil)
	e.wantProblem(api.LinkNotFound, "POST", "/api/v1/u/nowhere/transfers", "", body)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	ask[api.Link](e, 200, "PATCH", "/api/v1/links/"+e.link.ID, e.studio, `{"max_transfers":1}`)
	e.wantProblem(api.LinkFull, "GET", "/api/v1/u/wedding", "", nil)
	ask[api.Link](e, 200, "PATCH", "/api/v1/links/"+e.link.ID, e.studio, `{"max_transfers":null,"closed":true}`)
	e.wantProblem(api.LinkClosed, "POST", path, "", body)
	expires := api.LinkPatch{Closed: api.Change(false), ExpiresAt: api.Change(api.NewTime(e.clock.time().Add(1e9)))}
	ask[api.Link](e, 200, "PATCH", "/api/v1/links/"+e.link.ID, e.studio, expires)
	e.clock.advance(2e9)
	e.wantProblem(api.LinkExpired, "POST", path, "", body)
	e.put(st, f, []byte("abcd")) // a link's state governs new transfers only
	e.clock.advance(8 * 24 * 3600e9)
	e.wantProblem(api.TransferExpired, "POST", "/api/v1/transfers/"+st.ID+"/files", st.UploadToken, `{"files":[{"path":"b","size":1}]}`)
}

func TestWorkAfterTheEnd(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	empty := e.start()
	e.wantProblem(api.TransferEmpty, "POST", "/api/v1/transfers/"+empty.ID+"/complete", empty.UploadToken, "{}")
	s := e.send("a", []byte("abcd"))
	e.wantProblem(api.TransferEnded, "POST", "/api/v1/transfers/"+s.ID+"/files", s.UploadToken, `{"files":[{"path":"b","size":1}]}`)
	e.wantProblem(api.TransferEnded, "DELETE", "/api/v1/files/"+s.file.ID, s.UploadToken, nil)
	e.wantProblem(api.TransferEnded, "DELETE", "/api/v1/transfers/"+s.ID, s.UploadToken, nil)
	e.put(s.Started, s.file, []byte("abcd")) // a recorded part is answered for ever
	e.wantProblem(api.PartConflict, "PUT", "/api/v1/files/"+s.file.ID+"/parts/1", s.UploadToken, []byte("abce"))
	gone := e.start()
	f := e.declareFile(gone, "a", 1)
	e.do("DELETE", "/api/v1/transfers/"+gone.ID, gone.UploadToken, nil)
	e.wantProblem(api.TransferEnded, "PUT", "/api/v1/files/"+f.ID+"/parts/1", gone.UploadToken, []byte("a"))
	e.clock.advance(31 * 24 * 3600e9)
	e.wantProblem(api.ShareExpired, "POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{Code: s.done.Share.Code})
	e.wantProblem(api.ShareNotFound, "POST", "/api/v1/d/nonsense/unlock", "", api.Unlock{Code: "x"})
}

func TestStorageWeather(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	path := "/api/v1/files/" + f.ID + "/parts/1"
	for err, code := range map[error]api.Code{blob.ErrUnavailable: api.StorageUnavailable, blob.ErrFull: api.StorageFull, blob.ErrDenied: api.StorageUnavailable} {
		e.fault.set(func(op blob.Op, when blob.When) error {
			if op == blob.OpPut && when == blob.Before {
				return err
			}
			return nil
		})
		e.wantProblem(code, "PUT", path, st.UploadToken, []byte("abcd"))
	}
	e.fault.set(func(op blob.Op, when blob.When) error { // it happened, and the answer is lost
		if op == blob.OpPut && when == blob.After {
			return blob.ErrUnavailable
		}
		return nil
	})
	e.wantProblem(api.StorageUnavailable, "PUT", path, st.UploadToken, []byte("abcd"))
	e.fault.set(nil)
	e.put(st, f, []byte("abcd"))
}
