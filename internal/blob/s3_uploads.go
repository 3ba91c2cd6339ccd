package blob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// longestID is more than any server is known to give.
const longestID = 2048

// possible is ErrUploadNotFound for an ID that no server gave. Some servers
// take IDs for names of files, or answer with anything but NoSuchUpload.
func (u Upload) possible() error {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	dots := func(name string) bool { return name == "." || name == ".." }
	if len(u.ID) > longestID || strings.ContainsFunc(u.ID, odd) || slices.ContainsFunc(strings.Split(u.ID, "/"), dots) {
		return ErrUploadNotFound
	}
	return nil
}

func (b *bucket) create(ctx context.Context, key string) (string, error) {
	out, err := b.calls.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return "", bucketError(err)
	}
	if aws.ToString(out.UploadId) == "" {
		return "", fmt.Errorf("%w: it began an upload and did not name it", ErrUnavailable)
	}
	return *out.UploadId, nil
}

func (b *bucket) putPart(ctx context.Context, u Upload, n int, src *body) (string, error) {
	if err := u.possible(); err != nil {
		return "", err
	}
	s := &stream{b: src}
	out, err := b.writes.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &b.name, Key: &u.Key, UploadId: &u.ID, PartNumber: aws.Int32(int32(n)),
		ContentLength: &src.size, Body: s,
	})
	if err != nil {
		return b.sent(ctx, s, nil, err)
	}
	return b.sent(ctx, s, out.ETag, nil)
}

func (b *bucket) parts(ctx context.Context, u Upload, after, limit int) ([]PartInfo, error) {
	if err := u.possible(); err != nil {
		return nil, err
	}
	out, err := b.calls.ListParts(ctx, &s3.ListPartsInput{
		Bucket: &b.name, Key: &u.Key, UploadId: &u.ID, MaxParts: aws.Int32(int32(limit)),
		PartNumberMarker: aws.String(strconv.Itoa(max(0, after))),
	})
	if err != nil {
		return nil, bucketError(err)
	}
	var page []PartInfo
	for _, p := range out.Parts {
		page = append(page, PartInfo{
			Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size),
			ETag: bareETag(p.ETag), Modified: wholeSeconds(p.LastModified),
		})
	}
	return page, nil
}

func (b *bucket) complete(ctx context.Context, u Upload, parts []PartRef) error {
	if err := u.possible(); err != nil {
		return err
	}
	completed := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		completed[i] = types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(`"` + p.ETag + `"`)}
	}
	out, err := b.calls.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: &u.Key, UploadId: &u.ID,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
	})
	if err != nil {
		return bucketError(err)
	}
	// The status is sent before the work is done; only the body tells the end.
	if aws.ToString(out.ETag) == "" {
		return fmt.Errorf("%w: its answer to a complete was cut", ErrUnavailable)
	}
	return nil
}

func (b *bucket) abort(ctx context.Context, u Upload) error {
	err := u.possible()
	if err == nil {
		_, err = b.calls.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &u.Key, UploadId: &u.ID})
	}
	if err = bucketError(err); errors.Is(err, ErrUploadNotFound) {
		return nil
	}
	return err
}

// unfinished asks without a prefix, which some servers take for a whole key,
// and continues after whole keys, since some do not take a mark within one. It
// passes over what others are uploading.
func (b *bucket) unfinished(ctx context.Context, after UploadMark, limit int) ([]UploadInfo, UploadMark, error) {
	in := &s3.ListMultipartUploadsInput{Bucket: &b.name, MaxUploads: aws.Int32(int32(min(limit+1, MaxPage)))}
	for mark := after; ; {
		in.KeyMarker, in.UploadIdMarker = nonEmpty(mark.Key), nonEmpty(mark.ID)
		out, err := b.calls.ListMultipartUploads(ctx, in)
		if err != nil {
			return nil, UploadMark{}, bucketError(err)
		}
		if !aws.ToBool(out.IsTruncated) && len(out.Uploads) <= limit {
			return ourUploads(out.Uploads), UploadMark{}, nil
		}
		if len(out.Uploads) == 0 {
			return nil, UploadMark{}, fmt.Errorf("%w: a listing that cannot be continued", ErrUnavailable)
		}
		listed, next := cutPage(out.Uploads, limit)
		page := ourUploads(listed)
		if len(page) == 0 {
			mark = UploadMark{Key: next.Key}
			continue
		}
		if !ValidKey(next.Key) {
			next = UploadMark{Key: page[len(page)-1].Key}
		}
		return page, next, nil
	}
}

// cutPage ends a page that others follow after the last key of which nothing
// can follow, or else within its only key.
func cutPage(listed []types.MultipartUpload, limit int) ([]types.MultipartUpload, UploadMark) {
	for i := min(limit, len(listed)-1); i > 0; i-- {
		if last := aws.ToString(listed[i-1].Key); last != aws.ToString(listed[i].Key) {
			return listed[:i], UploadMark{Key: last}
		}
	}
	listed = listed[:min(limit, len(listed))]
	last := listed[len(listed)-1]
	return listed, UploadMark{Key: aws.ToString(last.Key), ID: aws.ToString(last.UploadId)}
}

func ourUploads(listed []types.MultipartUpload) []UploadInfo {
	var ours []UploadInfo
	for _, u := range listed {
		if key := aws.ToString(u.Key); ValidKey(key) {
			ours = append(ours, UploadInfo{
				Upload: Upload{Key: key, ID: aws.ToString(u.UploadId)}, Initiated: wholeSeconds(u.Initiated),
			})
		}
	}
	return ours
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
