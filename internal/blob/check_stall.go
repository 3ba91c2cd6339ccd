package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// stalling is a body that stops half-way until it is told to end.
type stalling struct {
	ctx  context.Context
	data io.Reader
	end  chan struct{}
	once sync.Once
}

func (s *stalling) Read(p []byte) (int, error) {
	if n, err := s.data.Read(p); err == nil {
		return n, nil
	}
	select {
	case <-s.end:
	case <-s.ctx.Done():
	}
	return 0, errCutByCheck
}

func (s *stalling) Close() error {
	s.once.Do(func() { close(s.end) })
	return nil
}

// heard is a connection that tells when its other side is gone. Nobody else
// would notice while the body is silent.
type heard struct {
	net.Conn
	gone func() error
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if err != nil {
		_ = h.gone() // the body's end is not ours to report
	}
	return n, err
}

// stallOutcome is what a stalled body came to.
type stallOutcome struct {
	key  string
	took time.Duration
	err  error
}

// startStall stops in the middle of a body, beside all other rows. The returned
// function ends it and waits for its end.
func (c *BucketCheck) startStall(ctx context.Context) (end func()) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Stall)
	outcome := make(chan stallOutcome, 1)
	c.stalled = outcome
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer cancel()
		outcome <- c.stall(ctx)
	}()
	return func() { cancel(); <-over }
}

func (c *BucketCheck) stall(ctx context.Context) (o stallOutcome) {
	if o.key, o.err = c.newKey(); o.err != nil {
		return o
	}
	c.note(o.key)
	body := &stalling{ctx: ctx, data: io.LimitReader(noise(5), checkCut/2), end: make(chan struct{})}
	start := c.now()
	err := c.sendStalling(ctx, o.key, body)
	o.took = c.now().Sub(start)
	switch {
	case err == nil:
		o.err = errors.New("half a body was confirmed as a whole one")
	case ctx.Err() != nil:
		o.took = c.o.Stall
	}
	return o
}

// tryStall waits for the bucket to give up. Both are fine, that it does and that
// it does not: this program has limits of its own. But nothing may come of half
// a body.
func tryStall(ctx context.Context, c *BucketCheck) (string, error) {
	var o stallOutcome
	select {
	case o = <-c.stalled:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if c.state.silent = o.took; o.err != nil {
		return "", o.err
	}
	if err := pause(ctx, c.settles()); err != nil {
		return "", err
	}
	if err := c.absent(ctx, o.key, "an object came of half a body"); err != nil {
		return "", err
	}
	if o.took >= c.o.Stall {
		return fmt.Sprintf("the bucket waits longer than %s", c.o.Stall), nil
	}
	return fmt.Sprintf("the bucket gave up after %s", o.took.Round(100*time.Millisecond)), nil
}

func (c *BucketCheck) sendStalling(ctx context.Context, key string, body *stalling) error {
	o := c.o.S3
	o.ReadTimeout = c.o.Stall + time.Minute // the bucket's patience is to be measured, not ours
	t := o.transport(1, buffers{read: callBuffer, write: headBuffer}, func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := o.dialToReset(nil)(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return heard{conn, body.Close}, nil
	})
	t.TLSClientConfig = c.b.transports[0].TLSClientConfig
	defer t.CloseIdleConnections()
	defer body.Close()
	client := s3.New(o.client(t, c.b.writes.Options().Retryer), func(so *s3.Options) { so.APIOptions = c.b.writes.Options().APIOptions })
	// An answer too comes while the body is silent, and would wait for its end.
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { body.Close() }})
	size := int64(checkCut)
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &c.b.name, Key: &key, ContentLength: &size, Body: body})
	return err
}
