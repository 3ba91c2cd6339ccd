package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

func tryOneStream(ctx context.Context, c *BucketCheck) (string, error) { return c.throughput(ctx, 1) }

func tryEightStreams(ctx context.Context, c *BucketCheck) (string, error) {
	return c.throughput(ctx, 8)
}

// throughput sends Size bytes in so many streams at once, reads them back in
// as many, and takes them away.
func (c *BucketCheck) throughput(ctx context.Context, streams int) (string, error) {
	size := max(1, c.o.Size/int64(streams))
	keys := make([]string, streams)
	up, err := c.timed(streams, func(i int) (err error) {
		keys[i], err = c.put(ctx, io.LimitReader(noise(rand.Uint64()), size), size)
		return err
	})
	if err != nil {
		return "", err
	}
	down, err := c.timed(streams, func(i int) error {
		rc, err := c.store.Range(ctx, keys[i], 0, size)
		if err != nil {
			return notFound(err)
		}
		_, err = io.Copy(io.Discard, rc)
		return errors.Join(err, rc.Close())
	})
	if err != nil {
		return "", err
	}
	c.tidy(ctx, keys...)
	all := size * int64(streams)
	return fmt.Sprintf("%s up, %s down", rate(all, up), rate(all, down)), nil
}

// timed does something in so many goroutines at once.
func (c *BucketCheck) timed(streams int, do func(i int) error) (time.Duration, error) {
	errs := make([]error, streams)
	start := c.now()
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return c.now().Sub(start), errors.Join(errs...)
}

func rate(bytes int64, d time.Duration) string {
	v := float64(bytes) / 1e6 / max(d.Seconds(), 1e-6)
	if v >= 100 {
		return fmt.Sprintf("%.0f MB/s", v)
	}
	return fmt.Sprintf("%.3g MB/s", v)
}
