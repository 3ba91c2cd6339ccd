package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// linkRows are links that take nothing.
func (st *stage) linkRows(ctx context.Context, t *testing.T) []refusal {
	t.Helper()
	closed, closedID := st.link(ctx, t, map[string]any{"title": "closed"})
	must(t, "close", want(ctx, st.agent, call{method: http.MethodPatch, path: "/api/v1/links/" + closedID, token: st.api, body: []byte(`{"closed": true}`)}, 200, new(jsonText)))
	once, _ := st.link(ctx, t, map[string]any{"max_transfers": 1})
	first := st.declareOn(ctx, t, once)
	late := st.startOn(ctx, t, once) // two may start; the first file takes the place
	refuse(ctx, t, st.agent, refusal{"the last place", first("x", 1), 200, "", nil})
	locked, _ := st.link(ctx, t, map[string]any{"password": "correct horse"})
	small, _ := st.link(ctx, t, map[string]any{"max_file_bytes": 100, "max_bytes": 150})
	files := st.declareOn(ctx, t, small)
	rows := []refusal{
		{"closed link", begin(closed, sender1), 410, "link_closed", nil},
		{"closed link's page", call{method: http.MethodGet, path: "/api/v1/u/" + closed}, 410, "link_closed", nil},
		{"the place is taken", late, 410, "link_full", nil},
		{"full link", begin(once, sender1), 410, "link_full", nil},
		{"full link's page", call{method: http.MethodGet, path: "/api/v1/u/" + once}, 410, "link_full", nil},
		{"no password", begin(locked, sender1), 401, "password_wrong", nil},
		{"wrong password", begin(locked, `{"sender_email": "a@example.com", "password": "wrong"}`), 401, "password_wrong", nil},
		{"right password", begin(locked, `{"sender_email": "a@example.com", "password": "correct horse"}`), 201, "", nil},
		{"too large a file", files("big", 101), 413, "file_too_large", []string{"max_file_bytes"}},
		{"fits", files("fits", 100), 200, "", nil},
		{"more than the link takes", files("more", 51), 413, "quota_exceeded", []string{"bytes_left"}},
		{"the rest of the link", files("rest", 50), 200, "", nil},
		{"taken slug", call{method: http.MethodPost, path: "/api/v1/links", token: st.api, body: []byte(`{"slug": "demo"}`)}, 409, "slug_taken", nil},
		{"another studio's slug", call{method: http.MethodPost, path: "/api/v1/links", token: st.api, body: []byte(`{"slug": "other"}`)}, 409, "slug_taken", nil},
	}
	for _, slug := range []string{"ab", "Upper", "a b", "ü-ber", strings.Repeat("a", 65)} {
		rows = append(rows, refusal{"slug " + slug, call{method: http.MethodPost, path: "/api/v1/links", token: st.api, body: asJSON(map[string]string{"slug": slug})}, 422, "", nil})
	}
	return rows
}

// startOn starts a transfer on a link and gives the call that declares one file.
func (st *stage) startOn(ctx context.Context, t *testing.T, slug string) call {
	t.Helper()
	return st.declareOn(ctx, t, slug)("x", 1)
}

func (st *stage) declareOn(ctx context.Context, t *testing.T, slug string) func(path string, size int64) call {
	t.Helper()
	var got struct {
		ID    string
		Token string `json:"upload_token"`
	}
	must(t, "start", want(ctx, st.agent, begin(slug, sender1), http.StatusCreated, &got))
	return func(path string, size int64) call { return declare(got.ID, got.Token, path, size) }
}

// declare is the call that declares one file without a time.
func declare(transfer, token, path string, size any) call {
	return call{
		method: http.MethodPost, path: "/api/v1/transfers/" + transfer + "/files", token: token,
		body: asJSON(map[string]any{"files": []any{map[string]any{"path": path, "size": size}}}),
	}
}

