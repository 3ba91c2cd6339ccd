package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// leftoverAge is from when on what another check left is nobody's: that
	// check was killed.
	leftoverAge = time.Hour
	cleanRounds = 4
	cleanAtOnce = 8
)

// finish takes away everything under the check's prefix, and makes the row that
// says so.
func (c *BucketCheck) finish(ctx context.Context, report *Report) {
	row := Row{Capability: nameCleanup, Needed: true, Result: ResultOK}
	if report.Problem != nil || c.problem != nil {
		row.Result, row.Found = ResultSkipped, "nothing was written"
		report.Rows = append(report.Rows, row)
		return
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), cleanTimeout, noAnswer(cleanTimeout))
	defer cancel()
	start := c.now()
	others, err := c.clean(ctx)
	row.Took = c.now().Sub(start)
	row.Found = "nothing is left"
	if others > 0 {
		row.Found += fmt.Sprintf(", nor %d things of a check that was killed", others)
	}
	if report.Left = c.left(); err != nil || len(report.Left) > 0 {
		row.Result = ResultFailed
		row.Found = fmt.Sprintf("%d objects or uploads may be left under %s", len(report.Left), c.prefix)
		if err != nil {
			row.Found += ": " + c.words(err)
		}
		row.Advice = fmt.Sprintf("aws s3 rm --recursive s3://%s/%s%s; see also the row delete", c.b.name, c.prefix, c.endpointFlag())
	}
	report.Rows = append(report.Rows, row)
}

// left are the keys of which it is not known that they are gone.
func (c *BucketCheck) left() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := slices.Collect(maps.Keys(c.keys))
	for u := range c.open {
		keys = append(keys, u.Key+" (upload "+u.ID+")")
	}
	slices.Sort(keys)
	return keys
}

// clean goes on until the bucket shows nothing any more. What it cannot list it
// takes away by what it remembers.
func (c *BucketCheck) clean(ctx context.Context) (others int, err error) {
	found := 0
	for round := range cleanRounds {
		if round > 0 {
			if err := pause(ctx, c.settles()); err != nil {
				return others, err
			}
		}
		err = errors.Join(c.forget(ctx), c.cleanUploads(ctx, &others))
		var listErr error
		found, listErr = c.cleanListed(ctx, &others)
		err = errors.Join(err, listErr)
		if err == nil && found == 0 {
			return others, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("the bucket showed %d more each time that everything was deleted, %d times", found, cleanRounds)
	}
	return others, err
}

// forget takes away what is remembered.
func (c *BucketCheck) forget(ctx context.Context) error {
	c.mu.Lock()
	keys, open := slices.Collect(maps.Keys(c.keys)), slices.Collect(maps.Keys(c.open))
	c.mu.Unlock()
	return errors.Join(
		each(open, func(u Upload) error { return c.drop(ctx, u) }),
		each(keys, func(key string) error { return c.delete(ctx, key) }),
	)
}

func (c *BucketCheck) drop(ctx context.Context, u Upload) error {
	if err := c.store.Abort(ctx, u); err != nil {
		return err
	}
	c.ended(u)
	return nil
}

// tidy takes objects away before the end. What it leaves is left to clean, whose
// row says why.
func (c *BucketCheck) tidy(ctx context.Context, keys ...string) {
	for _, key := range keys {
		if c.delete(ctx, key) != nil {
			return
		}
	}
}

// cleanUploads aborts what is unfinished under the prefix, which may be what a
// lost answer began.
func (c *BucketCheck) cleanUploads(ctx context.Context, others *int) error {
	var ours []Upload
	err := c.eachUpload(ctx, func(u UploadInfo) {
		if c.isLeftover(u.Key, u.Initiated, others) {
			ours = append(ours, u.Upload)
		}
	})
	if errors.Is(err, ErrDenied) {
		err = nil // its row says so, and what is remembered is aborted all the same
	}
	return errors.Join(err, each(ours, func(u Upload) error { return c.drop(ctx, u) }))
}

// isLeftover tells whether something is this check's, or of one that was killed.
func (c *BucketCheck) isLeftover(key string, at time.Time, others *int) bool {
	if strings.HasPrefix(key, c.prefix) {
		return true
	}
	old := strings.HasPrefix(key, checkPrefix) && c.now().Add(-c.skew).Sub(at) > leftoverAge
	if old {
		*others++
	}
	return old
}

// listedObject is one entry of a listing, of a version where there are some.
type listedObject struct {
	key, version string
	at           time.Time
}

// cleanListed deletes what the bucket shows, in all versions, and counts it.
func (c *BucketCheck) cleanListed(ctx context.Context, others *int) (found int, err error) {
	listed, err := c.objects(ctx, checkPrefix, 0)
	if errors.Is(err, ErrDenied) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var ours []listedObject
	for _, o := range listed {
		if c.isLeftover(o.key, o.at, others) {
			ours = append(ours, o)
		}
	}
	err = each(ours, func(o listedObject) error { return c.delete(ctx, o.key) })
	versions, listErr := c.versions(ctx)
	if listErr == nil {
		err = errors.Join(err, each(versions, func(o listedObject) error { return c.deleteVersion(ctx, o) }))
	} else if c.state.versioned {
		err = errors.Join(err, fmt.Errorf("old versions stay: %w", listErr))
	}
	return len(ours) + len(versions), err
}

// objects lists everything under a prefix, page by page.
func (c *BucketCheck) objects(ctx context.Context, prefix string, page int32) (all []listedObject, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &c.b.name, Prefix: &prefix}
	if page > 0 {
		in.MaxKeys = &page
	}
	for {
		out, err := c.b.calls.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, bucketError(err)
		}
		for _, o := range out.Contents {
			all = append(all, listedObject{key: aws.ToString(o.Key), at: aws.ToTime(o.LastModified)})
		}
		if in.ContinuationToken = out.NextContinuationToken; !aws.ToBool(out.IsTruncated) || in.ContinuationToken == nil {
			return all, nil
		}
	}
}

// versions lists what versioning keeps under this check's prefix.
func (c *BucketCheck) versions(ctx context.Context) (all []listedObject, err error) {
	in := &s3.ListObjectVersionsInput{Bucket: &c.b.name, Prefix: &c.prefix}
	for {
		out, err := c.b.calls.ListObjectVersions(ctx, in)
		if err != nil {
			return nil, bucketError(err)
		}
		for _, v := range out.Versions {
			all = append(all, listedObject{key: aws.ToString(v.Key), version: aws.ToString(v.VersionId)})
		}
		for _, m := range out.DeleteMarkers {
			all = append(all, listedObject{key: aws.ToString(m.Key), version: aws.ToString(m.VersionId)})
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		if !aws.ToBool(out.IsTruncated) || in.KeyMarker == nil {
			return all, nil
		}
	}
}

func (c *BucketCheck) deleteVersion(ctx context.Context, o listedObject) error {
	_, err := c.b.calls.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &c.b.name, Key: &o.key, VersionId: &o.version,
	})
	return bucketError(err)
}

// each does something for all, a few at a time.
func each[T any](all []T, do func(T) error) error {
	errs := make([]error, len(all))
	slots := make(chan struct{}, cleanAtOnce)
	var running sync.WaitGroup
	for i, one := range all {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(one)
		})
	}
	running.Wait()
	return cmp.Or(errs...)
}
