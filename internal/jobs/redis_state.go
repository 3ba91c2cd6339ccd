package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RedisState is what an operator wants to know of a Redis.
type RedisState struct {
	Version string        // as it says
	Policy  string        // maxmemory-policy: noeviction is the one that loses no hint
	Latency time.Duration // of one question
}

// AskRedis connects to a Redis and asks how it is set up. Errors: ErrDenied,
// ErrUnreachable.
func AskRedis(ctx context.Context, url string) (s RedisState, err error) {
	dial, err := newDialer(url)
	if err != nil {
		return s, err
	}
	client := dial(1)
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := client.Ping(ctx).Err(); err != nil {
		return s, fmt.Errorf("%w: %w", ErrUnreachable, login(err))
	}
	began := time.Now()
	text, err := client.Info(ctx).Result()
	if err != nil {
		return s, fmt.Errorf("ask Redis: %w", err)
	}
	s.Latency = time.Since(began)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "redis_version":
			s.Version = value
		case "maxmemory_policy":
			s.Policy = value
		}
	}
	return s, nil
}

// login marks the refusals of a login; its text is of Redis's protocol.
func login(err error) error {
	for _, code := range []string{"WRONGPASS", "NOAUTH", "NOPERM", "ERR invalid password", "ERR AUTH"} {
		if strings.HasPrefix(err.Error(), code) {
			return fmt.Errorf("%w: %w", ErrDenied, err)
		}
	}
	return err
}
