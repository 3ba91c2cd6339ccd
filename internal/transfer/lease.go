package transfer

import (
	"context"
	"errors"
	"time"
)

// errLeaseLost is met when another process has taken a lease meanwhile.
var errLeaseLost = errors.New("the lease is another's")

// errNotRenewed ends a step before its lease does.
var errNotRenewed = errors.New("the lease could not be renewed in time")

// hold keeps a lease for as long as a step takes, so that a lease can be short
// and a crash holds nobody up for long. It renews it every third of its length.
// The context that it gives ends when five sixths of a lease have passed since the
// last renewal that went well began, whatever the next one hangs in, and at once
// when the lease is another's. The caller owes a call of release. A renewal under
// way then changes nothing any more, unless its commit has begun; the statement
// that gives the lease back waits for that one's lock.
func hold(ctx context.Context, lease time.Duration, renew func(context.Context) error) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	guard := time.AfterFunc(lease*5/6, func() { cancel(errNotRenewed) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if held.Err() != nil { // both were ready
				return
			}
			began := time.Now()
			err := renewWithin(held, lease/4, renew)
			switch {
			case errors.Is(err, errLeaseLost):
				cancel(err)
			case err == nil && guard.Stop(): // else it has struck
				guard.Reset(lease*5/6 - time.Since(began))
			}
		}
	}()
	return held, func() {
		guard.Stop()
		cancel(nil)
		patience := time.NewTimer(lease / 4)
		defer patience.Stop()
		select {
		case <-ended:
		case <-patience.C:
		}
	}
}

func renewWithin(ctx context.Context, limit time.Duration, renew func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return renew(ctx)
}
