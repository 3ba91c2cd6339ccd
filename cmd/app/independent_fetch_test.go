package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// fetcher is somebody with the link and the code.
type fetcher struct {
	agent         *agent
	path          string // /api/v1/d/{token}
	token, cookie string // the fetch token and its cookie's name
	list          []fileJSON
	ours          map[string]*outFile // by id
}

// sloppily writes a code as people do.
func sloppily(code string) string {
	code = strings.ToLower(strings.ReplaceAll(code, "-", " "))
	return "  " + strings.NewReplacer("0", "o", "1", "l").Replace(code) + " "
}

// unlock trades the code for a token, in the answer and in a cookie alike.
func (f *fetcher) unlock(ctx context.Context, code string) error {
	got, err := f.agent.do(ctx, call{method: http.MethodPost, path: f.path + "/unlock", body: asJSON(map[string]string{"code": code})})
	if err != nil {
		return err
	}
	var body struct {
		AccessToken string `json:"access_token"`
		ExpiresAt   string `json:"expires_at"`
	}
	if err := json.Unmarshal(got.body, &body); err != nil || got.status != http.StatusOK ||
		!strings.HasPrefix(body.AccessToken, "lzd_") || body.ExpiresAt == "" {
		return fmt.Errorf("unlock with %q answered %s", code, got)
	}
	f.token = body.AccessToken
	cookies := (&http.Response{Header: got.header}).Cookies()
	if len(cookies) != 1 || cookies[0].Value != f.token || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		return fmt.Errorf("unlock set the cookies %v", cookies)
	}
	f.cookie = cookies[0].Name
	byCookie := call{method: http.MethodGet, path: f.path, header: map[string]string{"Cookie": f.cookie + "=" + f.token}}
	return want(ctx, f.agent, byCookie, http.StatusOK, new(jsonText))
}

// look reads the list of files and holds it to what was sent.
func (f *fetcher) look(ctx context.Context, sent *sender) error {
	var head struct {
		TotalFiles int    `json:"total_files"`
		TotalBytes int64  `json:"total_bytes"`
		SenderName string `json:"sender_name"`
	}
	if err := want(ctx, f.agent, call{method: http.MethodGet, path: f.path + "?limit=1", token: f.token}, http.StatusOK, &head); err != nil {
		return err
	}
	if head.TotalFiles != len(sent.files) || head.TotalBytes != sent.total() || head.SenderName != guestName {
		return fmt.Errorf("the share tells %+v", head)
	}
	list, err := pages[fileJSON](ctx, f.agent, f.path+"?limit=7", f.token, "files")
	if err != nil {
		return err
	}
	if len(list) != len(sent.files) {
		return fmt.Errorf("%d files are listed, want %d", len(list), len(sent.files))
	}
	f.list, f.ours = list, map[string]*outFile{}
	for i, out := range sent.files {
		g := list[i]
		if g.ID != out.id || g.Path != out.path || g.Size != int64(len(out.data)) || g.Modified == nil || *g.Modified != out.modified ||
			g.CRC32 == nil || *g.CRC32 != crcOf(out.data) {
			return fmt.Errorf("file %d, %q, is listed as %+v", i, out.path, g)
		}
		f.ours[g.ID] = out
	}
	return nil
}

func (f *fetcher) content(id string, header map[string]string) call {
	return call{method: http.MethodGet, path: f.path + "/files/" + id, token: f.token, header: header}
}

// whole fetches a file and goes on where a broken answer ended.
func (f *fetcher) whole(ctx context.Context, id string) error {
	out := f.ours[id]
	var have []byte
	var header map[string]string
	for ctx.Err() == nil {
		c := f.content(id, header)
		got, err := f.agent.once(ctx, c)
		var broken violation
		if errors.As(err, &broken) {
			return err
		}
		given := got.status == http.StatusOK && header == nil || got.status == http.StatusPartialContent && header != nil
		if given {
			have = append(have, got.body...)
		}
		switch {
		case err == nil && given:
			return f.holds(got, out, have)
		case err == nil && got.status == http.StatusServiceUnavailable:
			err = pause(ctx, got.header.Get("Retry-After"))
		case err == nil:
			return fmt.Errorf("%s with %v answered %s", c.path, header, got)
		default:
			err = f.agent.ready(ctx)
		}
		if err != nil {
			return err
		}
		if given && len(have) > 0 {
			header = map[string]string{"Range": fmt.Sprintf("bytes=%d-", len(have)), "If-Range": got.header.Get("ETag")}
		}
	}
	return ctx.Err()
}

