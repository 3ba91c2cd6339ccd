package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// counted is a real bucket behind a proxy that notes every request.
type counted struct {
	mu    sync.Mutex
	calls []string
}

// take gives the methods of what was asked since the last time.
func (c *counted) take() (methods []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	methods, c.calls = c.calls, nil
	return methods
}

func newCounted(t *testing.T) (*counted, *blob.Store) {
	t.Helper()
	bucket := testenv.S3(t)
	to, err := url.Parse(bucket.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.calls = append(c.calls, r.Method)
		c.mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	store, err := blob.OpenS3(blob.S3Options{Bucket: bucket.Bucket, Endpoint: proxy.URL, Region: bucket.Region, AccessKey: bucket.AccessKey, SecretKey: bucket.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return c, store
}

// TestArchiveRangesCostOneRequestAFile counts what ranges of the ZIP ask of a real
// bucket: one GET for each file of which they hold bytes, however many parts it
// has, and nothing for headers and the directory.
func TestArchiveRangesCostOneRequestAFile(t *testing.T) {
	t.Parallel()
	calls, store := newCounted(t)
	e := newEnvOver(t, store, nil)
	const part = 10 << 20
	st := e.start()
	bodies := map[string][]byte{"a-small": pattern(1000), "b-three-parts": pattern(2*part + 777), "c-small": pattern(2000), "d-empty": nil}
	for _, path := range []string{"a-small", "b-three-parts", "c-small", "d-empty"} {
		body := bodies[path]
		f := e.declareFile(st, path, len(body))
		for n := 1; len(body) > 0; n++ {
			next := body[:min(part, len(body))]
			ask[api.Receipt](e, 200, "PUT", fmt.Sprintf("/api/v1/files/%s/parts/%d", f.ID, n), st.UploadToken, next)
			body = body[len(next):]
		}
	}
	s := sent{Started: st, done: ask[api.Completed](e, 200, "POST", "/api/v1/transfers/"+st.ID+"/complete", st.UploadToken, "{}")}
	s.token = strings.TrimPrefix(s.done.Share.URL, e.base+"/d/")
	access, path := e.unlockShare(s).AccessToken, "/api/v1/d/"+s.token+"/archive.zip"
	calls.take()
	head := e.do("HEAD", path, access, nil)
	if head.StatusCode != 200 || len(calls.take()) > 0 {
		t.Errorf("HEAD: %d, and the bucket was asked", head.StatusCode)
	}
	header := func(name string) int { return 30 + len(name) + 9 }
	small := header("a-small")
	large := small + 1000 + header("b-three-parts")
	last := large + len(bodies["b-three-parts"]) + header("c-small")
	directory := last + 2000 + header("d-empty")
	size := int(head.ContentLength)
	whole := e.do("GET", path, access, nil)
	if got := len(calls.take()); got != 3 || len(whole.body) != size {
		t.Fatalf("the whole asks the bucket %d times, for %d of %d bytes", got, len(whole.body), size)
	}
	for name, row := range map[string]struct{ from, to, files int }{
		"inside a part":             {large + 100, large + 200, 1},
		"over the edge of a part":   {large + part - 100, large + part + 100, 1},
		"the last part":             {large + 2*part + 10, large + 2*part + 100, 1},
		"all parts":                 {large, last - header("c-small"), 1},
		"two files":                 {large + 2*part + 700, last + 10, 2},
		"three files":               {small + 990, last + 10, 3},
		"a header":                  {small + 1000, large, 0},
		"a header and a byte of it": {small + 1000, large + 1, 1},
		"the empty file's header":   {last + 2000, directory, 0},
		"the directory":             {directory, size, 0},
		"inside the directory":      {directory + 10, directory + 50, 0},
		"the end":                   {size - 22, size, 0},
	} {
		a := e.do("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-%d", row.from, row.to-1))
		if a.StatusCode != 206 || !bytes.Equal(a.body, whole.body[row.from:row.to]) {
			t.Errorf("%s: %d with %d bytes", name, a.StatusCode, len(a.body))
		}
		want := make([]string, row.files)
		for i := range want {
			want[i] = http.MethodGet
		}
		if diff := cmp.Diff(want, append([]string{}, calls.take()...)); diff != "" {
			t.Errorf("%s asks the bucket otherwise: %s", name, diff)
		}
	}
}
