package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBucketErrorClasses has every answer of a store in its class, with the
// store's code in the text and without a secret in it.
func TestBucketErrorClasses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		class  error
		says   string
	}{
		{403, "AccessDenied", ErrDenied, "AccessDenied"},
		{403, "InvalidAccessKeyId", ErrDenied, "access key is unknown"},
		{403, "SignatureDoesNotMatch", ErrDenied, "secret key does not belong"},
		{403, "RequestTimeTooSkewed", ErrDenied, "clock of this machine"},
		{400, "AuthorizationHeaderMalformed", ErrDenied, "region is not the bucket's"},
		{403, "AuthenticationLockout", ErrDenied, "locked for some minutes"},
		{403, "SomethingNew", ErrDenied, "SomethingNew"},
		{401, "Unauthorized", ErrDenied, "Unauthorized"},
		{404, "NoSuchBucket", ErrNoBucket, "NoSuchBucket"},
		{301, "PermanentRedirect", ErrNoBucket, "PermanentRedirect"},
		{307, "TemporaryRedirect", ErrNoBucket, "TemporaryRedirect"},
		{404, "NoSuchKey", ErrNotFound, "NoSuchKey"},
		{404, "NoSuchUpload", ErrUploadNotFound, "NoSuchUpload"},
		{400, "InvalidPart", ErrPartMismatch, "InvalidPart"},
		{400, "InvalidPartOrder", ErrPartMismatch, "InvalidPartOrder"},
		{400, "EntityTooSmall", ErrTooSmall, "EntityTooSmall"},
		{400, "RequestTimeout", ErrStalled, "RequestTimeout"},
		{403, "QuotaExceeded", ErrFull, "QuotaExceeded"},
		{507, "InsufficientStorage", ErrFull, "InsufficientStorage"},
		{507, "Unknown", ErrFull, "Unknown"},
		{503, "SlowDown", ErrUnavailable, "SlowDown"},
		{503, "RequestRateLimitExceeded", ErrUnavailable, "RequestRateLimitExceeded"},
		{500, "InternalError", ErrUnavailable, "InternalError"},
		{400, "SomethingElse", ErrUnavailable, "SomethingElse"},
		{404, "SomethingElse", ErrUnavailable, "SomethingElse"},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			s := suite{T: t, Store: fake(t, S3Options{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				refuse(c.status, c.code)(w, r, nil)
			})}
			u := Upload{Key: s.key(), ID: "upload"}
			_, put := s.Put(t.Context(), u.Key, bytes.NewReader([]byte("abc")), 3)
			_, part := s.PutPart(t.Context(), u, 1, bytes.NewReader([]byte("abc")), 3)
			_, get := s.Range(t.Context(), u.Key, 0, 1)
			for _, err := range []error{put, part, get, s.Complete(t.Context(), u, []PartRef{{1, "x"}})} {
				s.is(err, c.class)
				if err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hidden-words")) {
					t.Errorf("the error does not say %q: %v", c.says, err)
				}
			}
		})
	}
}

// TestBucketHead has a refusal of HEAD, to which there is no code, explained by
// the refusal of a listing, and a 404 believed only of a bucket that is there.
func TestBucketHead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		head  int
		list  int
		code  string
		class error
		check error
	}{
		{404, 200, "", ErrNotFound, ErrUnavailable},
		{404, 404, "NoSuchBucket", ErrNoBucket, ErrNoBucket},
		{404, 403, "SignatureDoesNotMatch", ErrDenied, ErrDenied},
		{404, 500, "InternalError", ErrUnavailable, ErrUnavailable},
		{403, 200, "", ErrDenied, ErrDenied},
		{403, 403, "RequestTimeTooSkewed", ErrDenied, ErrDenied},
		{400, 400, "AuthorizationHeaderMalformed", ErrDenied, ErrDenied},
		{301, 301, "PermanentRedirect", ErrNoBucket, ErrNoBucket},
		{500, 200, "", ErrUnavailable, ErrUnavailable},
	} {
		s := suite{T: t, Store: fake(t, S3Options{}, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodHead:
				w.WriteHeader(c.head)
			case c.list == http.StatusOK:
				_, _ = io.WriteString(w, "<ListBucketResult></ListBucketResult>") // a client that is gone is not our concern
			default:
				refuse(c.list, c.code)(w, r, nil)
			}
		})}
		_, err := s.Head(t.Context(), s.key())
		check := s.Check(t.Context())
		s.is(err, c.class)
		s.is(check, c.check)
		if errors.Is(err, ErrNotFound) != (c.class == ErrNotFound) || errors.Is(check, ErrNotFound) {
			t.Errorf("%d, %s: %v, %v", c.head, c.code, err, check)
		}
		if !strings.Contains(err.Error(), c.code) || !strings.Contains(check.Error(), c.code) {
			t.Errorf("no %s in %v or %v", c.code, err, check)
		}
	}
}

