package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	checkPart = 5 << 20 // the least of a part that another follows
	checkLast = 64 << 10
)

// begin begins an upload under a new key.
func (c *BucketCheck) begin(ctx context.Context) (u Upload, err error) {
	if u.Key, err = c.newKey(); err != nil || ctx.Err() != nil {
		return u, errors.Join(err, context.Cause(ctx))
	}
	long, cancel := lasting(ctx)
	defer cancel()
	if u.ID, err = c.store.CreateUpload(long, u.Key); err != nil {
		return u, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[u] = true
	return u, nil
}

func (c *BucketCheck) sendPart(ctx context.Context, u Upload, n int, r io.Reader, size int64) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	long, cancel := lasting(ctx)
	defer cancel()
	return c.store.PutPart(long, u, n, checkBody{ctx, r}, size)
}

func (c *BucketCheck) complete(ctx context.Context, u Upload, refs []PartRef) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.note(u.Key)
	long, cancel := lasting(ctx)
	defer cancel()
	return c.store.Complete(long, u, refs)
}

// ended forgets an upload that is no more.
func (c *BucketCheck) ended(u Upload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, u)
}

func tryUpload(ctx context.Context, c *BucketCheck) (string, error) {
	u, err := c.begin(ctx)
	c.state.upload = u
	return "", err
}

// tryParts sends the last part first. Each goes out once, with its exact length
// and without a hash.
func tryParts(ctx context.Context, c *BucketCheck) (string, error) {
	s := &c.state
	s.first, s.last = noiseOf(1, checkPart), noiseOf(2, checkLast)
	last, err := c.sendPart(ctx, s.upload, 2, bytes.NewReader(s.last), checkLast)
	if err != nil {
		return "", fmt.Errorf("part 2: %w", err)
	}
	first, err := c.sendPart(ctx, s.upload, 1, bytes.NewReader(s.first), checkPart)
	if err != nil {
		return "", fmt.Errorf("part 1: %w", err)
	}
	s.refs = []PartRef{{1, first}, {2, last}}
	return "", nil
}

// tryRepeat sends a part again with other bytes, which then count.
func tryRepeat(ctx context.Context, c *BucketCheck) (string, error) {
	s := &c.state
	data := noiseOf(3, checkLast-1000)
	etag, err := c.sendPart(ctx, s.upload, 2, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", err
	}
	s.last, s.refs[1].ETag = data, etag
	return "", c.partIs(ctx, 2, int64(len(data)), "the later part does not count")
}

// tryPartCut sends it a third time and cuts it.
func tryPartCut(ctx context.Context, c *BucketCheck) (string, error) {
	s := &c.state
	cut := io.MultiReader(io.LimitReader(noise(4), checkCut/2), readerOf(errCutByCheck))
	if _, err := c.sendPart(ctx, s.upload, 2, cut, checkCut); err == nil || !errors.Is(err, errCutByCheck) && !errors.Is(err, ErrUnavailable) {
		return "", errors.Join(errors.New("a cut part was answered otherwise than with an error of the connection"), err)
	}
	if err := pause(ctx, c.settles()); err != nil {
		return "", err
	}
	return "", c.partIs(ctx, 2, int64(len(s.last)), "the earlier part is gone after a repeat that was cut")
}

func (c *BucketCheck) partIs(ctx context.Context, n int, size int64, otherwise string) error {
	parts, err := c.store.Parts(ctx, c.state.upload, 0, 0)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(parts, func(p PartInfo) bool { return p.Number == n })
	return unless(i >= 0 && parts[i].Size == size, otherwise)
}

func tryPartsListed(ctx context.Context, c *BucketCheck) (string, error) {
	s := &c.state
	parts, err := c.store.Parts(ctx, s.upload, 0, 0)
	if err != nil {
		return "", err
	}
	if len(parts) != 2 || parts[0].Number != 1 || parts[1].Number != 2 {
		return "", fmt.Errorf("%d parts are listed instead of 2, or in another order", len(parts))
	}
	if parts[0].Size != checkPart || parts[1].Size != int64(len(s.last)) {
		return "", fmt.Errorf("the parts are listed with %d and %d bytes instead of %d and %d", parts[0].Size, parts[1].Size, checkPart, len(s.last))
	}
	return "", nil
}

// tryUploads looks for the unfinished upload among all of the bucket.
func tryUploads(ctx context.Context, c *BucketCheck) (string, error) {
	seen, count := false, 0
	err := c.eachUpload(ctx, func(u UploadInfo) {
		seen = seen || u.Upload == c.state.upload
		count++
	})
	if err == nil {
		err = unless(seen, "an unfinished upload is not listed")
	}
	return fmt.Sprintf("%d unfinished in the bucket", count), err
}

func (c *BucketCheck) eachUpload(ctx context.Context, do func(UploadInfo)) error {
	for mark := (UploadMark{}); ; {
		page, next, err := c.store.Uploads(ctx, mark, 0)
		if err != nil {
			return err
		}
		for _, u := range page {
			do(u)
		}
		if mark = next; mark == (UploadMark{}) {
			return nil
		}
	}
}

// tryComplete makes the object and reads it back: the repeated part as it was
// last, and nothing of the one that was cut.
func tryComplete(ctx context.Context, c *BucketCheck) (string, error) {
	s := &c.state
	if err := c.complete(ctx, s.upload, s.refs); err != nil {
		return "", err
	}
	c.ended(s.upload)
	s.object = slices.Concat(s.first, s.last)
	return "", c.holds(ctx, s.upload.Key, s.object)
}

// tryCompleteAgain is what follows when an answer was lost.
func tryCompleteAgain(ctx context.Context, c *BucketCheck) (string, error) {
	s := &c.state
	err := c.complete(ctx, s.upload, s.refs)
	text := "answered as the first"
	if errors.Is(err, ErrUploadNotFound) {
		text, err = "answered with NoSuchUpload", nil
	}
	if err != nil {
		return "", err
	}
	if err := c.holds(ctx, s.upload.Key, s.object); err != nil {
		return "", fmt.Errorf("after the repeat: %w", err)
	}
	c.tidy(ctx, s.upload.Key)
	return text, nil
}

// tryAbort ends an upload that has a part.
func tryAbort(ctx context.Context, c *BucketCheck) (string, error) {
	u, err := c.begin(ctx)
	if err != nil {
		return "", err
	}
	if _, err := c.sendPart(ctx, u, 1, bytes.NewReader(c.state.data), checkObject); err != nil {
		return "", err
	}
	if err := c.store.Abort(ctx, u); err != nil {
		return "", err
	}
	c.state.gone = u
	if _, err := c.store.Parts(ctx, u, 0, 0); !errors.Is(err, ErrUploadNotFound) {
		return "", errors.Join(errors.New("an aborted upload still lists its parts"), err)
	}
	c.ended(u)
	return "", nil
}

func tryAbortAgain(ctx context.Context, c *BucketCheck) (string, error) {
	return "", c.store.Abort(ctx, c.state.gone)
}
