package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/jobs"
)

// checkStores asks bucket and Redis once at the start of a server or worker.
// What they refuse is a mistake in the settings and ends the start. One that does
// not answer may come back: /readyz tells of it meanwhile.
func (p *parts) checkStores(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.S3.ConnectTimeout)
	defer cancel()
	if p.cfg.UsesBucket() {
		err := p.refusedThrice(ctx)
		if variable := bucketVariable(err); variable != "" {
			return userError{fmt.Errorf("%s: bucket %s at %s: %w", variable, p.cfg.S3.Bucket, p.cfg.S3Endpoint(), err)}
		}
		if err != nil {
			p.log.Warn("the bucket does not answer: /readyz is 503 until it does", "endpoint", p.cfg.S3Endpoint(), "error", err)
		}
	}
	if p.cfg.UsesRedis() && p.queue != nil {
		err := p.queue.Check(ctx)
		if errors.Is(err, jobs.ErrDenied) {
			return userError{fmt.Errorf("REDIS_URL: %w", err)}
		}
		if err != nil {
			p.log.Warn("Redis does not answer: the sweep finds work until it does", "error", err)
		}
	}
	return nil
}

// refusedThrice asks a bucket again that refuses, since some say no when they
// are ill.
func (p *parts) refusedThrice(ctx context.Context) (err error) {
	for range 3 {
		if err = p.blobs.Check(ctx); bucketVariable(err) == "" {
			return err
		}
		select {
		case <-time.After(refusedPause):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

const refusedPause = 300 * time.Millisecond

// bucketVariable names the setting that a bucket's refusal is about, "" for what
// is no refusal.
func bucketVariable(err error) string {
	for _, of := range []struct {
		refusal  error
		variable string
	}{
		{blob.ErrAccessKey, "WASABI_ACCESS_KEY"},
		{blob.ErrSecretKey, "WASABI_SECRET_KEY"},
		{blob.ErrRegion, "WASABI_REGION"},
		{blob.ErrClock, "the clock of this machine"},
		{blob.ErrNoBucket, "WASABI_BUCKET_NAME, or WASABI_REGION and WASABI_ENDPOINT_URL"},
		{blob.ErrDenied, "WASABI_ACCESS_KEY"},
	} {
		if errors.Is(err, of.refusal) {
			return of.variable
		}
	}
	return ""
}
