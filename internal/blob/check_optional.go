package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const presignedFor = 15 * time.Minute

// reply is an answer to a plain request.
type reply struct {
	code   int
	status string
	header http.Header
	body   []byte
}

// ask sends a plain request, as a browser does. Its errors do not name the
// address, which is signed.
func (c *BucketCheck) ask(ctx context.Context, method, address string, body []byte, edit func(http.Header)) (reply, error) {
	long, cancel := lasting(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(long, method, address, bytes.NewReader(body))
	if err != nil {
		return reply{}, errors.New("the signed address is not one")
	}
	edit(req.Header)
	res, err := c.plain.Do(req)
	if err != nil {
		return reply{}, errors.New(innermost(err))
	}
	got, err := io.ReadAll(io.LimitReader(res.Body, checkObject))
	return reply{res.StatusCode, res.Status, res.Header, got}, errors.Join(err, res.Body.Close())
}

// signedGet is an address with which anybody reads the sample.
func (c *BucketCheck) signedGet(ctx context.Context) (string, error) {
	signed, err := s3.NewPresignClient(c.b.calls, s3.WithPresignExpires(presignedFor)).PresignGetObject(ctx,
		&s3.GetObjectInput{Bucket: &c.b.name, Key: &c.state.key})
	if err != nil {
		return "", bucketError(err)
	}
	return signed.URL, nil
}

func (c *BucketCheck) signedPut(ctx context.Context, u Upload) (string, error) {
	signed, err := s3.NewPresignClient(c.b.calls, s3.WithPresignExpires(presignedFor)).PresignUploadPart(ctx,
		&s3.UploadPartInput{Bucket: &c.b.name, Key: &u.Key, UploadId: &u.ID, PartNumber: aws.Int32(1)})
	if err != nil {
		return "", bucketError(err)
	}
	return signed.URL, nil
}

// tryPresign sends a part and reads a range without a key, as browsers could.
func tryPresign(ctx context.Context, c *BucketCheck) (string, error) {
	u, err := c.begin(ctx)
	if err != nil {
		return "", err
	}
	address, err := c.signedPut(ctx, u)
	if err != nil {
		return "", err
	}
	res, err := c.ask(ctx, http.MethodPut, address, c.state.data, func(http.Header) {})
	if err != nil {
		return "", fmt.Errorf("PUT of a part: %w", err)
	}
	if res.code != http.StatusOK || res.header.Get("ETag") == "" {
		return "", fmt.Errorf("PUT of a part was answered with %s", res.status)
	}
	if c.store.Abort(ctx, u) == nil { // else its row and the last one say why
		c.ended(u)
	}
	if address, err = c.signedGet(ctx); err != nil {
		return "", err
	}
	res, err = c.ask(ctx, http.MethodGet, address, nil, func(h http.Header) { h.Set("Range", "bytes=1-1000") })
	if err != nil {
		return "", fmt.Errorf("GET of a range: %w", err)
	}
	if res.code != http.StatusPartialContent || !bytes.Equal(res.body, c.state.data[1:1001]) {
		return "", fmt.Errorf("GET of a range was answered with %s", res.status)
	}
	return "PUT of a part, GET of a range", nil
}

// tryCORS asks what a browser on our pages asks before it sends a part, and
// whether it could read the part's ETag.
func tryCORS(ctx context.Context, c *BucketCheck) (string, error) {
	address, err := c.signedGet(ctx)
	if err != nil {
		return "", err
	}
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		res, err := c.ask(ctx, http.MethodOptions, address, nil, func(h http.Header) {
			h.Set("Origin", c.o.Origin)
			h.Set("Access-Control-Request-Method", method)
			h.Set("Access-Control-Request-Headers", "content-type")
		})
		if err != nil {
			return "", err
		}
		if !c.mayCome(res.header) || !names(res.header, "Access-Control-Allow-Methods", method) {
			return "", fmt.Errorf("a page at %s may not %s (%s)", c.o.Origin, method, res.status)
		}
	}
	res, err := c.ask(ctx, http.MethodGet, address, nil, func(h http.Header) {
		h.Set("Origin", c.o.Origin)
		h.Set("Range", "bytes=0-0")
	})
	if err != nil {
		return "", err
	}
	if !c.mayCome(res.header) || !names(res.header, "Access-Control-Expose-Headers", "ETag") {
		return "", fmt.Errorf("a page at %s may not read the header ETag", c.o.Origin)
	}
	return "for " + c.o.Origin, nil
}