func (f *fetcher) holds(got answer, out *outFile, have []byte) error {
	if !bytes.Equal(have, out.data) {
		return fmt.Errorf("%q came back with %d bytes, other than sent (%d): %d", out.path, len(have), len(out.data), got.status)
	}
	h := got.header
	disposition, _, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	etag := h.Get("ETag")
	if err != nil || disposition != "attachment" || !strings.HasPrefix(etag, `"`) || len(etag) < 3 ||
		h.Get("Accept-Ranges") != "bytes" || h.Get("Last-Modified") == "" ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "private, no-store" ||
		h.Get("Content-Length") != fmt.Sprint(len(got.body)) {
		return fmt.Errorf("%q came with the header %v", out.path, h)
	}
	return nil
}

// some fetches a random range of a random file, in one of the ways to ask.
func (f *fetcher) some(ctx context.Context) error {
	filled := slices.DeleteFunc(slices.Clone(f.list), func(g fileJSON) bool { return g.Size == 0 })
	g := filled[rand.IntN(len(filled))]
	first := rand.Int64N(g.Size)
	last := min(first+rand.Int64N(200_000), g.Size-1)
	asked := fmt.Sprintf("bytes=%d-%d", first, last)
	switch rand.IntN(6) {
	case 0: // the end, by its length
		length := 1 + rand.Int64N(min(g.Size, 300_000))
		first, last, asked = g.Size-length, g.Size-1, fmt.Sprintf("bytes=-%d", length)
	case 1: // beyond the end
		first = max(first, g.Size-100_000)
		last, asked = g.Size-1, fmt.Sprintf("bytes=%d-%d", first, g.Size+5)
	case 2: // one byte
		last, asked = first, fmt.Sprintf("bytes=%d-%d", first, first)
	}
	got, err := f.agent.do(ctx, f.content(g.ID, map[string]string{"Range": asked}))
	if err != nil {
		return err
	}
	span := fmt.Sprintf("bytes %d-%d/%d", first, last, g.Size)
	if got.status != http.StatusPartialContent || got.header.Get("Content-Range") != span ||
		!bytes.Equal(got.body, f.ours[g.ID].data[first:last+1]) {
		return fmt.Errorf("%q, %s, answered %d %s with %d bytes", g.Path, asked, got.status, got.header.Get("Content-Range"), len(got.body))
	}
	return nil
}

// conditional asks for one file in each way that HTTP knows.
func (f *fetcher) conditional(ctx context.Context, g fileJSON) error {
	c := f.content(g.ID, nil)
	c.method = http.MethodHead
	head, err := f.agent.do(ctx, c)
	if err != nil {
		return err
	}
	if head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("Content-Length") != fmt.Sprint(g.Size) {
		return fmt.Errorf("HEAD of %q answered %s, %v", g.Path, head, head.header)
	}
	etag, date := head.header.Get("ETag"), head.header.Get("Last-Modified")
	for _, q := range []struct {
		header map[string]string
		status int
		length int64
	}{
		{map[string]string{"Range": "bytes=1-2", "If-Range": etag}, http.StatusPartialContent, 2},
		{map[string]string{"Range": "bytes=1-2", "If-Range": date}, http.StatusPartialContent, 2},
		{map[string]string{"Range": "bytes=1-2", "If-Range": `"other"`}, http.StatusOK, g.Size},
		{map[string]string{"Range": "bytes=1-2,5-6"}, http.StatusOK, g.Size},
		{map[string]string{"If-None-Match": etag}, http.StatusNotModified, 0},
		{map[string]string{"If-Modified-Since": date}, http.StatusNotModified, 0},
		{map[string]string{"If-Match": `"other"`}, http.StatusPreconditionFailed, -1},
		{map[string]string{"Range": fmt.Sprintf("bytes=%d-", g.Size)}, http.StatusRequestedRangeNotSatisfiable, -1},
	} {
		got, err := f.agent.do(ctx, f.content(g.ID, q.header))
		if err != nil {
			return err
		}
		if got.status != q.status || q.length >= 0 && int64(len(got.body)) != q.length {
			return fmt.Errorf("%q with %v answered %d and %d bytes, want %d", g.Path, q.header, got.status, len(got.body), q.status)
		}
		if q.status == http.StatusRequestedRangeNotSatisfiable && got.header.Get("Content-Range") != fmt.Sprintf("bytes */%d", g.Size) {
			return fmt.Errorf("416 came with Content-Range %q", got.header.Get("Content-Range"))
		}
	}
	return nil
}
