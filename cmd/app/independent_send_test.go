package main_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// fileJSON is a file as the interface tells it.
type fileJSON struct {
	ID, Path, Type, State, Sealing string
	Size                           int64
	Modified, CRC32                *string
	PartSize                       int64 `json:"part_size"`
	PartCount                      int   `json:"part_count"`
	Received                       [][2]int
}

func (f fileJSON) has(n int) bool {
	return slices.ContainsFunc(f.Received, func(r [2]int) bool { return r[0] <= n && n <= r[1] })
}

// partJSON is a part as the interface tells it.
type partJSON struct {
	Number int
	Size   int64
	CRC32  string
	State  string
}

type transferJSON struct {
	ID, State string
	Files     struct{ Total, Stored int }
	Bytes     struct{ Declared, Received int64 }
}

// outFile is a file that a guest sends.
type outFile struct {
	path, modified string
	data           []byte
	id             string // as first declared
}

func (f *outFile) part(n int, size int64) []byte {
	return f.data[int64(n-1)*size : min(int64(n)*size, int64(len(f.data)))]
}

// partOf names a part among all files.
type partOf struct {
	file   *outFile
	number int
	size   int64 // the file's part_size
}

// sender is a guest. What it would keep through a crash of its own is its key
// and its files; acked is the test's own book.
type sender struct {
	agent *agent
	slug  string
	key   []byte
	files []*outFile

	id, token string

	mu    sync.Mutex
	acked map[partOf]string // CRC-32
	told  int               // repeats and conflicts that were answered rightly
}

func crcOf(b []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(b)) }

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// derive is HMAC-SHA-256(key, label ‖ the id's 16 bytes).
func derive(key []byte, label, id string) []byte {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil {
		panic(err)
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(label))
	m.Write(raw)
	return m.Sum(nil)
}

// crockford gives the first 40 bits, high bits first, as XXXX-XXXX.
func crockford(b []byte) string {
	var v uint64
	for _, x := range b[:5] {
		v = v<<8 | uint64(x)
	}
	var text []byte
	for shift := 35; shift >= 0; shift -= 5 {
		text = append(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[v>>shift&31])
	}
	return string(text[:4]) + "-" + string(text[4:])
}

// start opens the transfer, or finds it again by the key.
func (s *sender) start(ctx context.Context) error {
	var got struct {
		ID, State   string
		UploadToken string `json:"upload_token"`
		ExpiresAt   string `json:"expires_at"`
	}
	err := want(ctx, s.agent, call{
		method: http.MethodPost, path: "/api/v1/u/" + s.slug + "/transfers",
		header: map[string]string{"Idempotency-Key": base64url(s.key)},
		body:   asJSON(map[string]string{"sender_email": guestEmail, "sender_name": guestName, "message": "Liebe Grüße"}),
	}, http.StatusCreated, &got)
	if err != nil {
		return err
	}
	if s.id != "" && s.id != got.ID {
		return fmt.Errorf("the same key gave another transfer: %s, then %s", s.id, got.ID)
	}
	if due := "lzu_" + base64url(derive(s.key, "lenzeye/upload/v1", got.ID)); got.UploadToken != due || got.ExpiresAt == "" {
		return fmt.Errorf("the upload token is %q, want %q", got.UploadToken, due)
	}
	if s.id == "" { // a check may read it at any time after
		s.id, s.token = got.ID, got.UploadToken
	}
	return nil
}

