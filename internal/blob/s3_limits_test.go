package blob

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// TestBucketPool has many calls share few connections. The first two are kept
// until all others ask for a connection.
func TestBucketPool(t *testing.T) {
	t.Parallel()
	const pool, calls = 2, 12
	var (
		asked, held sync.WaitGroup
		mu          sync.Mutex
		used        = map[string]bool{}
		requests    int
	)
	asked.Add(calls)
	held.Add(pool)
	s := suite{T: t, Store: fake(t, S3Options{PoolSize: pool}, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		used[r.RemoteAddr] = true
		requests++
		first := requests <= pool
		mu.Unlock()
		if first {
			held.Done()
			held.Wait()
			asked.Wait()
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) { asked.Done() }})
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if err := s.Delete(ctx, s.key()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(used) != pool || requests != calls {
		t.Errorf("%d calls went over %d connections of %d", requests, len(used), pool)
	}
}

// TestBucketAttempts has a call tried as often as it is set, and a body once.
func TestBucketAttempts(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2} {
		var sent atomic.Int64
		s := suite{T: t, Store: fake(t, S3Options{Attempts: attempts}, func(w http.ResponseWriter, r *http.Request) {
			sent.Add(1)
			refuse(http.StatusInternalServerError, "InternalError")(w, r, nil)
		})}
		s.is(s.Delete(t.Context(), s.key()), ErrUnavailable)
		if n := sent.Swap(0); n != int64(attempts) {
			t.Errorf("a call of %d attempts was sent %d times", attempts, n)
		}
		_, err := s.Put(t.Context(), s.key(), strings.NewReader("abc"), 3)
		s.is(err, ErrUnavailable)
		if n := sent.Load(); n != 1 {
			t.Errorf("with %d attempts a body was sent %d times", attempts, n)
		}
	}
}

// TestBucketAdapts has calls wait after the store said that it is asked too
// often, and not after another failure.
func TestBucketAdapts(t *testing.T) {
	t.Parallel()
	for code, waits := range map[string]bool{"SlowDown": true, "RequestRateLimitExceeded": true, "InternalError": false} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				retryer, ok := newRetryer(3).(aws.RetryerV2)
				if !ok {
					t.Fatal("it has no waits before attempts")
				}
				began := time.Now()
				for range 3 {
					attempt(t, retryer, &smithy.GenericAPIError{Code: code})
				}
				if waited := time.Since(began); (waited > 0) != waits {
					t.Errorf("after three times %s attempts waited %v", code, waited)
				}
			})
		})
	}
}

func attempt(t *testing.T, r aws.RetryerV2, failed error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	release, err := r.GetAttemptToken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(failed); err != nil && !errors.Is(err, failed) {
		t.Fatal(err)
	}
}
