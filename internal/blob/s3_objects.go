package blob

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// stream is a body on its way to the store. It knows its longest pause.
type stream struct {
	b       *body
	longest atomic.Int64 // nanoseconds
}

func (s *stream) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := s.b.Read(p)
	if d := int64(time.Since(start)); d > s.longest.Load() {
		s.longest.Store(d)
	}
	return n, err
}

// sent judges the outcome of a request with a body. Success needs an ETag and a
// body that was read to its end: whoever answers before that does not hold it.
func (b *bucket) sent(ctx context.Context, s *stream, etag *string, err error) (string, error) {
	if err == nil {
		if !s.b.whole() || aws.ToString(etag) == "" {
			return "", fmt.Errorf("%w: it confirmed a body that it cannot have stored", ErrUnavailable)
		}
		return bareETag(etag), nil
	}
	err = bucketError(err)
	// A store that gave the body up may close the connection without a word.
	if !classed(err) && ctx.Err() == nil && time.Duration(s.longest.Load()) >= b.slow {
		return "", fmt.Errorf("%w: %w", ErrStalled, err)
	}
	return "", err
}

func (b *bucket) put(ctx context.Context, key string, src *body) (string, error) {
	s := &stream{b: src}
	in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, ContentLength: &src.size, Body: s}
	if src.size == 0 {
		// HTTP takes a body of length 0 for one of unknown length.
		if _, err := s.Read(make([]byte, 1)); err != io.EOF {
			return "", err
		}
		in.Body = nil
	}
	out, err := b.writes.PutObject(ctx, in)
	if err != nil {
		return b.sent(ctx, s, nil, err)
	}
	return b.sent(ctx, s, out.ETag, nil)
}

// head believes a 404 only of a bucket that is there: the answer to HEAD has no
// code that would tell a missing object from a missing bucket.
func (b *bucket) head(ctx context.Context, key string) (Info, error) {
	out, err := b.calls.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		if _, status := answer(err); status == http.StatusNotFound {
			err = fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return Info{}, b.explain(ctx, err)
	}
	if out.ContentLength == nil {
		return Info{}, fmt.Errorf("%w: an object without a size", ErrUnavailable)
	}
	return Info{Key: key, Size: *out.ContentLength, ETag: bareETag(out.ETag), Modified: wholeSeconds(out.LastModified)}, nil
}

func (b *bucket) open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	out, err := b.reads.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.name, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1)),
	})
	if err != nil {
		if _, status := answer(err); status == http.StatusRequestedRangeNotSatisfiable {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, bucketError(err)
	}
	served, err := servedRange(out, off, n)
	if err != nil {
		out.Body.Close() // it is of no use, whatever its end
		return nil, err
	}
	return &arriving{ReadCloser: out.Body, left: served}, nil
}

// servedRange is the number of bytes that an answer brings of the n asked for:
// all, or those up to the object's end. Any other range is somebody's mistake
// on the way, and not what the object holds.
func servedRange(out *s3.GetObjectOutput, off, n int64) (int64, error) {
	var first, last, size int64
	header := aws.ToString(out.ContentRange)
	if _, err := fmt.Sscanf(header, "bytes %d-%d/%d", &first, &last, &size); err != nil {
		return 0, fmt.Errorf("%w: asked for a range, it sent %.80q", ErrUnavailable, header)
	}
	served := last - first + 1
	if first != off || served != min(n, size-off) || out.ContentLength == nil || *out.ContentLength != served {
		return 0, fmt.Errorf("%w: asked for bytes from %d to %d, it sent %.80q", ErrUnavailable, off, off+n-1, header)
	}
	return served, nil
}

// arriving tells a connection that ended early from an object that did.
type arriving struct {
	io.ReadCloser
	left int64
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.left -= int64(n)
	if (err == io.EOF || err == io.ErrUnexpectedEOF) && a.left > 0 {
		return n, fmt.Errorf("%w: the answer ended %d bytes early", ErrUnavailable, a.left)
	}
	return n, err
}

func (b *bucket) remove(ctx context.Context, key string) error {
	_, err := b.calls.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	if code, _ := answer(err); code == "NoSuchKey" {
		return nil
	}
	return bucketError(err)
}

// list passes over what others keep in the bucket.
func (b *bucket) list(ctx context.Context, after string, limit int) ([]Info, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: &b.name, Prefix: aws.String(keyVersion + "/"), StartAfter: &after, MaxKeys: aws.Int32(int32(limit)),
	}
	for {
		out, err := b.calls.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, bucketError(err)
		}
		var page []Info
		for _, o := range out.Contents {
			if key := aws.ToString(o.Key); ValidKey(key) && key > after {
				page = append(page, Info{
					Key: key, Size: aws.ToInt64(o.Size), ETag: bareETag(o.ETag), Modified: wholeSeconds(o.LastModified),
				})
			}
		}
		if len(page) > 0 || !aws.ToBool(out.IsTruncated) {
			return page, nil
		}
		if aws.ToString(out.NextContinuationToken) == "" {
			return nil, fmt.Errorf("%w: a listing that cannot be continued", ErrUnavailable)
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// bareETag is an ETag without the quotes that HTTP puts around it and some
// servers leave out in XML.
func bareETag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// wholeSeconds makes the times of headers and of listings the same.
func wholeSeconds(t *time.Time) time.Time { return aws.ToTime(t).UTC().Truncate(time.Second) }
