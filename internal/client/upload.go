package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lenzeye/lenzeye/internal/api"
)

// Key makes a lost reply harmless: a transfer that is started again with the
// same key on the same link is the same transfer. Whoever wants to go on after a
// crash keeps it before Start.
type Key [32]byte

// NewKey makes a key from random, crypto/rand.Reader if nil.
func NewKey(random io.Reader) (Key, error) {
	if random == nil {
		random = rand.Reader
	}
	var k Key
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return Key{}, fmt.Errorf("make an idempotency key: %w", err)
	}
	return k, nil
}

// String is the key as the interface wants it.
func (k Key) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// MarshalText writes String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Key) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(k) {
		return fmt.Errorf("an idempotency key is 32 bytes in base64url")
	}
	copy(k[:], b)
	return nil
}

// ViewLink shows what an upload link asks for.
func (c *Client) ViewLink(ctx context.Context, slug string) (v api.LinkView, err error) {
	err = c.do(ctx, call{what: "look at the link", method: http.MethodGet, path: "/api/v1/u/" + url.PathEscape(slug)}, &v)
	return v, err
}

// Start begins a transfer on a link, or finds the one that was begun with key.
func (c *Client) Start(ctx context.Context, slug string, key Key, in api.Start) (st api.Started, err error) {
	err = c.do(ctx, call{
		what: "start the transfer", method: http.MethodPost, path: "/api/v1/u/" + url.PathEscape(slug) + "/transfers",
		in: in, header: map[string]string{"Idempotency-Key": key.String()},
	}, &st)
	return st, err
}

// Upload is a transfer that is being filled.
type Upload struct {
	c     *Client
	ID    string
	Token string // an upload token
}

// Upload makes the handle of a transfer that was started.
func (c *Client) Upload(id, token string) *Upload { return &Upload{c: c, ID: id, Token: token} }

func (u *Upload) path() string { return "/api/v1/transfers/" + url.PathEscape(u.ID) }

func filePath(id string) string { return "/api/v1/files/" + url.PathEscape(id) }

// Transfer shows how far the transfer is.
func (u *Upload) Transfer(ctx context.Context) (t api.Transfer, err error) {
	err = u.c.do(ctx, call{what: "look at the transfer", method: http.MethodGet, path: u.path(), token: u.Token}, &t)
	return t, err
}

// Declare names files that will be sent, at most api.MaxDeclare. Files that do
// not stand are in the answer, also when none stands; an error means that the
// call as a whole was refused, like quota_exceeded.
func (u *Upload) Declare(ctx context.Context, files []api.NewFile) (d api.Declared, err error) {
	err = u.c.do(ctx, call{what: "declare files", method: http.MethodPost, path: u.path() + "/files", token: u.Token,
		in: api.Declare{Files: files}}, &d)
	if p, ok := problemOf(err); ok && len(p.Errors) > 0 && p.Code == p.Errors[0].Code {
		return api.Declared{Errors: p.Errors}, nil
	}
	return d, err
}

// Files lists all files of the transfer in the order of their declaration. It
// stops after the first error.
func (u *Upload) Files(ctx context.Context) iter.Seq2[api.File, error] {
	return pages(func(cursor string) ([]api.File, *string, error) {
		var p api.Files
		err := u.c.do(ctx, call{what: "list the files", method: http.MethodGet, path: u.path() + "/files" + cursor, token: u.Token}, &p)
		return p.Files, p.NextCursor, err
	})
}

// File shows one file.
func (u *Upload) File(ctx context.Context, id string) (f api.File, err error) {
	err = u.c.do(ctx, call{what: "look at a file", method: http.MethodGet, path: filePath(id), token: u.Token}, &f)
	return f, err
}

// Parts gives the checksums of the recorded parts of a file by number.
func (u *Upload) Parts(ctx context.Context, id string) (map[int]api.CRC32, error) {
	held := map[int]api.CRC32{}
	list := pages(func(cursor string) ([]api.Part, *string, error) {
		var p api.Parts
		err := u.c.do(ctx, call{what: "list the parts", method: http.MethodGet, path: filePath(id) + "/parts" + cursor, token: u.Token}, &p)
		return p.Parts, p.NextCursor, err
	})
	for p, err := range list {
		if err != nil {
			return nil, err
		}
		held[p.Number] = p.CRC32
	}
	return held, nil
}

// PartOptions are what one PutPart may have; the zero value is sane.
type PartOptions struct {
	Pace *Pace
	// Progress is told of bytes that leave, and with a negative number that a try
	// failed and its bytes will leave again.
	Progress func(n int64)
}

// PutPart sends one part, as often as it takes, and compares the checksum that
// the server recorded with what was read: ErrArrivedOtherwise if they differ. A
// body that cannot be read, or is shorter than its size, is a *LocalError.
func (u *Upload) PutPart(ctx context.Context, fileID string, n int, body *io.SectionReader, o PartOptions) (api.Receipt, error) {
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	var last *sending
	undo := func() {
		if last != nil {
			_ = last.Close() // never fails
			_, read := last.checksum()
			o.Progress(-read)
		}
	}
	var r api.Receipt
	err := u.c.do(ctx, call{
		what: "send part " + strconv.Itoa(n), method: http.MethodPut,
		path: filePath(fileID) + "/parts/" + strconv.Itoa(n), token: u.Token,
		body: func() *sending {
			undo()
			last = &sending{ctx: ctx, src: io.NewSectionReader(body, 0, body.Size()), size: body.Size(),
				pace: o.Pace, progress: o.Progress}
			return last
		},
	}, &r)
	if err == nil {
		if sum, read := last.checksum(); read != body.Size() || uint32(r.CRC32) != sum {
			err = fmt.Errorf("part %d: %w", n, ErrArrivedOtherwise)
		}
	}
	if err != nil {
		undo()
	}
	return r, err
}

// DeleteFile takes a file out of the transfer.
func (u *Upload) DeleteFile(ctx context.Context, id string) error {
	return u.c.do(ctx, call{what: "take out a file", method: http.MethodDelete, path: filePath(id), token: u.Token}, nil)
}

// Complete ends the sending and gives the share. It waits for files that are
// still being sealed; transfer_incomplete is returned, with the first hundred
// files that are not all there.
func (u *Upload) Complete(ctx context.Context) (done api.Completed, err error) {
	err = u.c.do(ctx, call{what: "complete the transfer", method: http.MethodPost, path: u.path() + "/complete", token: u.Token,
		in: api.Empty{}}, &done)
	return done, err
}

// Abort gives the transfer up.
func (u *Upload) Abort(ctx context.Context) error {
	return u.c.do(ctx, call{what: "give up the transfer", method: http.MethodDelete, path: u.path(), token: u.Token}, nil)
}
