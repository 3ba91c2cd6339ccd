package faults_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// completed is what a guest gets at the end.
type completed struct {
	Share struct{ ID, URL, Code string }
	Files int
}

// share is what somebody has who fetches.
type share struct {
	path, code string
	token      string // once unlocked
}

func (s *share) found(c completed) error {
	_, token, ok := strings.Cut(c.Share.URL, "/d/")
	if !ok || c.Share.Code == "" {
		return fmt.Errorf("complete gave the share %+v", c.Share)
	}
	s.path, s.code = "/api/v1/d/"+token, c.Share.Code
	return nil
}

func (s *sending) unlock(ctx context.Context) error {
	var got struct {
		Token string `json:"access_token"`
	}
	one := call{method: http.MethodPost, path: s.share.path + "/unlock"}.asJSON(map[string]string{"code": s.share.code})
	if err := s.c.do(ctx, one, &got); err != nil {
		return err
	}
	s.share.token = got.Token
	return nil
}

// fetchAll opens the share and holds every file, whole and by ranges, to what
// was sent.
func (s *sending) fetchAll(ctx context.Context) error {
	if err := s.unlock(ctx); err != nil {
		return err
	}
	list, err := every[fileJSON](ctx, s.c, s.share.path, s.share.token, "files")
	if err != nil {
		return err
	}
	listed := map[string]fileJSON{}
	for _, g := range list {
		listed[g.ID] = g
	}
	if len(list) != len(s.files) {
		s.run.book.wrong(filesDiffer, 1, "transfer %s lists %d files, want %d", s.id, len(list), len(s.files))
	}
	queue := make(chan *file, len(s.files))
	for _, f := range s.files {
		queue <- f
	}
	close(queue)
	errs := make([]error, s.run.plan.parallel)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for f := range queue {
				if g := listed[f.id]; g.Path != f.path || g.Size != f.size {
					s.run.book.wrong(filesDiffer, 1, "%s is listed as %+v", f.path, g)
				}
				if errs[i] = s.fetch(ctx, f); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return firstOf(errs)
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch holds one file to what was sent: its list of parts, the whole by its
// SHA-256, and some ranges.
func (s *sending) fetch(ctx context.Context, f *file) error {
	variants, err := s.recorded(ctx, f)
	if err != nil {
		return err
	}
	got, err := s.whole(ctx, f)
	if err != nil {
		return err
	}
	s.run.book.add("files fetched whole", 1)
	s.run.book.add("bytes fetched whole", f.size)
	if want := f.digest(variants); got != want {
		s.run.book.wrong(filesDiffer, 1, "%s (%s, %d bytes) has SHA-256 %x, was sent with %x", f.path, f.id, f.size, got, want)
	}
	for range s.run.plan.ranges {
		if err := s.someRange(ctx, f, variants); err != nil {
			return err
		}
	}
	return nil
}

// recorded holds the list of a file's parts to what was acknowledged, and tells
// which body counts where two were sent at once.
func (s *sending) recorded(ctx context.Context, f *file) (map[int]uint64, error) {
	list, err := every[partJSON](ctx, s.c, "/api/v1/files/"+f.id+"/parts", s.token, "parts")
	if err != nil {
		return nil, err
	}
	listed := map[int]string{}
	for _, p := range list {
		listed[p.Number] = p.CRC32
	}
	variants := map[int]uint64{}
	for n := 1; n <= f.parts; n++ {
		switch crc := listed[n]; {
		case crc == f.partCRC(n, 0):
		case f.twice[n] && crc == f.partCRC(n, 1):
			variants[n] = 1
		default:
			s.run.book.wrong(partsLost, 1, "part %d of %s (%s) is listed with CRC %q", n, f.path, f.id, crc)
		}
	}
	return variants, nil
}

func (s *sending) content(f *file, header map[string]string) call {
	return call{method: http.MethodGet, path: s.share.path + "/files/" + f.id, token: s.share.token, header: header}
}

// whole fetches a file and goes on where a broken answer ended.
func (s *sending) whole(ctx context.Context, f *file) (digest [sha256.Size]byte, err error) {
	sum := sha256.New()
	var have int64
	for etag := ""; ; {
		header := map[string]string{}
		if have > 0 {
			header["Range"], header["If-Range"] = fmt.Sprintf("bytes=%d-", have), etag
		}
		resp, err := s.answer(ctx, s.content(f, header))
		if err != nil {
			return digest, err
		}
		if resp.StatusCode == http.StatusOK && have > 0 {
			sum.Reset()
			have = 0
			s.run.book.wrong(filesDiffer, 1, "%s changed its ETag from %s to %s", f.path, etag, resp.Header.Get("ETag"))
		}
		etag = resp.Header.Get("ETag")
		n, err := io.CopyBuffer(struct{ io.Writer }{sum}, resp.Body, make([]byte, 64<<10))
		_ = resp.Body.Close()
		have += n
		if have >= f.size {
			return [sha256.Size]byte(sum.Sum(nil)), nil
		}
		if err == nil {
			return digest, fmt.Errorf("%s ended well after %d of %d bytes", f.path, have, f.size)
		}
		if ctx.Err() != nil {
			return digest, ctx.Err()
		}
		s.run.book.add("fetches resumed", 1)
	}
}

// answer asks until content comes.
func (s *sending) answer(ctx context.Context, one call) (*http.Response, error) {
	for {
		resp, err := s.c.send(ctx, one)
		if err == nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent) {
			return resp, nil
		}
		if err == nil {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // whatever of it came
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				return nil, fmt.Errorf("GET %s with %v answered %d %s", one.path, one.header, resp.StatusCode, text)
			}
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			rest(ctx, min(time.Duration(seconds)*time.Second, 300*time.Millisecond+rand.N(300*time.Millisecond)))
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("GET %s: %w", one.path, context.Cause(ctx))
		}
	}
}

// someRange fetches a few bytes from anywhere.
func (s *sending) someRange(ctx context.Context, f *file, variants map[int]uint64) error {
	if f.size == 0 {
		return nil
	}
	first := rand.Int64N(f.size)
	length := min(1+rand.Int64N(200_000), f.size-first)
	header := map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", first, first+length-1)}
	for {
		resp, err := s.answer(ctx, s.content(f, header))
		if err != nil {
			return err
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		want := f.slice(variants, first, length)
		if err != nil && bytes.HasPrefix(want, got) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, want) {
			s.run.book.wrong(filesDiffer, 1, "%s, %s, came with %d and %d bytes", f.path, header["Range"], resp.StatusCode, len(got))
		}
		s.run.book.add("ranges fetched", 1)
		return nil
	}
}

// slice is a piece of a file with the given variants of its parts.
func (f *file) slice(variants map[int]uint64, first, length int64) []byte {
	var pieces [][]byte
	for length > 0 {
		n := int(first/f.partSize) + 1
		inPart := min(length, int64(n)*f.partSize-first)
		piece, err := io.ReadAll(f.bytes(variants[n], first, inPart))
		if err != nil {
			panic(err) // the maker cannot fail
		}
		pieces = append(pieces, piece)
		first, length = first+inPart, length-inPart
	}
	return slices.Concat(pieces...)
}
