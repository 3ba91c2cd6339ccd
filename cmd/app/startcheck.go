package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/jobs"
)

// queueTimeout bounds asking Redis, and refusedPause is between the tries of a
// bucket that refuses.
const (
	queueTimeout = 5 * time.Second
	refusedPause = 300 * time.Millisecond
)

// checkStores asks bucket and Redis once, both at the same time, before a role
// relies on them. What they refuse is a mistake in the settings. One that does
// not answer ends a command, and no server: it may come back, and /readyz tells
// of it meanwhile.
func (p *parts) checkStores(ctx context.Context, r role) error {
	var bucket, queue error
	var asking sync.WaitGroup
	if p.cfg.UsesBucket() && (r.isServer() || r.stores) {
		asking.Go(func() { bucket = p.askBucket(ctx) })
	}
	if p.cfg.UsesRedis() && p.queue != nil {
		asking.Go(func() { queue = p.askQueue(ctx) })
	}
	asking.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return cmp.Or(p.judgeBucket(r, bucket), p.judgeQueue(r, queue))
}

// askBucket asks a bucket again that refuses, since some say no when they are
// ill, within the time that a connection may take.
func (p *parts) askBucket(ctx context.Context) error {
	o := bucketOptions(p.cfg, 0)
	limited, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	err := blob.Reach(ctx, o)
	for range 2 {
		if wrong, ok := errors.AsType[*blob.SettingError](err); !ok || wrong.Silent {
			return err
		}
		select {
		case <-time.After(refusedPause):
		case <-limited.Done():
			return err
		}
		again := blob.Reach(limited, o)
		if limited.Err() != nil {
			return err
		}
		err = again
	}
	return err
}

func (p *parts) judgeBucket(r role, err error) error {
	wrong, isSetting := errors.AsType[*blob.SettingError](err)
	switch {
	case err == nil:
		return nil
	case isSetting && wrong.Silent && r.isServer(), errors.Is(err, blob.ErrUnavailable) && r.isServer():
		p.log.Warn("the bucket does not answer: /readyz is 503 until it does", "endpoint", p.cfg.S3Endpoint(), "error", err)
		return nil
	case isSetting:
		return wrongBucket(p.cfg, wrong)
	}
	return fmt.Errorf("%s: the bucket %s at %s: %w", settingName(p.cfg, blob.SettingEndpoint), p.cfg.S3.Bucket, p.cfg.S3Endpoint(), err)
}

func (p *parts) askQueue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	return p.queue.Check(ctx)
}

func (p *parts) judgeQueue(r role, err error) error {
	if err == nil {
		return nil
	}
	if r.isServer() && !errors.Is(err, jobs.ErrDenied) {
		p.log.Warn("Redis does not answer: the sweep finds work until it does", "error", err)
		return nil
	}
	return wrongQueue(p.cfg, err)
}

// wrongQueue is a Redis that cannot be used, as its operator knows it.
func wrongQueue(cfg *config.Config, err error) error {
	return userError{fmt.Errorf("%s: %w", cfg.NameOf("redis.url"), err)}
}

// wrongBucket is a setting with which the bucket cannot be used, in a sentence.
func wrongBucket(cfg *config.Config, wrong *blob.SettingError) error {
	if wrong.Setting == blob.SettingClock {
		return userError{fmt.Errorf("%s: let it follow a time server", wrong.Cause)}
	}
	return userError{fmt.Errorf("%s: %s", settingName(cfg, wrong.Setting), wrong.Cause)}
}

// settingName is a setting of the bucket as its operator gave it.
func settingName(cfg *config.Config, s blob.Setting) string {
	switch s {
	case blob.SettingEndpoint:
		return cfg.NameOf("s3.endpoint")
	case blob.SettingRegion:
		return cfg.NameOf("s3.region")
	case blob.SettingBucket:
		return cfg.NameOf("s3.bucket")
	case blob.SettingAccessKey:
		return cfg.NameOf("s3.access_key")
	case blob.SettingSecretKey:
		return cfg.NameOf("s3.secret_key")
	case blob.SettingKeys:
		return cfg.NameOf("s3.access_key") + " and " + cfg.NameOf("s3.secret_key")
	}
	return string(s)
}