// paths are the names that no file may have.
func (st *stage) paths() []refusal {
	var rows []refusal
	for _, path := range []string{
		"", "/", "/abs", "end/", "a//b", ".", "..", "a/./b", "a/../b", "../a", "nul\x00", "tab\t", "line\n", "del\x7f", "c1\u0085",
		strings.Repeat("x", 256), strings.Repeat("ü", 128), strings.Repeat("y", 204) + "/",
		strings.Repeat(strings.Repeat("y", 127)+"/", 8) + "z", // 1,025 bytes
	} {
		rows = append(rows, refusal{fmt.Sprintf("path %.40q", path), declare(st.open.id, st.open.token, path, 1), 422, "path_invalid", []string{"errors"}})
	}
	tooLarge := []string{"max_file_bytes", "errors"}
	return append(rows,
		refusal{"negative", declare(st.open.id, st.open.token, "size", -1), 422, "size_invalid", []string{"errors"}},
		refusal{"a byte more than can be", declare(st.open.id, st.open.token, "size", int64(5_496_215_410_833)), 413, "file_too_large", tooLarge},
		refusal{"far more than can be", declare(st.open.id, st.open.token, "size", int64(1<<53-1)), 413, "file_too_large", tooLarge},
	)
}

func (st *stage) declares() []refusal {
	raw := func(body string) call {
		return call{method: http.MethodPost, path: "/api/v1/transfers/" + st.half.id + "/files", token: st.half.token, body: []byte(body)}
	}
	taken := func(path string, size any) call { return declare(st.half.id, st.half.token, path, size) }
	file := []string{"file"}
	return []refusal{
		{"no files", raw(`{"files": []}`), 400, "json_invalid", []string{"field"}},
		{"no list", raw(`{}`), 400, "json_invalid", []string{"field"}},
		{"a null list", raw(`{"files": null}`), 400, "json_invalid", []string{"field"}},
		{"half a byte", taken("half", 1.5), 400, "json_invalid", []string{"field"}},
		{"a size of text", taken("text", "7"), 400, "json_invalid", []string{"field"}},
		{"a size past 64 bits", raw(`{"files": [{"path": "x", "size": 99999999999999999999}]}`), 413, "file_too_large", nil},
		{"no time at all", raw(`{"files": [{"path": "x", "size": 1, "modified": "yesterday"}]}`), 400, "json_invalid", []string{"field"}},
		{"1001 files", raw(`{"files": [` + strings.Repeat(`{"path": "x", "size": 1},`, 1000) + `{"path": "x", "size": 1}]}`), 400, "too_many_files", nil},
		{"another size", taken("dir/b.jpg", 10), 409, "path_taken", file},
		{"no time", taken("dir/b.jpg", 9), 409, "path_taken", file},
		{"a folder's name", taken("dir", 1), 409, "path_taken", file},
		{"below a file", taken("a.jpg/b", 1), 409, "path_taken", file},
		{"composed", taken("\u00dcber", 1), 200, "", []string{"files"}},
		{"decomposed", taken("U\u0308ber", 1), 409, "path_taken", file},
		{"after completion", declare(st.done.id, st.done.token, "more", 1), 409, "transfer_ended", nil},
		{"after a delete", declare(st.gone.id, st.gone.token, "more", 1), 409, "transfer_ended", nil},
		{"client-sealed", raw(`{"files": [{"path": "x", "size": 1, "id": "01a20711-3767-7759-8958-68c4f1167f38"}]}`), 400, "json_invalid", []string{"field"}},
	}
}

// putPart is the call that sends a part.
func putPart(s *sender, file, n any, body []byte, header ...string) call {
	c := call{method: http.MethodPut, path: fmt.Sprintf("/api/v1/files/%v/parts/%v", file, n), token: s.token, body: body, header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		c.header[header[i]] = header[i+1]
	}
	return c
}

