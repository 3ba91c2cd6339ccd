package blob

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestBucketMemory runs alone, since it counts what the whole process
// allocates: bodies of 256 MiB together must pass through a few MiB.
func TestBucketMemory(t *testing.T) {
	const parts, size = 4, 64 << 20
	s := suite{T: t, Store: openTestBucket(t, s3Options(testenv.S3(t)))}
	u := s.create(s.key())
	s.send(u, 1, []byte("connections are there"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for n := range parts {
		wg.Go(func() {
			if _, err := s.PutPart(t.Context(), u, n+1, io.LimitReader(zeros{}, size), size); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d parts of %d bytes allocated %d bytes", parts, size, used)
	}
	s.must(s.Abort(t.Context(), u))
}

// TestBucketWire judges what goes out, in clear and through TLS.
func TestBucketWire(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []string{"http", "https"} {
		t.Run(encrypted, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			if encrypted == "https" {
				w.StartTLS()
				w.options.Endpoint = w.URL
			} else {
				w.start()
			}
			s := suite{T: t, Store: openTestBucket(t, w.options), part: 5 << 20}
			if encrypted == "https" {
				trust(s.Store, w.Certificate())
			}
			s.put(s.key(), nil)
			s.put(s.key(), []byte("abc"))
			key := s.key()
			s.upload(key, [][]byte{pattern(1, 5<<20), pattern(2, 100)})
			s.holds(key, slices.Concat(pattern(1, 5<<20), pattern(2, 100)))
			w.judge(t)
		})
	}
}

func trust(s *Store, cert *x509.Certificate) {
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	for _, t := range dialed(s).transports {
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
}

func (w *wire) judge(t *testing.T) {
	t.Helper()
	var lengths []int64
	for _, r := range slices.Concat(w.requests(OpPut), w.requests(OpPutPart)) {
		lengths = append(lengths, r.ContentLength)
		if got := r.Header.Get("X-Amz-Content-Sha256"); got != "UNSIGNED-PAYLOAD" {
			t.Errorf("%s %s: payload %q", r.Method, r.URL, got)
		}
		if expects := r.Header.Get("Expect") == "100-continue"; expects != (r.ContentLength >= 2<<20) {
			t.Errorf("%d bytes: expects 100: %t", r.ContentLength, expects)
		}
	}
	if diff := cmp.Diff([]int64{0, 3, 5 << 20, 100}, lengths); diff != "" {
		t.Errorf("lengths: %s", diff)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.seen {
		if !strings.HasPrefix(r.URL.Path, "/"+w.options.Bucket) || r.Proto != "HTTP/1.1" || len(r.TransferEncoding) > 0 {
			t.Errorf("%s %s %s %v", r.Method, r.URL, r.Proto, r.TransferEncoding)
		}
		for name, values := range r.Header {
			if text := strings.ToLower(name + fmt.Sprint(values)); strings.Contains(text, "checksum") ||
				strings.Contains(text, "chunked") || strings.Contains(text, "trailer") || strings.Contains(text, "md5") {
				t.Errorf("%s %s: %s %v", r.Method, r.URL, name, values)
			}
		}
	}
}

// TestBucketConnections has many bodies share few connections.
func TestBucketConnections(t *testing.T) {
	t.Parallel()
	w := newWire(t).start()
	w.options.MaxStreams = 2
	s := suite{T: t, Store: openTestBucket(t, w.options)}
	u := s.create(s.key())
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			if _, err := s.PutPart(t.Context(), u, n+1, bytes.NewReader(pattern(1, 3<<20)), 3<<20); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	used := map[string]bool{}
	for _, r := range w.requests(OpPutPart) {
		used[r.RemoteAddr] = true
	}
	if len(used) > 2 || len(s.parts(u)) != 12 {
		t.Errorf("%d parts went over %d connections", len(s.parts(u)), len(used))
	}
}

// TestBucketSlowGuests has bodies that stand still, in both directions, keep no
// call waiting.
func TestBucketSlowGuests(t *testing.T) {
	t.Parallel()
	o := s3Options(testenv.S3(t))
	o.MaxStreams, o.PoolSize = 1, 1
	s := suite{T: t, Store: openTestBucket(t, o), part: 5 << 20}
	key, data := s.key(), pattern(1, 5<<20)
	s.put(key, data)
	rc, err := s.Range(t.Context(), key, 0, 5<<20)
	s.must(err)
	u := s.create(s.key())
	slow := s.begin(u, data)
	_, err = s.Head(t.Context(), key)
	s.must(err)
	s.must(s.Check(t.Context()))
	close(slow.open)
	<-slow.etag
	got, err := io.ReadAll(rc)
	s.must(err)
	if !bytes.Equal(got, data) {
		t.Error("the range that waited differs")
	}
	s.must(rc.Close())
}

func TestBucketCheck(t *testing.T) {
	t.Parallel()
	server := testenv.S3(t)
	for name, c := range map[string]struct {
		edit  func(o *S3Options)
		class error
	}{
		"right":        {func(*S3Options) {}, nil},
		"bucket":       {func(o *S3Options) { o.Bucket = "no-such-bucket" }, ErrNoBucket},
		"access key":   {func(o *S3Options) { o.AccessKey = "somebody" }, ErrDenied},
		"secret key":   {func(o *S3Options) { o.SecretKey = "guessed" }, ErrDenied},
		"other region": {func(o *S3Options) { o.Region = "eu-north-1" }, ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := s3Options(server)
			c.edit(&o)
			s := suite{T: t, Store: openTestBucket(t, o)}
			s.is(s.Check(t.Context()), c.class)
			_, err := s.List(t.Context(), "", 0)
			s.is(err, c.class)
			key := s.key()
			_, err = s.Put(t.Context(), key, bytes.NewReader([]byte("abc")), 3)
			s.is(err, c.class)
			if _, err := s.Head(t.Context(), key); c.class != nil {
				s.is(err, c.class)
			}
			if n, known := s.FreeBytes(t.Context()); known {
				t.Errorf("%d bytes free in a bucket", n)
			}
		})
	}
}

// TestBucketOfOthers passes over what is not ours, on pages of every size.
func TestBucketOfOthers(t *testing.T) {
	t.Parallel()
	s := suite{T: t, Store: openTestBucket(t, s3Options(testenv.S3(t)))}
	b := dialed(s.Store)
	foreign := []string{"a/b", "v1/a", "v1/" + strings.Repeat("5", 32) + "/not", "v1/~", "v1/~~/~", "z"}
	for _, key := range foreign {
		_, err := b.calls.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: strings.NewReader("x")})
		s.must(err)
		_, err = b.calls.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.name, Key: aws.String(key + "-big")})
		s.must(err)
	}
	key := "v1/" + strings.Repeat("7", 32) + "/" + strings.Repeat("7", 32)
	s.put(key, []byte("abc"))
	u := s.create(key[:len(key)-1] + "8")
	for _, limit := range []int{1, 2, 3, 0} {
		page, err := s.List(t.Context(), "", limit)
		s.must(err)
		if len(page) != 1 || page[0].Key != key {
			t.Errorf("objects by %d: %+v", limit, page)
		}
		page, err = s.List(t.Context(), key, limit)
		s.must(err)
		if len(page) != 0 {
			t.Errorf("objects by %d after the last: %+v", limit, page)
		}
		uploads, next, err := s.Uploads(t.Context(), UploadMark{}, limit)
		s.must(err)
		if len(uploads) != 1 || uploads[0].Upload != u {
			t.Errorf("uploads by %d: %+v", limit, uploads)
		}
		if next == (UploadMark{}) {
			continue
		}
		if uploads, next, err = s.Uploads(t.Context(), next, limit); len(uploads) != 0 || next != (UploadMark{}) || err != nil {
			t.Errorf("uploads by %d after the last: %+v %v %v", limit, uploads, next, err)
		}
	}
}

func TestCutPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys  string // of uploads, one letter each
		limit int
		want  int
		next  UploadMark
	}{
		{"ab", 1, 1, UploadMark{Key: "a"}},
		{"abc", 2, 2, UploadMark{Key: "b"}},
		{"abc", 3, 2, UploadMark{Key: "b"}},
		{"abb", 2, 1, UploadMark{Key: "a"}},
		{"aab", 2, 2, UploadMark{Key: "a"}},
		{"aab", 1, 1, UploadMark{Key: "a", ID: "0"}},
		{"aaa", 3, 3, UploadMark{Key: "a", ID: "2"}},
		{"a", 1, 1, UploadMark{Key: "a", ID: "0"}},
	} {
		var page []types.MultipartUpload
		for i, key := range strings.Split(c.keys, "") {
			page = append(page, types.MultipartUpload{Key: &key, UploadId: aws.String(fmt.Sprint(i))})
		}
		got, next := cutPage(page, c.limit)
		if len(got) != c.want || next != c.next {
			t.Errorf("%s by %d: %d, %v; want %d, %v", c.keys, c.limit, len(got), next, c.want, c.next)
		}
	}
}

// TestBucketAddress has the bucket where the options say.
func TestBucketAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoint, region string
		virtual          bool
		host, path       string
	}{
		{"", "eu-west-1", false, "s3.eu-west-1.amazonaws.com", "/bucket/"},
		{"", "eu-west-1", true, "bucket.s3.eu-west-1.amazonaws.com", "/"},
		{"http://s3.ap-southeast-1.wasabisys.com", "ap-southeast-1", false, "s3.ap-southeast-1.wasabisys.com", "/bucket/"},
		{"http://s3.ap-southeast-1.wasabisys.com/", "ap-southeast-1", true, "bucket.s3.ap-southeast-1.wasabisys.com", "/"},
		{"http://proxy.example/s3", "x", false, "proxy.example", "/s3/bucket/"},
	} {
		s, err := OpenS3(S3Options{
			Bucket: "bucket", Endpoint: c.endpoint, Region: c.region, AccessKey: "key", SecretKey: "secret", VirtualHost: c.virtual, Attempts: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got *http.Request
		for _, tr := range dialed(s).transports {
			tr.RegisterProtocol("http", roundTrip(func(r *http.Request) { got = r }))
			tr.RegisterProtocol("https", roundTrip(func(r *http.Request) { got = r }))
		}
		key := newTestKey(t)
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if got.URL.Host != c.host || got.URL.Path != c.path+key {
			t.Errorf("%q, %t: went to %s", c.endpoint, c.virtual, got.URL)
		}
	}
}

type roundTrip func(*http.Request)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestOpenS3(t *testing.T) {
	t.Parallel()
	good := S3Options{Bucket: "b", Endpoint: "https://s3.example", Region: "r", AccessKey: "a", SecretKey: "hidden-words"}
	if s, err := OpenS3(good); err != nil || s == nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(o *S3Options){
		"no bucket":     func(o *S3Options) { o.Bucket = "" },
		"no region":     func(o *S3Options) { o.Region = "" },
		"no access key": func(o *S3Options) { o.AccessKey = "" },
		"no secret key": func(o *S3Options) { o.SecretKey = "" },
		"no scheme":     func(o *S3Options) { o.Endpoint = "s3.example" },
		"other scheme":  func(o *S3Options) { o.Endpoint = "ftp://s3.example" },
		"credentials":   func(o *S3Options) { o.Endpoint = "https://a:hidden-words@s3.example" },
		"pool":          func(o *S3Options) { o.PoolSize = -1 },
		"time":          func(o *S3Options) { o.ReadTimeout = -time.Second },
	} {
		o := good
		edit(&o)
		if _, err := OpenS3(o); !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "hidden-words") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
