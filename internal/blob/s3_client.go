package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

const (
	// callBuffer and streamBuffer are what a connection holds in memory for a
	// direction: little for calls, and for bodies that come enough that a read is
	// worth its system call. Bodies that go have sendBuffers; headBuffer is for
	// what is before them, and for whole small ones.
	callBuffer   = 4 << 10
	streamBuffer = 64 << 10
	headBuffer   = 16 << 10
	// slowBuffer is what of a body is sent at once, and quickBuffer is that of one
	// whose pieces come within quickly: then it is worth fewer system calls, until
	// one takes longer than slowly. Between the two all stays as it is.
	slowBuffer  = 64 << 10
	quickBuffer = 256 << 10
	quickly     = 20 * time.Millisecond
	slowly      = 250 * time.Millisecond
	// maxIdle is how long a connection waits for its next request. Servers
	// close theirs after about a minute, and a body that starts on such a
	// connection is lost.
	maxIdle = 30 * time.Second
	// continueWithin is how long a body of 2 MiB or more waits for the store to
	// ask for it. One that is refused before it was read costs nothing.
	continueWithin = time.Second
	// stallsAfter is the shortest pause of a body after which S3 gives it up.
	stallsAfter = 20 * time.Second
)

func newBucket(o S3Options) *bucket {
	calls := o.transport(o.PoolSize, buffers{read: callBuffer, write: callBuffer}, o.dial)
	reads := o.transport(o.MaxStreams, buffers{read: streamBuffer, write: callBuffer}, o.dial)
	writes := o.transport(o.MaxStreams, buffers{read: callBuffer, write: headBuffer}, o.dialToReset(&sendBuffers{}))
	b := &bucket{
		name: o.Bucket, slow: min(stallsAfter, o.ReadTimeout),
		transports: []*http.Transport{calls, reads, writes},
	}
	// Each adapts by itself: a sweep that is told to slow down slows no reader.
	b.calls = s3.New(o.client(calls, newRetryer(o.Attempts)))
	b.reads = s3.New(o.client(reads, newRetryer(o.Attempts)))
	// A body cannot be rewound: a retry would hide the error that it met. Nor
	// can it be hashed before it is sent.
	b.writes = s3.New(o.client(writes, aws.NopRetryer{}), func(so *s3.Options) {
		so.APIOptions = []func(*middleware.Stack) error{v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware}
	})
	return b
}

// client leaves out every checksum that S3 does not require: servers like it
// refuse them, or the aws-chunked encoding that they come in.
func (o S3Options) client(t *http.Transport, r aws.Retryer) s3.Options {
	options := s3.Options{
		Region:                     o.Region,
		UsePathStyle:               !o.VirtualHost,
		Credentials:                credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, ""),
		HTTPClient:                 versioned{&http.Client{Transport: t, CheckRedirect: noRedirect}},
		Retryer:                    r,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Logger:                     sdkLog(o.Log),
		ClientLogMode:              aws.LogRetries,

		DisableLogOutputChecksumValidationSkipped: true,
	}
	if o.Endpoint != "" {
		options.BaseEndpoint = &o.Endpoint
	}
	return options
}

// newRetryer adds what servers like S3 call throttling.
func newRetryer(attempts int) aws.Retryer {
	codes := map[string]struct{}{
		"RequestRateLimitExceeded": {}, "ServiceUnavailable": {}, "Unavailable": {}, "TooManyRequests": {},
	}
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.Throttles = append(o.Throttles, retry.ThrottleErrorCode{Codes: codes})
		o.StandardOptions = append(o.StandardOptions, func(so *retry.StandardOptions) {
			so.MaxAttempts = attempts
			so.Retryables = append(so.Retryables, retry.RetryableErrorCode{Codes: codes})
		})
	})
}

// versioned names the version of HTTP, which the SDK leaves out: without it
// net/http sends "Expect: 100-continue" and does not wait for the answer.
type versioned struct{ *http.Client }