func (st *stage) parts() []refusal {
	big, small := st.half.files[0], st.half.files[1]
	put := func(n any, body string, header ...string) call {
		return putPart(st.half, small.id, n, []byte(body), header...)
	}
	other := sha256.Sum256([]byte("others"))
	right256, right512 := sha256.Sum256([]byte("123456789")), sha512.Sum512([]byte("123456789"))
	b64 := base64.StdEncoding.EncodeToString
	chunked := put(1, "123456789")
	chunked.chunked = true
	changed := bytes.Clone(big.part(2, 10<<20))
	changed[77]++
	rows := []refusal{
		{"no length", chunked, 411, "length_required", nil},
		{"too short", put(1, "12345678"), 400, "part_size_mismatch", []string{"expected"}},
		{"too long", put(1, "1234567890"), 400, "part_size_mismatch", []string{"expected"}},
		{"empty", put(1, ""), 400, "part_size_mismatch", []string{"expected"}},
		{"far too long", put(1, strings.Repeat("x", 3<<20)), 400, "part_size_mismatch", []string{"expected"}},
		{"short, recorded", putPart(st.half, big.id, 2, []byte("x")), 400, "part_size_mismatch", []string{"expected"}},
		{"other bytes", putPart(st.half, big.id, 2, changed), 409, "part_conflict", nil},
		{"wrong digest", put(1, "123456789", "Content-Digest", "sha-256=:"+b64(other[:])+":"), 400, "digest_mismatch", nil},
		{"wrong long digest", put(1, "123456789", "Content-Digest", "sha-512=:"+b64(bytes.Repeat(other[:], 2))+":"), 400, "digest_mismatch", nil},
		{"one wrong of two", put(1, "123456789", "Content-Digest", "sha-256=:"+b64(right256[:])+":, sha-512=:"+b64(bytes.Repeat(other[:], 2))+":"), 400, "digest_mismatch", nil},
		{"sealed bytes", put(1, "123456789", "Content-Type", "application/vnd.lenzeye.sealed"), 415, "sealing_mismatch", nil},
		{"unknown file", putPart(st.half, "01a20711-3767-7759-8958-68c4f1167f38", 1, []byte("x")), 404, "", nil},
		{"another's file", putPart(st.open, small.id, 1, []byte("123456789")), 404, "", nil},
		{"the studio's token", call{method: http.MethodPut, path: "/api/v1/files/" + small.id + "/parts/1", token: st.api, body: []byte("123456789")}, 401, "unauthenticated", nil},
		{"part of a deleted transfer", putPart(st.gone, st.gone.files[0].id, 1, st.gone.files[0].data), 409, "transfer_ended", nil},
		{"right digest, odd one beside it", put(1, "123456789", "Content-Digest", "sha-512=:"+b64(right512[:])+":, md5=:AAAA:", "Content-Type", "image/jpeg"), 200, "", []string{"crc32"}},
		{"after completion, as it was", putPart(st.done, st.done.files[0].id, 1, st.done.files[0].data), 200, "", nil},
		{"after completion, other", putPart(st.done, st.done.files[0].id, 1, bytes.ToUpper(st.done.files[0].data)), 409, "part_conflict", nil},
	}
	for _, n := range []any{0, -1, 2, "x", "1.0", "01", "+1", 10_001, "99999999999999999999"} {
		rows = append(rows, refusal{fmt.Sprint("part ", n), put(n, "123456789"), 404, "part_not_found", nil})
	}
	return rows
}

func (st *stage) ends() []refusal {
	complete := func(s *sender) call {
		return call{method: http.MethodPost, path: "/api/v1/transfers/" + s.id + "/complete", token: s.token, body: []byte("{}")}
	}
	remove := func(path, token string) call { return call{method: http.MethodDelete, path: path, token: token} }
	return []refusal{
		{"too early", complete(st.half), 409, "transfer_incomplete", []string{"unfinished_count", "files"}},
		{"nothing there", complete(st.open), 409, "transfer_empty", nil},
		{"deleted", complete(st.gone), 409, "transfer_ended", nil},
		{"twice", complete(st.done), 200, "", []string{"share"}},
		{"guest deletes a complete one", remove("/api/v1/transfers/"+st.done.id, st.done.token), 409, "transfer_ended", nil},
		{"file of a complete one", remove("/api/v1/files/"+st.done.files[0].id, st.done.token), 409, "transfer_ended", nil},
		{"delete again", remove("/api/v1/transfers/"+st.gone.id, st.api), 204, "", nil},
		{"unknown transfer", remove("/api/v1/transfers/01a20711-3767-7759-8958-68c4f1167f38", st.api), 404, "", nil},
		{"no id", call{method: http.MethodGet, path: "/api/v1/transfers/x", token: st.api}, 404, "", nil},
		{"an id in capitals", call{method: http.MethodGet, path: "/api/v1/transfers/" + strings.ToUpper(st.done.id), token: st.api}, 404, "", nil},
		{"the studio completes", call{method: http.MethodPost, path: "/api/v1/transfers/" + st.half.id + "/complete", token: st.api}, 401, "unauthenticated", nil},
	}
}

