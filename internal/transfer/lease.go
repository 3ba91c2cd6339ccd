package transfer

import (
	"context"
	"errors"
	"time"
)

// errLeaseLost is met when another process has taken a lease meanwhile.
var errLeaseLost = errors.New("the lease is another's")

// hold keeps a lease for as long as a step takes, so that a lease can be short
// and a crash holds nobody up for long. It renews it every third of its length.
// The context that it gives ends before the lease does when renewing fails, and
// at once when the lease is another's. The caller owes a call of release, after
// which nothing is renewed any more.
func hold(ctx context.Context, lease time.Duration, renew func(context.Context) error) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lease / 3)
		defer tick.Stop()
		for renewed := time.Now(); ; {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			began := time.Now()
			err := renewWithin(held, lease/4, renew)
			if err == nil {
				renewed = began
				continue
			}
			if errors.Is(err, errLeaseLost) || time.Since(renewed) >= lease*2/3 {
				cancel(err)
				return
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-ended
	}
}

func renewWithin(ctx context.Context, limit time.Duration, renew func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return renew(ctx)
}
