package web

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// putPart receives one part. What can be refused is refused before a slot is
// taken, and the body of an authorised part is read to its end first, because
// browsers read no answer before they have sent all.
func (s *Server) putPart(c *call) error {
	leave, err := s.enterBody()
	if err != nil {
		c.w.Header().Set("Connection", "close")
		return err
	}
	defer leave()
	body := s.pacedBody(c.w, c.r)
	defer func() { c.w.received += body.read }()
	receipt, err := s.receivePart(c, body)
	if err == nil {
		return c.reply(receipt)
	}
	waits := strings.EqualFold(c.r.Header.Get("Expect"), "100-continue") && body.read == 0
	if !waits && body.err == nil && !s.probes.draining.Load() {
		body.drop()
	}
	return err
}

func (s *Server) receivePart(c *call, body *pacedBody) (api.Receipt, error) {
	ctx := c.r.Context()
	upload, err := s.transfers.BeginPart(ctx, c.access, c.id(), partNumber(c.r.PathValue("n")), c.r.ContentLength)
	if errors.Is(err, transfer.ErrPartSize) && c.r.ContentLength < 0 {
		err = errLengthRequired
	}
	if err != nil {
		return api.Receipt{}, err
	}
	if media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err == nil && media == api.SealedBytes {
		return api.Receipt{}, errSealing
	}
	digests, err := contentDigests(c.r.Header.Values("Content-Digest"))
	if err != nil {
		return api.Receipt{}, err
	}
	release, err := s.streams.acquire(ctx, claim{
		transfer: upload.TransferID(), address: c.client().Subject, cut: body.giveWay, moved: body.moved,
	})
	if err != nil {
		return api.Receipt{}, err
	}
	defer release()
	upload.OnRecorded = release
	c.w.moveWriteDeadline() // for "100 Continue"
	got, err := upload.Receive(ctx, body, digests)
	switch {
	case err == nil:
		return api.Receipt{Part: wirePart(got.Part), State: got.State}, nil
	case errors.Is(body.err, errStalled), errors.Is(body.err, errGaveWay):
		return api.Receipt{}, body.err
	case body.err != nil:
		return api.Receipt{}, fmt.Errorf("%w: %w", errBodyCut, body.err)
	default:
		return api.Receipt{}, err
	}
}

// partNumber reads a number as this server writes it; all else is 0, which no
// part has.
func partNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		return 0
	}
	return n
}

// contentDigests reads Content-Digest (RFC 9530): a dictionary of structured
// fields (RFC 8941), like sha-256=:<base64>:. Algorithms that are not known
// here are ignored, as the RFC asks.
func contentDigests(headers []string) ([]transfer.Digest, error) {
	var all []transfer.Digest
	for _, member := range strings.Split(strings.Join(headers, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(member), "=")
		var d transfer.Digest
		switch strings.TrimSpace(name) {
		case "sha-256":
			d.Hash = sha256.New()
		case "sha-512":
			d.Hash = sha512.New()
		default:
			continue
		}
		value, _, _ = strings.Cut(value, ";") // parameters
		value = strings.TrimSpace(value)
		inner, ok := strings.CutPrefix(value, ":")
		inner, ok2 := strings.CutSuffix(inner, ":")
		want, err := base64.StdEncoding.DecodeString(inner)
		if !ok || !ok2 || err != nil || len(want) != d.Hash.Size() {
			return nil, errDigestHeader
		}
		d.Want = want
		all = append(all, d)
	}
	return all, nil
}

func (s *Server) parts(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.transfers.Parts(c.r.Context(), c.access, c.id(), p)
	if err != nil {
		return err
	}
	return c.reply(api.Parts{Parts: each(list, wirePart), NextCursor: next(cursor)})
}

func (s *Server) deleteFile(c *call) error {
	if err := s.transfers.DeleteFile(c.r.Context(), c.access, c.id()); err != nil {
		return err
	}
	return c.done()
}

func (s *Server) file(c *call) error {
	f, err := s.transfers.File(c.r.Context(), c.access, c.id())
	if err != nil {
		return err
	}
	return c.reply(wireFile(f))
}

func (s *Server) files(c *call) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	list, cursor, err := s.transfers.Files(c.r.Context(), c.access, c.id(), p)
	if err != nil {
		return err
	}
	return c.reply(api.Files{Files: each(list, wireFile), NextCursor: next(cursor)})
}
