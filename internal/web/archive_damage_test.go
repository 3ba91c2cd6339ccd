package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// damage flips a bit of the one stored object that holds a file of this size.
func (e *env) damage(size, at int64) {
	e.t.Helper()
	ctx := e.t.Context()
	list, err := e.store.List(ctx, "", 100)
	e.must(err)
	for _, o := range list {
		if o.Size != seal.SealedSize(size, size) {
			continue
		}
		r, err := e.store.Range(ctx, o.Key, 0, o.Size)
		e.must(err)
		sealed, err := io.ReadAll(r)
		e.must(errors.Join(err, r.Close(), e.store.Delete(ctx, o.Key)))
		sealed[at] ^= 1
		_, err = e.store.Put(ctx, o.Key, bytes.NewReader(sealed), o.Size)
		e.must(err)
		return
	}
	e.t.Fatalf("no object of %d bytes", size)
}

// TestDamageBreaksTheArchive has one file of three damaged: what comes before is
// right, nothing takes its place, the event names the file, and what lies around
// it can be fetched still.
func TestDamageBreaksTheArchive(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	const size, flipped = 310_000, 150_000
	s := e.sendFolder(map[string][]byte{"a": pattern(200_000), "bad": pattern(size), "c": pattern(90_000)})
	access := e.unlockShare(s).AccessToken
	path := "/api/v1/d/" + s.token + "/archive.zip"
	whole := e.do("GET", path, access, nil).body
	begins := bytes.Index(whole, pattern(size))
	if begins < 0 {
		t.Fatal("the archive does not hold the file")
	}
	e.damage(size, flipped)

	resp, err := e.client.Do(e.request("GET", path, access, nil))
	e.must(err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(whole)) {
		t.Errorf("the download of a damaged file: %d of %d bytes, %v", resp.StatusCode, resp.ContentLength, err)
	}
	if len(got) > begins+flipped || !bytes.Equal(got, whole[:len(got)]) {
		t.Errorf("%d bytes came, the damage is at %d", len(got), begins+flipped)
	}

	damaged := ""
	for _, f := range ask[api.Files](e, 200, "GET", "/api/v1/transfers/"+s.ID+"/files", e.studio, nil).Files {
		if f.Path == "bad" {
			damaged = f.ID
		}
	}
	told := 0
	for _, ev := range ask[api.Events](e, 200, "GET", "/api/v1/events", e.studio, nil).Events {
		if ev.Kind == "file_damaged" && ev.FileID != nil && *ev.FileID == damaged {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d events name the file, want 1", told)
	}
	end := e.do("GET", path, access, nil, "Range", "bytes=-100")
	if end.StatusCode != http.StatusPartialContent || !bytes.Equal(end.body, whole[len(whole)-100:]) {
		t.Errorf("the end of the archive: %d with %d bytes", end.StatusCode, len(end.body))
	}
}
