package jobs

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Times of a connection. A dead Redis must be noticed well within two seconds,
// since requests wait for it.
const (
	dialTimeout  = time.Second
	replyTimeout = 3 * time.Second
	failurePause = 250 * time.Millisecond
)

// RedisOptions say where hints are kept and which of them this process runs.
type RedisOptions struct {
	// URL is redis://[user:password@]host[:port][/number], the same with
	// rediss for TLS, redis-socket://[:password@]/path[?db=number], or
	// redis-sentinel://[:password@]host[:port][,…][?master=name]. The server
	// must not evict (maxmemory-policy noeviction).
	URL string
	// Queues are the queues that Start takes hints from, by their share of the
	// runs; nil means critical 6, default 3, low 1. Hints in others wait.
	Queues map[string]int
	// Poll is how often Redis is asked while nothing waits; 0 means 1 s.
	Poll time.Duration
}

func (o RedisOptions) withDefaults() RedisOptions {
	if len(o.Queues) == 0 {
		o.Queues = map[string]int{Critical: 6, Default: 3, Low: 1}
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	return o
}

// dialer makes clients of one Redis.
type dialer func(pool int) redis.UniversalClient

// newDialer reads an address without asking anybody.
func newDialer(address string) (dialer, error) {
	quieten()
	u, err := url.Parse(address)
	if err != nil { // its text repeats the address, with the password
		return nil, errors.New("the Redis URL cannot be read")
	}
	parsed, err := asynq.ParseRedisURI(address)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	switch o := parsed.(type) {
	case asynq.RedisClientOpt:
		o.Username = u.User.Username()
		if o.Network == "" {
			o.Addr = withPort(o.Addr, "6379")
		}
		return func(pool int) redis.UniversalClient { return direct(o, pool) }, nil
	case asynq.RedisFailoverClientOpt:
		for i, host := range o.SentinelAddrs {
			o.SentinelAddrs[i] = withPort(host, "26379")
		}
		o.MasterName = cmp.Or(o.MasterName, "mymaster")
		return func(pool int) redis.UniversalClient { return failover(o, pool) }, nil
	}
	return nil, fmt.Errorf("read the Redis URL: nothing known about %s", u.Scheme)
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

func direct(o asynq.RedisClientOpt, pool int) redis.UniversalClient {
	return redis.NewClient(&redis.Options{
		Network: o.Network, Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: modern(o.TLSConfig),
		DialTimeout: dialTimeout, ReadTimeout: replyTimeout, WriteTimeout: replyTimeout,
		ContextTimeoutEnabled: true, MaxRetries: 1, PoolSize: pool,
	})
}

func failover(o asynq.RedisFailoverClientOpt, pool int) redis.UniversalClient {
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: o.MasterName, SentinelAddrs: o.SentinelAddrs, SentinelPassword: o.SentinelPassword, Password: o.SentinelPassword,
		DialTimeout: dialTimeout, ReadTimeout: replyTimeout, WriteTimeout: replyTimeout,
		ContextTimeoutEnabled: true, MaxRetries: 1, PoolSize: pool,
	})
}

func modern(c *tls.Config) *tls.Config {
	if c != nil {
		c = c.Clone()
		c.MinVersion = tls.VersionTLS12
	}
	return c
}

// quieten stops what the client library prints past every logger; its errors
// reach ours as well. It knows one logger for the whole process, so this is done
// once and tells so.
var quieten = sync.OnceValue(func() bool {
	redis.SetLogger(silence{})
	return true
})

type silence struct{}

// Printf prints nothing.
func (silence) Printf(context.Context, string, ...any) {}

// slowFailures makes a failing command take a while. asynq asks for the next
// task at once when the last question failed: without a pause a Redis that is
// gone or full would cost it a whole processor.
type slowFailures struct{ stop <-chan struct{} }

// DialHook changes nothing.
func (slowFailures) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook changes nothing.
func (slowFailures) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook waits after an error that is no ordinary answer.
func (s slowFailures) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT") {
			return err
		}
		pause := time.NewTimer(failurePause)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
		case <-s.stop:
		}
		return err
	}
}

// isFull tells that Redis takes no more. asynq keeps the text of an error only.
func isFull(err error) bool { return strings.Contains(err.Error(), "OOM command not allowed") }

// asynqLog passes what asynq has to say on: its routine to debug, and never
// ends the process.
type asynqLog struct{ log *slog.Logger }

// Debug is dropped.
func (asynqLog) Debug(...any) {}

// Info is routine.
func (l asynqLog) Info(args ...any) { l.log.Debug("asynq: " + fmt.Sprint(args...)) }

// Warn is about one task or one call.
func (l asynqLog) Warn(args ...any) { l.log.Warn("asynq: " + fmt.Sprint(args...)) }

// Error is about the connection mostly, and the sweep makes up for it.
func (l asynqLog) Error(args ...any) { l.log.Warn("asynq: " + fmt.Sprint(args...)) }

// Fatal is logged like an error: a queue does not end the program.
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq: " + fmt.Sprint(args...)) }
