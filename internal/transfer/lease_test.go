package transfer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHoldRenewsForAsLongAsAStepTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		begin := time.Now()
		ctx, release := hold(t.Context(), 15*time.Second, func(context.Context) error {
			times = append(times, time.Since(begin))
			return nil
		})
		time.Sleep(61 * time.Second)
		release()
		if ctx.Err() == nil || len(times) != 12 {
			t.Errorf("renewed at %v, then %v", times, ctx.Err())
		}
		time.Sleep(time.Minute)
		if len(times) != 12 {
			t.Errorf("renewed after its release, at %v", times[12:])
		}
	})
}

func TestHoldEndsBeforeTheLeaseDoes(t *testing.T) {
	t.Parallel()
	const lease = 15 * time.Second
	for _, c := range []struct {
		name  string
		renew func(ctx context.Context, call int) error
		lives [2]time.Duration // of the step: at least, at most
	}{
		{"another's", func(context.Context, int) error { return errLeaseLost }, [2]time.Duration{0, lease/3 + time.Second}},
		{"no database", func(context.Context, int) error { return errors.New("down") }, [2]time.Duration{lease / 2, lease - time.Second}},
		{"a database that hangs", func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}, [2]time.Duration{lease / 2, lease - time.Second}},
		{"one failure", func(_ context.Context, call int) error {
			if call == 1 {
				return errors.New("down")
			}
			return nil
		}, [2]time.Duration{time.Minute, time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin, calls := time.Now(), 0
				ctx, release := hold(t.Context(), lease, func(ctx context.Context) error {
					calls++
					return c.renew(ctx, calls)
				})
				defer release()
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute):
				}
				if lived := time.Since(begin); lived < c.lives[0] || lived > c.lives[1] {
					t.Errorf("the step had %v, want %v", lived, c.lives)
				}
			})
		})
	}
}