// quota holds the account's quota to the byte, alone and by many at once.
func (st *stage) quota(ctx context.Context, t *testing.T) {
	t.Helper()
	var me struct {
		Quota int64 `json:"quota_bytes"`
		usage
	}
	must(t, "GET /me", want(ctx, st.agent, call{method: http.MethodGet, path: "/api/v1/me", token: st.api}, 200, &me))
	left := me.Quota - me.Used - me.Reserved
	body := refuse(ctx, t, st.agent, refusal{"quota", declare(st.open.id, st.open.token, "q", left+1), 413, "quota_exceeded", []string{"bytes_left"}})
	if body["bytes_left"] != float64(left) {
		t.Errorf("bytes_left is %v, want %d", body["bytes_left"], left)
	}
	const rivals = 24
	size := left / 5
	statuses := make(chan int, rivals)
	for i := range rivals {
		go func() {
			got, err := st.agent.do(ctx, declare(st.open.id, st.open.token, fmt.Sprint("rival ", i), size))
			if err != nil {
				t.Error(err)
			}
			statuses <- got.status
		}()
	}
	count := map[int]int{}
	for range rivals {
		count[<-statuses]++
	}
	if count[200] != 5 || count[413] != rivals-5 {
		t.Errorf("%d declares of a fifth of the rest were answered %v", rivals, count)
	}
	refuse(ctx, t, st.agent, refusal{"an empty file needs no quota", declare(st.open.id, st.open.token, "empty", 0), 200, "", nil})
}

// files deletes one file and puts another in its place.
func (st *stage) files(ctx context.Context, t *testing.T) {
	t.Helper()
	f := st.half.files[1]
	path := "/api/v1/files/" + f.id
	get := func(tail string) call { return call{method: http.MethodGet, path: path + tail, token: st.half.token} }
	remove := call{method: http.MethodDelete, path: path, token: st.half.token}
	for _, r := range []refusal{
		{"delete a file", remove, 204, "", nil}, {"delete it again", remove, 204, "", nil},
		{"a deleted file", get(""), 404, "", nil}, {"its parts", get("/parts"), 404, "", nil},
		{"a part of it", putPart(st.half, f.id, 1, []byte("123456789")), 404, "", nil},
		{"its path is free", declare(st.half.id, st.half.token, f.path, 3), 200, "", nil},
	} {
		refuse(ctx, t, st.agent, r)
	}
}

// newShare makes a share of the complete transfer.
func (st *stage) newShare(ctx context.Context, t *testing.T, fields map[string]any) (path, code string) {
	t.Helper()
	var share struct{ ID, URL, Code string }
	must(t, "make a share", want(ctx, st.agent, call{
		method: http.MethodPost, path: "/api/v1/transfers/" + st.done.id + "/shares", token: st.api, body: asJSON(fields),
	}, http.StatusCreated, &share))
	if !codeShape.MatchString(share.Code) {
		t.Errorf("a code is %q", share.Code)
	}
	st.lastShare = share.ID
	return "/api/v1" + strings.TrimPrefix(share.URL, st.agent.base), share.Code
}