// TestBucketAnswersNoStoreGives are answers of proxies and captive portals.
func TestBucketAnswersNoStoreGives(t *testing.T) {
	t.Parallel()
	ranged := func(status int, contentRange, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body) // a client that is gone is not our concern
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a page":              ranged(200, "", "<html>welcome"),
		"a page that is lost": ranged(404, "", "<html>not here"),
		"the whole object":    ranged(200, "", "0123456789"),
		"another range":       ranged(206, "bytes 0-4/100", "01234"),
		"a shorter range":     ranged(206, "bytes 10-12/100", "012"),
		"a longer body":       ranged(206, "bytes 10-14/100", "0123456789"),
		"no size":             ranged(206, "bytes 10-14/*", "01234"),
		"nonsense":            ranged(206, "lines 3", "01234"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := suite{T: t, Store: fake(t, S3Options{}, answer)}
			u := Upload{Key: s.key(), ID: "upload"}
			_, err := s.Range(t.Context(), u.Key, 10, 5)
			s.is(err, ErrUnavailable)
			if errors.Is(err, ErrNotFound) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("believed: %v", err)
			}
			_, err = s.PutPart(t.Context(), u, 1, bytes.NewReader([]byte("abc")), 3)
			s.is(err, ErrUnavailable)
			_, err = s.CreateUpload(t.Context(), u.Key)
			s.is(err, ErrUnavailable)
			s.is(s.Complete(t.Context(), u, []PartRef{{1, "x"}}), ErrUnavailable)
		})
	}
}

// TestBucketConfirmsTooEarly has no success believed that came before the body
// had ended.
func TestBucketConfirmsTooEarly(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	s := suite{T: t, Store: fake(t, S3Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"etag"`)
		w.Header().Set("Content-Length", "0")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		close(answered)
	})}
	body := io.MultiReader(bytes.NewReader(pattern(1, 1000)), readFunc(func([]byte) (int, error) {
		<-answered
		return 0, io.EOF
	}), bytes.NewReader(pattern(1, 2<<20-1000)))
	u := Upload{Key: s.key(), ID: "upload"}
	_, err := s.PutPart(t.Context(), u, 1, body, 2<<20)
	s.is(err, ErrUnavailable)
}

// TestBucketSilence has a store that answers nothing given up after ReadTimeout,
// in the middle of an answer too.
func TestBucketSilence(t *testing.T) {
	t.Parallel()
	s := suite{T: t, Store: fake(t, S3Options{ReadTimeout: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		if opOf(r) == OpRange {
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "01234") // a client that is gone is not our concern
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})}
	ctx, cancel := context.WithTimeout(t.Context(), defaultReadTimeout/2) // before which all have to end by themselves
	defer cancel()
	_, err := s.Head(ctx, s.key())
	s.is(err, ErrUnavailable)
	_, err = s.Put(ctx, s.key(), bytes.NewReader([]byte("abc")), 3)
	s.is(err, ErrUnavailable)
	if errors.Is(err, ErrStalled) {
		t.Errorf("blamed the body: %v", err)
	}
	rc, err := s.Range(ctx, s.key(), 0, 10)
	s.must(err)
	got, err := io.ReadAll(rc)
	s.is(err, ErrUnavailable)
	if string(got) != "01234" {
		t.Errorf("got %q", got)
	}
	s.must(rc.Close())
	s.must(ctx.Err())
}

// TestBucketStalledBody has a body that pauses until its connection is given up.
func TestBucketStalledBody(t *testing.T) {
	t.Parallel()
	cut := make(chan struct{})
	s := suite{T: t, Store: fake(t, S3Options{ReadTimeout: 100 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until the connection ends
		close(cut)
	})}
	body := io.MultiReader(bytes.NewReader(pattern(1, 100_000)), readFunc(func([]byte) (int, error) {
		<-cut
		return 0, io.EOF
	}), bytes.NewReader(pattern(1, 100_000)))
	_, err := s.Put(t.Context(), s.key(), body, 200_000)
	s.is(err, ErrStalled)
}

func TestBucketNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := suite{T: t, Store: openTestBucket(t, S3Options{
		Bucket: "bucket", Endpoint: "http://" + l.Addr().String(), Region: "us-east-1", AccessKey: "key", SecretKey: "secret", Attempts: 1,
	})}
	s.is(s.Check(t.Context()), ErrUnavailable)
	source := bytes.NewReader([]byte("abc"))
	_, err = s.Put(t.Context(), s.key(), source, 3)
	s.is(err, ErrUnavailable)
	if errors.Is(err, ErrNoBucket) || source.Len() != 3 {
		t.Errorf("%v, %d bytes left", err, source.Len())
	}
}

// TestMovingConn has only silence in both directions end a connection.
func TestMovingConn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := &movingConn{Conn: near, limit: time.Minute}
		defer c.Close()
		failed := make(chan time.Time, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
				t.Errorf("read ended with %v", err)
			}
			failed <- time.Now()
		}()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		var last time.Time
		for range 10 {
			<-time.After(59 * time.Second)
			if _, err := c.Write([]byte{1}); err != nil {
				t.Error(err)
			}
			last = time.Now()
		}
		if silence := (<-failed).Sub(last); silence != time.Minute {
			t.Errorf("given up after %v of silence", silence)
		}
	})
}
