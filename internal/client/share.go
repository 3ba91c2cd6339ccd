package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lenzeye/lenzeye/internal/api"
)

// Share is a download link.
type Share struct {
	c      *Client
	token  string // of the link
	Access string // the fetch token, set by Unlock
}

// Share makes the handle of a download link. access is a fetch token that is
// kept from before, or empty.
func (c *Client) Share(token, access string) *Share {
	return &Share{c: c, token: token, Access: access}
}

func (s *Share) path() string { return "/api/v1/d/" + url.PathEscape(s.token) }

// Unlock gives the code. This is what counts as a download, so it is repeated
// only where the server surely did not take it.
func (s *Share) Unlock(ctx context.Context, code string) error {
	var got api.Unlocked
	err := s.c.do(ctx, call{what: "unlock", method: http.MethodPost, path: s.path() + "/unlock", token: s.Access,
		in: api.Unlock{Code: code}, safety: onlyUnsent}, &got)
	if err == nil {
		s.Access = got.AccessToken
	}
	return err
}

// List reads the list of files, page by page, and gives each file to each, whose
// error ends it. It returns what else the share shows.
func (s *Share) List(ctx context.Context, each func(api.SharedFile) error) (api.ShareView, error) {
	var view api.ShareView
	list := pages(func(query string) ([]api.SharedFile, *string, error) {
		var p api.ShareView
		err := s.c.do(ctx, call{what: "list the files", method: http.MethodGet, path: s.path() + query, token: s.Access}, &p)
		files, next := p.Files, p.NextCursor
		p.Files, p.NextCursor = nil, nil
		view = p
		return files, next, err
	})
	for f, err := range list {
		if err == nil {
			err = each(f)
		}
		if err != nil {
			return api.ShareView{}, err
		}
	}
	return view, nil
}

// Range is a piece of something that can be fetched.
type Range struct {
	From, Size int64
	// IfMatch, if not empty, is the ETag that the whole must still have.
	IfMatch string
}

// Fetch writes a range of a file to w. Where the connection breaks it goes on
// from there; an error of w is a *LocalError. progress may be nil.
func (s *Share) Fetch(ctx context.Context, fileID string, r Range, w io.Writer) error {
	return s.c.fetch(ctx, call{what: "fetch", method: http.MethodGet, path: s.path() + "/files/" + url.PathEscape(fileID), token: s.Access}, r, w)
}

// ArchiveInfo tells the length and the ETag of the ZIP of everything.
func (s *Share) ArchiveInfo(ctx context.Context) (size int64, etag string, err error) {
	k := call{what: "look at the archive", method: http.MethodHead, path: s.path() + "/archive.zip", token: s.Access}
	err = s.c.repeat(ctx, k, func(resp *http.Response) error {
		size, etag = resp.ContentLength, resp.Header.Get("ETag")
		return nil
	})
	return size, etag, err
}

// Archive writes a range of the ZIP of everything to w, like Fetch.
func (s *Share) Archive(ctx context.Context, r Range, w io.Writer) error {
	return s.c.fetch(ctx, call{what: "fetch the archive", method: http.MethodGet, path: s.path() + "/archive.zip", token: s.Access}, r, w)
}

// fetch makes the call for a range, and again for what is left of it.
func (c *Client) fetch(ctx context.Context, k call, r Range, w io.Writer) error {
	t := &trouble{}
	for r.Size > 0 {
		k.header = map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", r.From, r.From+r.Size-1)}
		if r.IfMatch != "" {
			k.header["If-Match"] = r.IfMatch
		}
		var n int64
		asked, err := c.try(ctx, k, t, func(resp *http.Response) (err error) {
			n, err = take(resp, r, w)
			return err
		})
		r.From, r.Size = r.From+n, r.Size-n
		switch {
		case err == nil && r.Size == 0:
			return nil
		case err == nil:
			err = io.ErrUnexpectedEOF
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", k.what, ctx.Err())
		}
		if !isTemporary(err) {
			return fmt.Errorf("%s: %w", k.what, err)
		}
		if n > 0 {
			t = &trouble{}
		}
		if err := c.wait(ctx, k.what, t, asked, err); err != nil {
			return err
		}
	}
	return nil
}

// take copies the range out of an answer.
func take(resp *http.Response, r Range, w io.Writer) (int64, error) {
	from := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		start, _, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
		var err error
		if from, err = strconv.ParseInt(start, 10, 64); err != nil || !ok {
			return 0, &LocalError{fmt.Errorf("the server answers with the range %q", resp.Header.Get("Content-Range"))}
		}
	}
	if from != r.From {
		return 0, &LocalError{fmt.Errorf("the server answers from byte %d instead of %d", from, r.From)}
	}
	out := &localWriter{w: w}
	n, err := io.CopyN(out, resp.Body, r.Size)
	if out.err != nil {
		return n, &LocalError{out.err}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// localWriter remembers that it was the writing that failed.
type localWriter struct {
	w   io.Writer
	err error
}

func (l *localWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if err != nil {
		l.err = err
	}
	return n, err
}