// shares makes shares of the studio's own and ends them in each way.
func (st *stage) shares(ctx context.Context, t *testing.T) {
	t.Helper()
	once, code := st.newShare(ctx, t, map[string]any{"max_downloads": 1})
	f := &fetcher{agent: st.agent, path: once}
	must(t, "unlock", f.unlock(ctx, code))
	unlock := func(path, code string) call {
		return call{method: http.MethodPost, path: path + "/unlock", body: asJSON(map[string]string{"code": code})}
	}
	rows := []refusal{
		{"used up", unlock(once, code), 410, "share_used_up", nil},
		{"who unlocked it goes on", call{method: http.MethodGet, path: once, token: f.token}, 200, "", nil},
		{"and unlocks again", call{method: http.MethodPost, path: once + "/unlock", token: f.token, body: unlock(once, code).body}, 200, "", nil},
		{"on another share", call{method: http.MethodGet, path: st.share, token: f.token}, 401, "code_required", nil},
	}
	revoked, code := st.newShare(ctx, t, map[string]any{})
	g := &fetcher{agent: st.agent, path: revoked}
	must(t, "unlock", g.unlock(ctx, code))
	end := call{method: http.MethodDelete, path: "/api/v1/shares/" + st.lastShare, token: st.api}
	rows = append(rows,
		refusal{"another studio revokes", call{method: http.MethodDelete, path: end.path, token: st.them}, 404, "", nil},
		refusal{"revoke", end, 204, "", nil}, refusal{"revoke again", end, 204, "", nil},
		refusal{"revoked", unlock(revoked, code), 410, "share_revoked", nil},
		refusal{"revoked under way", call{method: http.MethodGet, path: revoked, token: g.token}, 410, "share_revoked", nil},
		refusal{"revoked file", call{method: http.MethodGet, path: revoked + "/files/" + st.done.files[0].id, token: g.token}, 410, "share_revoked", nil},
		refusal{"short code", call{method: http.MethodPost, path: "/api/v1/transfers/" + st.done.id + "/shares", token: st.api, body: []byte(`{"code": "SHORT"}`)}, 422, "", nil},
	)
	for _, r := range rows {
		refuse(ctx, t, st.agent, r)
	}
}

// endings are what time brings.
func endings(t *testing.T, bin string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := startServer(ctx, t, bin, "APP_RETENTION_UNFINISHED=1s", "APP_RETENTION_UNDO=1s")
	studio := s.seed(ctx, t, "studio@example.com", "demo")
	before := used(ctx, t, s, studio.APIToken)
	guest := &sender{agent: newAgent(s), slug: "demo", key: []byte("a key of 32 bytes of this guest!"), acked: map[partOf]string{}}
	guest.files = []*outFile{{path: "late.jpg", modified: "2026-06-14T00:00:00.000Z", data: []byte("late")}}
	must(t, "start", guest.start(ctx))
	must(t, "declare", guest.declare(ctx))
	await(ctx, t, "the end of an unfinished transfer", func() bool {
		got, err := guest.agent.do(ctx, declare(guest.id, guest.token, "more", 1<<40))
		return err == nil && got.status == http.StatusGone
	})
	refuse(ctx, t, guest.agent, refusal{"declare", declare(guest.id, guest.token, "more", 1), 410, "transfer_expired", nil})
	await(ctx, t, "the release of what it reserved", func() bool { return used(ctx, t, s, studio.APIToken) == before })

	list, err := pages[transferJSON](ctx, guest.agent, "/api/v1/transfers?limit=1", studio.APIToken, "transfers")
	must(t, "list", err)
	for _, tr := range list {
		if tr.State == "complete" {
			remove := call{method: http.MethodDelete, path: "/api/v1/transfers/" + tr.ID, token: studio.APIToken}
			refuse(ctx, t, guest.agent, refusal{"delete", remove, 204, "", nil})
		}
	}
	await(ctx, t, "the purge of a deleted transfer", func() bool {
		size, err := newSecrets().searchTree(s.data()+"/blobs", false)
		return err == nil && size == 0 && used(ctx, t, s, studio.APIToken) == usage{}
	})
}