func (v versioned) Do(r *http.Request) (*http.Response, error) {
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	return v.Client.Do(r)
}

// noRedirect keeps signed requests at the endpoint. A redirect tells that the
// bucket is elsewhere, which is an error to show.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func sdkLog(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Debug("s3", "message", fmt.Sprintf(format, v...))
	})
}

// buffers are what a connection holds for each direction, in bytes.
type buffers struct{ read, write int }

// transport has at most conns connections. It speaks HTTP/1.1 only: over
// HTTP/2 all bodies would share one connection and its window.
func (o S3Options) transport(conns int, b buffers, dial dialFunc) *http.Transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		Protocols:             new(http.Protocols),
		TLSHandshakeTimeout:   o.ConnectTimeout,
		ExpectContinueTimeout: continueWithin,
		IdleConnTimeout:       min(maxIdle, max(o.ReadTimeout/2, 1)),
		MaxConnsPerHost:       conns,
		MaxIdleConnsPerHost:   conns,
		ReadBufferSize:        b.read,
		WriteBufferSize:       b.write,
		DisableCompression:    true,
	}
	t.Protocols.SetHTTP1(true)
	return t
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (o S3Options) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: o.ConnectTimeout}
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &movingConn{Conn: conn, limit: o.ReadTimeout}, nil
}

// dialToReset is for bodies. The end of such a connection, that of a killed
// process too, is a reset: a body that was cut must not look like one that
// ended, since there are servers that do not count its bytes.
func (o S3Options) dialToReset(shared *sendBuffers) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := o.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		moving := conn.(*movingConn)
		moving.buffers = shared
		if tcp, ok := moving.Conn.(*net.TCPConn); ok {
			if err := tcp.SetLinger(0); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		return conn, nil
	}
}

// movingConn fails when no byte has moved for a while. A write moves the limit
// of the read that waits beside it, so that a long body is no silence.
type movingConn struct {
	net.Conn
	limit   time.Duration
	buffers *sendBuffers // of bodies; its own if nil
}

func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *movingConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// ReadFrom sends a body, for which net/http asks it. It takes more at once than
// the 32 KiB of io.Copy, so whole segments, and sends what has come at once.
func (c *movingConn) ReadFrom(r io.Reader) (total int64, err error) {
	buf := c.buffers.take(slowBuffer)
	defer func() { c.buffers.give(buf) }()
	for {
		began := time.Now()
		n, err := r.Read(buf)
		if n > 0 {
			sent, wrong := c.Write(buf[:n])
			total += int64(sent)
			if wrong != nil {
				return total, wrong
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		size := len(buf)
		switch took := time.Since(began); {
		case n < len(buf)/2 || took > slowly:
			size = slowBuffer
		case took < quickly:
			size = quickBuffer
		}
		if size != len(buf) {
			c.buffers.give(buf)
			buf = c.buffers.take(size)
		}
	}
}

// sendBuffers are left by one body to the next, on whatever connection: one that
// waits for its next body holds none.
type sendBuffers struct {
	slow  sync.Pool // of *[slowBuffer]byte
	quick sync.Pool // of *[quickBuffer]byte
}

// take gives slowBuffer or quickBuffer bytes.
func (b *sendBuffers) take(size int) []byte {
	if b == nil {
		return make([]byte, size)
	}
	if size == quickBuffer {
		if p, ok := b.quick.Get().(*[quickBuffer]byte); ok {
			return p[:]
		}
	} else if p, ok := b.slow.Get().(*[slowBuffer]byte); ok {
		return p[:]
	}
	return make([]byte, size)
}

func (b *sendBuffers) give(p []byte) {
	switch {
	case b == nil:
	case len(p) == quickBuffer:
		b.quick.Put((*[quickBuffer]byte)(p))
	default:
		b.slow.Put((*[slowBuffer]byte)(p))
	}
}
