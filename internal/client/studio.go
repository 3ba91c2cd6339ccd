package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/lenzeye/lenzeye/internal/api"
)

// Studio is an account, by one of its API tokens.
type Studio struct {
	c     *Client
	token string
}

// Studio makes the handle of an account.
func (c *Client) Studio(apiToken string) *Studio { return &Studio{c: c, token: apiToken} }

func (s *Studio) get(ctx context.Context, what, path string, out any) error {
	return s.c.do(ctx, call{what: what, method: http.MethodGet, path: path, token: s.token}, out)
}

// Me shows the account.
func (s *Studio) Me(ctx context.Context) (me api.Me, err error) {
	err = s.get(ctx, "look at the account", "/api/v1/me", &me)
	return me, err
}

// CreateLink makes an upload link. A reply that is lost is an error: asking
// again could make a second one.
func (s *Studio) CreateLink(ctx context.Context, in api.NewLink) (l api.Link, err error) {
	err = s.c.do(ctx, call{what: "make a link", method: http.MethodPost, path: "/api/v1/links", token: s.token,
		in: in, safety: onlyUnsent}, &l)
	return l, err
}

// PatchLink changes an upload link.
func (s *Studio) PatchLink(ctx context.Context, id string, in api.LinkPatch) (l api.Link, err error) {
	err = s.c.do(ctx, call{what: "change a link", method: http.MethodPatch, path: "/api/v1/links/" + url.PathEscape(id),
		token: s.token, in: in}, &l)
	return l, err
}

// Links lists the upload links, newest first.
func (s *Studio) Links(ctx context.Context) iter.Seq2[api.Link, error] {
	return pages(func(query string) ([]api.Link, *string, error) {
		var p api.Links
		err := s.get(ctx, "list the links", "/api/v1/links"+query, &p)
		return p.Links, p.NextCursor, err
	})
}

// Start begins a transfer of the studio's own; Upload fills it.
func (s *Studio) Start(ctx context.Context, key Key, in api.StartOwn) (st api.Started, err error) {
	err = s.c.do(ctx, call{what: "start a transfer", method: http.MethodPost, path: "/api/v1/transfers", token: s.token,
		in: in, header: map[string]string{"Idempotency-Key": key.String()}}, &st)
	return st, err
}

// Transfers lists what was received and sent, newest first.
func (s *Studio) Transfers(ctx context.Context) iter.Seq2[api.Transfer, error] {
	return pages(func(query string) ([]api.Transfer, *string, error) {
		var p api.Transfers
		err := s.get(ctx, "list the transfers", "/api/v1/transfers"+query, &p)
		return p.Transfers, p.NextCursor, err
	})
}

// Files lists the files of a transfer in the order of their declaration.
func (s *Studio) Files(ctx context.Context, transferID string) iter.Seq2[api.File, error] {
	return pages(func(query string) ([]api.File, *string, error) {
		var p api.Files
		err := s.get(ctx, "list the files", "/api/v1/transfers/"+url.PathEscape(transferID)+"/files"+query, &p)
		return p.Files, p.NextCursor, err
	})
}

// Fetch writes a range of a file to w, like Share.Fetch.
func (s *Studio) Fetch(ctx context.Context, fileID string, r Range, w io.Writer) error {
	return s.c.fetch(ctx, call{what: "fetch", method: http.MethodGet, path: filePath(fileID) + "/content", token: s.token}, r, w)
}

// DeleteTransfer deletes a transfer; it can be undone for a day.
func (s *Studio) DeleteTransfer(ctx context.Context, id string) error {
	return s.c.do(ctx, call{what: "delete a transfer", method: http.MethodDelete,
		path: "/api/v1/transfers/" + url.PathEscape(id), token: s.token}, nil)
}

// CreateShare makes a download link of a complete transfer. As for CreateLink a
// lost reply is an error.
func (s *Studio) CreateShare(ctx context.Context, transferID string, in api.NewShare) (sh api.Share, err error) {
	err = s.c.do(ctx, call{what: "make a share", method: http.MethodPost,
		path: "/api/v1/transfers/" + url.PathEscape(transferID) + "/shares", token: s.token, in: in, safety: onlyUnsent}, &sh)
	return sh, err
}

// RevokeShare ends a download link.
func (s *Studio) RevokeShare(ctx context.Context, id string) error {
	return s.c.do(ctx, call{what: "revoke a share", method: http.MethodDelete, path: "/api/v1/shares/" + url.PathEscape(id),
		token: s.token}, nil)
}
