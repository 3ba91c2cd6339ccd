package web

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	body := pattern(300_000)
	s := e.send("a.jpg", body)
	path := "/api/v1/files/" + s.file.ID + "/content"
	whole := e.do("GET", path, e.studio, nil)
	etag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	if !strings.HasPrefix(etag, `"`) || modified == "" || whole.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("headers %v", whole.Header)
	}
	tests := []struct {
		name     string
		headers  []string
		status   int
		from, to int // of the bytes that come
	}{
		{"first byte", []string{"Range", "bytes=0-0"}, 206, 0, 1},
		{"across segments", []string{"Range", "bytes=65000-140000"}, 206, 65000, 140001},
		{"open end", []string{"Range", "bytes=299999-"}, 206, 299999, 300000},
		{"suffix", []string{"Range", "bytes=-10"}, 206, 299990, 300000},
		{"beyond the end", []string{"Range", "bytes=299990-400000"}, 206, 299990, 300000},
		{"several", []string{"Range", "bytes=0-1,5-6"}, 200, 0, 300000},
		{"other unit", []string{"Range", "items=0-1"}, 200, 0, 300000},
		{"If-Range the same", []string{"Range", "bytes=5-6", "If-Range", etag}, 206, 5, 7},
		{"If-Range another", []string{"Range", "bytes=5-6", "If-Range", `"x"`}, 200, 0, 300000},
		{"If-Match the same", []string{"If-Match", etag}, 200, 0, 300000},
		{"If-None-Match another", []string{"If-None-Match", `"x"`}, 200, 0, 300000},
		{"not modified", []string{"If-None-Match", etag}, 304, 0, 0},
		{"not modified since", []string{"If-Modified-Since", modified}, 304, 0, 0},
	}
	for _, tc := range tests {
		a := e.do("GET", path, e.studio, nil, tc.headers...)
		if a.StatusCode != tc.status || !bytes.Equal(a.body, body[tc.from:tc.to]) {
			t.Errorf("%s: %d with %d bytes, want %d with %d", tc.name, a.StatusCode, len(a.body), tc.status, tc.to-tc.from)
		}
		if want := fmt.Sprintf("bytes %d-%d/300000", tc.from, tc.to-1); tc.status == 206 && a.Header.Get("Content-Range") != want {
			t.Errorf("%s: %s, want %s", tc.name, a.Header.Get("Content-Range"), want)
		}
		if head := e.do("HEAD", path, e.studio, nil, tc.headers...); head.StatusCode != tc.status || tc.status < 300 && head.ContentLength != int64(tc.to-tc.from) {
			t.Errorf("HEAD %s: %d, %d bytes", tc.name, head.StatusCode, head.ContentLength)
		}
	}
	e.wantProblem(api.PreconditionFailed, "GET", path, e.studio, nil, "If-Match", `"x"`)
	for _, rng := range []string{"bytes=300000-", "bytes=9-5", "bytes=x"} {
		e.wantProblem(api.RangeNotSatisfiable, "GET", path, e.studio, nil, "Range", rng)
	}
	if a := e.do("GET", path, e.studio, nil, "Range", "bytes=300000-"); a.Header.Get("Content-Range") != "bytes */300000" {
		t.Errorf("Content-Range %q", a.Header.Get("Content-Range"))
	}
	if used, waiting := e.downloads.count(); used+waiting != 0 || e.bodies.Load() != 0 {
		t.Errorf("%d slots, %d waiting, %d bodies are still held", used, waiting, e.bodies.Load())
	}
}

func TestRangeAsksTheStoreForNoMore(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(2<<20))
	var asked atomic.Int64
	e.fault.set(func(op blob.Op, when blob.When) error {
		if op == blob.OpRange && when == blob.Before {
			asked.Add(1)
		}
		return nil
	})
	path := "/api/v1/files/" + s.file.ID + "/content"
	e.do("GET", path, e.studio, nil, "Range", "bytes=1000000-1000099")
	if n := asked.Load(); n != 1 {
		t.Errorf("a range took %d requests to the store", n)
	}
	for _, method := range []string{"HEAD", "GET"} {
		e.do(method, path, e.studio, nil, "If-None-Match", e.do("HEAD", path, e.studio, nil).Header.Get("Etag"))
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("HEAD or 304 asked the store %d times", n-1)
	}
}

func TestStoreThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	broken := make(chan bool, 10)
	e := newEnv(t, func(o *Options) { o.Observe.Broken = func(_ string, theirs bool) { broken <- theirs } })
	s := e.send("a.jpg", pattern(1<<20))
	path := "/api/v1/files/" + s.file.ID + "/content"
	e.fault.set(func(op blob.Op, _ blob.When) error {
		if op == blob.OpRange {
			return blob.ErrUnavailable
		}
		return nil
	})
	e.wantProblem(api.StorageUnavailable, "GET", path, e.studio, nil)
	reads := 0
	e.fault.set(func(op blob.Op, when blob.When) error {
		if op == blob.OpRead && when == blob.Before {
			if reads++; reads > 10 {
				return blob.ErrUnavailable
			}
		}
		return nil
	})
	resp, err := e.client.Do(e.request("GET", path, e.studio, nil))
	e.must(err)
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil || n >= 1<<20 {
		t.Errorf("an answer that broke off looked whole: %d bytes, %v", n, err)
	}
	if theirs := <-broken; theirs {
		t.Error("our failure was put down to the client")
	}
}

func TestFileThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	st := e.start()
	f := e.declareFile(st, "a", 4)
	e.wantProblem(api.FileNotReady, "GET", "/api/v1/files/"+f.ID+"/content", e.studio, nil)
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/files/"+f.ID+"/content", st.UploadToken, nil)
}

func TestAttachment(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a.jpg":          `attachment; filename="a.jpg"; filename*=UTF-8''a.jpg`,
		"dir/a b.jpg":    `attachment; filename="a b.jpg"; filename*=UTF-8''a%20b.jpg`,
		"é\"\\;%\x01.gz": `attachment; filename="______.gz"; filename*=UTF-8''%C3%A9%22%5C%3B%25%01.gz`,
		"日本":             `attachment; filename="__"; filename*=UTF-8''%E6%97%A5%E6%9C%AC`,
	}
	for name, want := range tests {
		if got := attachment(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestSafeType(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"image/jpeg": "image/jpeg", "IMAGE/PNG; x=y": "image/png", "video/mp4": "video/mp4", "image/x-canon-cr2": "image/x-canon-cr2",
		"application/pdf": "application/pdf", "": octets, "text/html": octets, "image/svg+xml": octets, "application/javascript": octets,
		"text/javascript": octets, "application/xhtml+xml": octets, "image/x\r\nX: y": octets, "nonsense": octets,
	}
	for declared, want := range tests {
		if got := safeType(declared); got != want {
			t.Errorf("%q: %s, want %s", declared, got, want)
		}
	}
}