func (c *BucketCheck) mayCome(h http.Header) bool {
	allowed := h.Get("Access-Control-Allow-Origin")
	return allowed == "*" || allowed == c.o.Origin
}

// names tells whether a header that is a list has a word, or all of them.
func names(h http.Header, header, word string) bool {
	for value := range strings.SplitSeq(strings.Join(h.Values(header), ","), ",") {
		if value = strings.TrimSpace(value); value == "*" || strings.EqualFold(value, word) {
			return true
		}
	}
	return false
}

// tryAddressing asks for the bucket in the style that is not configured.
func tryAddressing(ctx context.Context, c *BucketCheck) (string, error) {
	style, other := "path style", "virtual-host style"
	o := c.o.S3
	o.Attempts, o.VirtualHost = 1, !o.VirtualHost
	if c.o.S3.VirtualHost {
		style, other = other, style
	}
	if u, err := url.Parse(o.Endpoint); err == nil && o.VirtualHost {
		if _, err := netip.ParseAddr(u.Hostname()); err == nil {
			return "", fmt.Errorf("%s works, virtual-host style needs an endpoint with a name", style)
		}
	}
	b := newBucket(o)
	defer func() { _ = b.close() }() // never fails
	for i, t := range b.transports {
		t.TLSClientConfig = c.b.transports[i].TLSClientConfig
	}
	if _, err := b.calls.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name}); err != nil {
		if errors.Is(bucketError(err), ErrDenied) {
			return "both styles", nil
		}
		return "", fmt.Errorf("%s works, %s does not: %s", style, other, c.words(err))
	}
	return "both styles", nil
}

// tryIfNoneMatch writes over an object unless the bucket refuses it.
func tryIfNoneMatch(ctx context.Context, c *BucketCheck) (string, error) {
	key, err := c.put(ctx, strings.NewReader("a"), 1)
	if err != nil {
		return "", err
	}
	long, cancel := lasting(ctx)
	defer cancel()
	_, err = c.b.calls.PutObject(long, &s3.PutObjectInput{
		Bucket: &c.b.name, Key: &key, IfNoneMatch: aws.String("*"), Body: strings.NewReader("b"),
	})
	if err == nil {
		return "", errors.New("an object was written over in spite of the condition")
	}
	if _, status := answer(err); status != http.StatusPreconditionFailed && status != http.StatusConflict {
		return "", bucketError(err)
	}
	c.tidy(ctx, key)
	return "", nil
}

// tryChecksums writes with a checksum that the server is to compare: in a
// trailer of an aws-chunked body through TLS, in a header else.
func tryChecksums(ctx context.Context, c *BucketCheck) (string, error) {
	key, err := c.newKey()
	if err != nil {
		return "", err
	}
	c.note(key)
	long, cancel := lasting(ctx)
	defer cancel()
	_, err = c.b.calls.PutObject(long, &s3.PutObjectInput{
		Bucket: &c.b.name, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32, Body: bytes.NewReader(c.state.data),
	})
	if err != nil {
		return "", bucketError(err)
	}
	if err := c.holds(ctx, key, c.state.data); err != nil {
		return "", err
	}
	text := "in a trailer"
	if strings.HasPrefix(c.o.S3.Endpoint, "http://") {
		text = "in a header; trailers need TLS"
	}
	c.tidy(ctx, key)
	return text, nil
}

// tryLatency asks for the sample a few times.
func tryLatency(ctx context.Context, c *BucketCheck) (string, error) {
	const times = 10
	took := make([]time.Duration, times)
	for i := range took {
		start := c.now()
		if _, err := c.store.Head(ctx, c.state.key); err != nil {
			return "", notFound(err)
		}
		took[i] = c.now().Sub(start)
	}
	slices.Sort(took)
	return fmt.Sprintf("%s median, %s at most", shortTime(took[times/2]), shortTime(took[times-1])), nil
}

func shortTime(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
