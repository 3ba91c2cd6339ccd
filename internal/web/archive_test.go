package web

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/archive"
	"github.com/lenzeye/lenzeye/internal/blob"
)

// sendFolder sends files of these contents and completes the transfer.
func (e *env) sendFolder(files map[string][]byte) sent {
	e.t.Helper()
	s := sent{Started: e.start()}
	for path, body := range files {
		f := e.declareFile(s.Started, path, len(body))
		if len(body) > 0 {
			e.put(s.Started, f, body)
		}
	}
	s.done = ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+s.ID+"/complete", s.UploadToken, "{}")
	s.token = strings.TrimPrefix(s.done.Share.URL, e.base+"/d/")
	return s
}

func folder() map[string][]byte {
	return map[string][]byte{
		"Card A/one.jpg": pattern(200_000), "Card A/ONE.jpg": pattern(70_001), "Card B/é.txt": []byte("e"),
		"empty": {}, "CON": pattern(3),
	}
}

func TestArchiveIsTheFilesAndAnyRangeOfIt(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(folder())
	path := "/api/v1/d/" + s.token + "/archive.zip"
	e.wantProblem(api.CodeRequired, "GET", path, "", nil)
	access := e.unlockShare(s).AccessToken
	whole := e.do("GET", path, access, nil)
	if whole.StatusCode != 200 || whole.Header.Get("Content-Type") != "application/zip" ||
		whole.ContentLength != int64(len(whole.body)) {
		t.Fatalf("GET: %d, %v", whole.StatusCode, whole.Header)
	}
	r, err := zip.NewReader(bytes.NewReader(whole.body), int64(len(whole.body)))
	if err != nil {
		t.Fatal(err)
	}
	left := folder()
	for _, f := range r.File {
		in, err := f.Open()
		e.must(err)
		got, err := io.ReadAll(in) // checks the CRC
		e.must(err)
		maps.DeleteFunc(left, func(_ string, want []byte) bool { return bytes.Equal(want, got) })
	}
	if len(left) != 0 || len(r.File) != len(folder()) {
		t.Errorf("the archive has %d files, without %d of ours", len(r.File), len(left))
	}
	etag := whole.Header.Get("Etag")
	for _, span := range [][2]int{{0, 0}, {29, 30}, {100_000, 230_000}, {len(whole.body) - 22, len(whole.body) - 1}} {
		a := e.do("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-%d", span[0], span[1]), "If-Range", etag)
		if a.StatusCode != 206 || !bytes.Equal(a.body, whole.body[span[0]:span[1]+1]) {
			t.Errorf("range %v: %d with %d bytes", span, a.StatusCode, len(a.body))
		}
	}
	studio := e.do("GET", "/api/v1/transfers/"+s.ID+"/archive.zip", e.studio, nil)
	if !bytes.Equal(studio.body, whole.body) {
		t.Error("the studio gets another archive")
	}
	if head := e.do("HEAD", path, access, nil); head.ContentLength != whole.ContentLength || head.Header.Get("Etag") != etag {
		t.Errorf("HEAD: %v", head.Header)
	}
}

func TestArchiveOfWhatIsNotComplete(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	e.declareFile(st, "a.jpg", 10)
	e.wantProblem(api.FileNotReady, "GET", "/api/v1/transfers/"+st.ID+"/archive.zip", e.studio, nil)
	e.wantProblem(api.NotFound, "GET", "/api/v1/transfers/01890000-0000-7000-8000-000000000000/archive.zip", e.studio, nil)
}

// TestArchiveOfTooManyNames says that it is too much for one.
func TestArchiveOfTooManyNames(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.sendFolder(map[string][]byte{"a/b/c.jpg": []byte("c"), "d.jpg": []byte("d")})
	path := "/api/v1/transfers/" + s.ID + "/archive.zip"
	e.Server.plans.limit.MaxNames = 3
	e.wantProblem(api.ArchiveTooLarge, "GET", path, e.studio, nil)
	e.Server.plans.limit.MaxNames = 4
	if a := e.do("GET", path, e.studio, nil); a.StatusCode != 200 {
		t.Errorf("four names of four: %d", a.StatusCode)
	}
}

// TestArchiveAsksTheBucketOnlyForWhatIsTouched counts the store's reads.
func TestArchiveAsksTheBucketOnlyForWhatIsTouched(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	e := newEnv(t, nil)
	e.fault.set(func(op blob.Op, when blob.When) error {
		if op == blob.OpRange && when == blob.Before {
			reads.Add(1)
		}
		return nil
	})
	files := map[string][]byte{}
	for i := range 20 {
		files[fmt.Sprintf("f%02d", i)] = pattern(100_000)
	}
	s := e.sendFolder(files)
	access := e.unlockShare(s).AccessToken
	path := "/api/v1/d/" + s.token + "/archive.zip"
	if a := e.do("HEAD", path, access, nil); a.StatusCode != 200 || reads.Load() != 0 {
		t.Errorf("HEAD read the bucket %d times", reads.Load())
	}
	if a := e.do("GET", path, access, nil, "Range", "bytes=150000-350000"); a.StatusCode != 206 || reads.Load() != 3 {
		t.Errorf("a range over three files read the bucket %d times", reads.Load())
	}
}

func TestPlansAreKeptForAMinuteAndBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	c := newPlanCache(func() time.Time { return now })
	for i := range 3 * planCount {
		now = now.Add(time.Second)
		if _, err := c.get(t.Context(), fmt.Sprint(i), archive.Source{Page: func(context.Context, int64, int) ([]archive.Entry, error) { return nil, nil }}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.plans) > planCount {
		t.Errorf("%d plans are kept", len(c.plans))
	}
	last := fmt.Sprint(3*planCount - 1)
	if c.find(last) == nil {
		t.Error("the newest plan is gone")
	}
	now = now.Add(planLife + time.Second)
	if c.find(last) != nil {
		t.Error("a plan outlived its minute")
	}
}
