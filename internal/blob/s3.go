package blob

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Defaults of S3Options.
const (
	defaultPoolSize       = 50
	defaultMaxStreams     = 64
	defaultAttempts       = 3
	defaultConnectTimeout = 10 * time.Second
	defaultReadTimeout    = 60 * time.Second
)

// S3Options configure a store in a bucket of S3, or of a server that speaks its
// protocol. Bucket, Region, AccessKey and SecretKey are required.
type S3Options struct {
	Bucket string
	// Endpoint is the URL of the server, without the bucket. Empty is AWS itself.
	Endpoint  string
	Region    string
	AccessKey string
	SecretKey string
	// VirtualHost names the bucket in the host's name and not in the path.
	VirtualHost bool
	// PoolSize bounds the connections for calls without a body of their own;
	// 50 by default. More calls wait.
	PoolSize int
	// MaxStreams bounds the connections that bodies go out on, and likewise
	// those that ranges come in on; 64 each by default. More bodies wait.
	MaxStreams int
	// Attempts is how often a call is tried, with adaptive waits in between; 3
	// by default. A body is sent once, since it can be read only once.
	Attempts int
	// ConnectTimeout bounds the making of a connection, and then its TLS
	// handshake; 10 s by default.
	ConnectTimeout time.Duration
	// ReadTimeout ends a connection of a request on which no byte moved for so
	// long, in either direction; 60 s by default. No request has a limit on
	// the whole of its time.
	ReadTimeout time.Duration
	// Now is the clock of Observe; time.Now by default.
	Now func() time.Time
	// Observe is called after each step with its context, name, duration and error.
	Observe func(ctx context.Context, op string, d time.Duration, err error)
	// Log hears of attempts that are repeated, at level debug; nil is silent.
	Log *slog.Logger
}

// bucket is the driver of OpenS3. Calls, bodies on their way in and bodies on
// their way out have connections of their own, so that slow guests keep no
// call waiting.
type bucket struct {
	name       string
	calls      *s3.Client
	writes     *s3.Client
	reads      *s3.Client
	transports []*http.Transport
	slow       time.Duration // a body that paused so long may have been given up
}

// OpenS3 returns the store in a bucket. It sends nothing: Check tells whether
// the bucket is there and the credentials are taken. Errors are ErrInvalid.
func OpenS3(o S3Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	b := newBucket(o)
	return &Store{objects: b, uploads: b, now: o.Now, observe: o.Observe}, nil
}

func (o S3Options) withDefaults() S3Options {
	defaultTo(&o.PoolSize, defaultPoolSize)
	defaultTo(&o.MaxStreams, defaultMaxStreams)
	defaultTo(&o.Attempts, defaultAttempts)
	defaultTo(&o.ConnectTimeout, defaultConnectTimeout)
	defaultTo(&o.ReadTimeout, defaultReadTimeout)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func defaultTo[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (o S3Options) validate() error {
	for _, field := range []struct{ name, value string }{
		{"bucket", o.Bucket}, {"region", o.Region}, {"access key", o.AccessKey}, {"secret key", o.SecretKey},
	} {
		if field.value == "" {
			return fmt.Errorf("%w: no %s", ErrInvalid, field.name)
		}
	}
	if o.PoolSize < 0 || o.MaxStreams < 0 || o.Attempts < 0 || o.ConnectTimeout < 0 || o.ReadTimeout < 0 {
		return fmt.Errorf("%w: a negative limit", ErrInvalid)
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%w: the endpoint is not http:// or https:// and a host", ErrInvalid)
	}
	return nil
}

// check asks for the bucket, which takes the permission to list it.
func (b *bucket) check(ctx context.Context) error {
	_, err := b.calls.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name})
	if err == nil {
		return nil
	}
	return b.explain(ctx, err)
}

// explain finds out why a HEAD was refused, to which there is no text: a
// listing is refused for the same reason, and says it. Where it is not, the
// error is about the object, or passing.
func (b *bucket) explain(ctx context.Context, err error) error {
	if _, status := answer(err); status < 300 || status >= 500 {
		return bucketError(err)
	}
	_, listErr := b.calls.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, MaxKeys: aws.Int32(1)})
	if listErr != nil {
		return bucketError(listErr)
	}
	return bucketError(err)
}

// free is not known: a bucket grows.
func (b *bucket) free(context.Context) (int64, bool) { return 0, false }

func (b *bucket) close() error {
	for _, t := range b.transports {
		t.CloseIdleConnections()
	}
	return nil
}