// declare tells all files, a few at a time, and keeps their ids.
func (s *sender) declare(ctx context.Context) error {
	for batch := range slices.Chunk(s.files, 13) {
		if err := s.declareBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) declareBatch(ctx context.Context, batch []*outFile) error {
	var in []map[string]any
	for _, f := range batch {
		in = append(in, map[string]any{"path": f.path, "size": len(f.data), "modified": f.modified, "type": "image/x-raw"})
	}
	var got struct {
		Files []struct {
			Index int
			fileJSON
		}
		Errors []any
	}
	err := want(ctx, s.agent, call{
		method: http.MethodPost, path: "/api/v1/transfers/" + s.id + "/files", token: s.token,
		body: asJSON(map[string]any{"files": in}),
	}, http.StatusOK, &got)
	if err != nil {
		return err
	}
	if len(got.Files) != len(batch) || len(got.Errors) != 0 {
		return fmt.Errorf("declared %d files and got %d, %v", len(batch), len(got.Files), got.Errors)
	}
	for i, f := range batch {
		g := got.Files[i]
		if g.Index != i || g.Path != f.path || g.Size != int64(len(f.data)) || f.id != "" && f.id != g.ID {
			return fmt.Errorf("file %d %q (%s) is answered as %+v", i, f.path, f.id, g)
		}
		if count := int((g.Size + g.PartSize - 1) / g.PartSize); g.PartSize != 10<<20 || g.PartCount != count || g.Sealing != "server" {
			return fmt.Errorf("file %q is answered as %+v", f.path, g)
		}
		if g.Size == 0 && g.State != "stored" {
			return fmt.Errorf("an empty file is %s", g.State)
		}
		if f.id == "" {
			f.id = g.ID
		}
	}
	return nil
}

// known asks for all files as they stand, in small pages.
func (s *sender) known(ctx context.Context) (map[string]fileJSON, error) {
	all, err := pages[fileJSON](ctx, s.agent, "/api/v1/transfers/"+s.id+"/files?limit=17", s.token, "files")
	if err != nil {
		return nil, err
	}
	if len(all) != len(s.files) {
		return nil, fmt.Errorf("%d files are listed, want %d", len(all), len(s.files))
	}
	known := map[string]fileJSON{}
	for i, f := range all {
		if f.Path != s.files[i].path {
			return nil, fmt.Errorf("file %d of the list is %q, declared as %q", i, f.Path, s.files[i].path)
		}
		known[f.ID] = f
	}
	return known, nil
}

// keepsAcknowledged fails if a part that was acknowledged would be asked for
// again.
func (s *sender) keepsAcknowledged(ctx context.Context) error {
	s.mu.Lock()
	acked := make([]partOf, 0, len(s.acked))
	for p := range s.acked {
		acked = append(acked, p)
	}
	s.mu.Unlock()
	if len(acked) == 0 {
		return nil
	}
	known, err := s.known(ctx)
	if err != nil {
		return err
	}
	for _, p := range acked {
		if f := known[p.file.id]; !f.has(p.number) {
			return fmt.Errorf("part %d of %q was acknowledged and is missing in %v", p.number, f.Path, f.Received)
		}
	}
	return nil
}

// missing lists the parts still to send. The CRC of a part that is there is
// compared before it is skipped.
func (s *sender) missing(ctx context.Context) ([]partOf, error) {
	known, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	var todo []partOf
	for _, out := range s.files {
		f := known[out.id]
		for n := 1; n <= f.PartCount; n++ {
			if !f.has(n) {
				todo = append(todo, partOf{out, n, f.PartSize})
			}
		}
		if len(f.Received) == 0 {
			continue
		}
		have, err := pages[partJSON](ctx, s.agent, "/api/v1/files/"+out.id+"/parts?limit=2", s.token, "parts")
		if err != nil {
			return nil, err
		}
		for _, p := range have {
			if mine := out.part(p.Number, f.PartSize); p.CRC32 != crcOf(mine) || p.Size != int64(len(mine)) {
				return nil, fmt.Errorf("part %d of %q is told as %+v, mine has %s", p.Number, out.path, p, crcOf(mine))
			}
		}
	}
	return todo, nil
}

// send puts parts, six at once and shuffled, until all are there. It is no error
// when ctx ends first.
func (s *sender) send(ctx context.Context, todo []partOf) error {
	rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	queue := make(chan partOf, len(todo))
	for _, p := range todo {
		queue <- p
	}
	close(queue)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			for p := range queue {
				if errs[i] = s.put(ctx, p); errors.Is(errs[i], context.Canceled) {
					errs[i] = nil
					return
				} else if errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// put sends one part, now and then with a digest, twice, or with other bytes
// after it.
func (s *sender) put(ctx context.Context, p partOf) error {
	data := p.file.part(p.number, p.size)
	c := call{
		method: http.MethodPut, path: fmt.Sprintf("/api/v1/files/%s/parts/%d", p.file.id, p.number),
		token: s.token, body: data, header: map[string]string{},
	}
	if rand.IntN(3) == 0 {
		sum := sha256.Sum256(data)
		c.header["Content-Digest"] = "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	if err := s.putOnce(ctx, p, c); err != nil {
		return err
	}
	s.mu.Lock()
	s.acked[p] = crcOf(data)
	s.mu.Unlock()
	switch rand.IntN(6) {
	case 0:
		return s.putOnce(ctx, p, c)
	case 1:
		return s.putOther(ctx, c)
	}
	return nil
}

func (s *sender) putOnce(ctx context.Context, p partOf, c call) error {
	var got partJSON
	if err := want(ctx, s.agent, c, http.StatusOK, &got); err != nil {
		return err
	}
	if got.Number != p.number || got.Size != int64(len(c.body)) || got.CRC32 != crcOf(c.body) ||
		!slices.Contains([]string{"receiving", "sealing", "stored"}, got.State) {
		return fmt.Errorf("part %d of %q is acknowledged as %+v", p.number, p.file.path, got)
	}
	return nil
}

// repeatAll sends the first part of every file again after the transfer's end,
// as it was and with another byte.
func (s *sender) repeatAll(ctx context.Context) error {
	for _, f := range s.files {
		if len(f.data) == 0 {
			continue
		}
		p := partOf{f, 1, 10 << 20}
		c := call{method: http.MethodPut, path: "/api/v1/files/" + f.id + "/parts/1", token: s.token, body: f.part(1, p.size)}
		if err := errors.Join(s.putOnce(ctx, p, c), s.putOther(ctx, c)); err != nil {
			return err
		}
	}
	return nil
}

// putOther repeats a recorded part with one other byte.
func (s *sender) putOther(ctx context.Context, c call) error {
	other := bytes.Clone(c.body)
	other[rand.IntN(len(other))] ^= 0x20
	c.body, c.header = other, nil
	got, err := s.agent.do(ctx, c)
	if err != nil {
		return err
	}
	if got.status != http.StatusConflict || got.code() != "part_conflict" {
		return fmt.Errorf("%s with other bytes answered %s", c.path, got)
	}
	s.mu.Lock()
	s.told++
	s.mu.Unlock()
	return nil
}

// completed is the answer of complete.
type completed struct {
	Share struct {
		ID, URL, Code string
		ExpiresAt     string `json:"expires_at"`
	}
	Files int
	Bytes int64
}

// complete ends the transfer and holds the share to the rule that it is made by.
func (s *sender) complete(ctx context.Context) (completed, error) {
	var got completed
	err := want(ctx, s.agent, call{method: http.MethodPost, path: "/api/v1/transfers/" + s.id + "/complete", token: s.token}, http.StatusOK, &got)
	if err != nil {
		return got, err
	}
	url := s.agent.base + "/d/" + base64url(derive([]byte(s.token), "lenzeye/share/v1", s.id))
	code := crockford(derive([]byte(s.token), "lenzeye/code/v1", s.id))
	if got.Share.URL != url || got.Share.Code != code || got.Share.ExpiresAt == "" {
		return got, fmt.Errorf("the share is %+v, want %s and %s", got.Share, url, code)
	}
	if got.Files != len(s.files) || got.Bytes != s.total() {
		return got, fmt.Errorf("complete told %d files of %d bytes", got.Files, got.Bytes)
	}
	return got, nil
}

func (s *sender) total() (n int64) {
	for _, f := range s.files {
		n += int64(len(f.data))
	}
	return n
}
