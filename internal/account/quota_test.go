package account

import (
	"context"
	"errors"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

// step is one change of the counters inside a transaction of its own.
type step func(ctx context.Context, tx db.Querier, accountID string, n int64) error

func (f *fixture) do(t *testing.T, s step, id string, n int64) error {
	t.Helper()
	return f.tx(t, func(ctx context.Context, tx db.Querier) error { return s(ctx, tx, id, n) })
}

func (f *fixture) must(t *testing.T, s step, id string, n int64) {
	t.Helper()
	if err := f.do(t, s, id, n); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) holds(t *testing.T, id string, used, reserved int64) {
	t.Helper()
	a, err := f.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a.Used != used || a.Reserved != reserved {
		t.Errorf("used %d and reserved %d, want %d and %d", a.Used, a.Reserved, used, reserved)
	}
}

func (f *fixture) setQuota(t *testing.T, id string, quota any) {
	t.Helper()
	f.exec(t, `UPDATE accounts SET quota_bytes = $2 WHERE id = $1`, id, quota)
}

func TestLastBytesGoToWhoCameFirst(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		f.setQuota(t, id, 1000)
		f.must(t, f.Reserve, id, 300)
		f.must(t, f.Settle, id, 200)
		errs := atOnce(200, func(int) error {
			return inTx(context.Background(), f.db, func(ctx context.Context, tx db.Querier) error {
				return f.Reserve(ctx, tx, id, 10)
			})
		})
		if ok := count(t, errs, ErrQuotaExceeded); ok != 70 {
			t.Errorf("%d reservations of 10 bytes fitted into 700", ok)
		}
		f.holds(t, id, 200, 800)
		quotaErr, ok := errors.AsType[*QuotaError](f.do(t, f.Reserve, id, 1))
		if !ok || quotaErr.Left != 0 {
			t.Errorf("one byte more: %+v, want a QuotaError with nothing left", quotaErr)
		}
	})
}

func TestBytesMoveThroughTheCounters(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id, other := f.create(t, "a@example.com"), f.create(t, "b@example.com")
		f.setQuota(t, id, 1000)
		f.must(t, f.Reserve, other, 5)
		left := func(want int64) {
			t.Helper()
			got, err := f.BytesLeft(t.Context(), f.db, id)
			if err != nil || got == nil || *got != want {
				t.Errorf("BytesLeft = %v, %v; want %d", got, err, want)
			}
		}
		f.must(t, f.Reserve, id, 1000)
		f.holds(t, id, 0, 1000)
		left(0)
		f.must(t, f.Settle, id, 600)
		f.holds(t, id, 600, 400)
		f.must(t, f.Release, id, 400)
		f.holds(t, id, 600, 0)
		left(400)
		f.must(t, f.Unuse, id, 600)
		f.holds(t, id, 0, 0)
		left(1000)
		f.holds(t, other, 0, 5)
	})
}

func TestCountersDoNotGoBelowZero(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		f.must(t, f.Reserve, id, 10)
		f.must(t, f.Settle, id, 5)
		for name, s := range map[string]step{"release": f.Release, "settle": f.Settle, "unuse": f.Unuse} {
			if err := f.do(t, s, id, 6); !errors.Is(err, ErrQuotaDrift) {
				t.Errorf("%s more than there is: %v, want ErrQuotaDrift", name, err)
			}
			if err := f.do(t, s, id, -1); !errors.Is(err, ErrQuotaDrift) {
				t.Errorf("%s of -1: %v, want ErrQuotaDrift", name, err)
			}
			if err := f.do(t, s, db.NewID(), 0); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of no account: %v, want ErrNotFound", name, err)
			}
		}
		if err := f.do(t, f.Reserve, id, -1); !errors.Is(err, ErrQuotaDrift) {
			t.Errorf("reserve -1: %v", err)
		}
		f.holds(t, id, 5, 5)
	})
}

func TestReserveLooksAtTheAccount(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		if err := f.do(t, f.Reserve, db.NewID(), 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such account: %v", err)
		}
		f.must(t, f.Reserve, id, 10)
		for _, state := range []string{StateDisabled, StateDeleted} {
			f.exec(t, `UPDATE accounts SET state = $2 WHERE id = $1`, id, state)
			if err := f.do(t, f.Reserve, id, 0); !errors.Is(err, ErrNotActive) {
				t.Errorf("%s account: %v, want ErrNotActive", state, err)
			}
		}
		// What an account holds can be given back in every state.
		f.must(t, f.Settle, id, 5)
		f.must(t, f.Unuse, id, 5)
		f.must(t, f.Release, id, 5)
		f.holds(t, id, 0, 0)
	})
}

func TestGiantSizes(t *testing.T) {
	t.Parallel()
	const most = 1<<53 - 1
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com") // without a quota
		if left, err := f.BytesLeft(t.Context(), f.db, id); left != nil || err != nil {
			t.Errorf("BytesLeft = %v, %v; want nil without a quota", left, err)
		}
		f.must(t, f.Reserve, id, most-1)
		for _, n := range []int64{2, most, 1<<63 - 1} {
			if err := f.do(t, f.Reserve, id, n); !errors.Is(err, ErrQuotaExceeded) {
				t.Errorf("reserve %d: %v, want ErrQuotaExceeded", n, err)
			}
		}
		f.must(t, f.Reserve, id, 1)
		f.holds(t, id, 0, most)
	})
}

func TestLoweredQuota(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		f.must(t, f.Reserve, id, 100)
		f.setQuota(t, id, 50)
		f.must(t, f.Reserve, id, 0) // an empty file costs nothing
		quotaErr, ok := errors.AsType[*QuotaError](f.do(t, f.Reserve, id, 1))
		if !ok || quotaErr.Left != 0 {
			t.Errorf("reserve above a lowered quota: %+v", quotaErr)
		}
		left, err := f.BytesLeft(t.Context(), f.db, id)
		if err != nil || left == nil || *left != 0 {
			t.Errorf("BytesLeft = %v, %v; want 0", left, err)
		}
		f.must(t, f.Settle, id, 100)
		f.holds(t, id, 100, 0)
	})
}

func TestRolledBackReservationIsNone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		stop := errors.New("stop")
		err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
			if err := f.Reserve(ctx, tx, id, 10); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		f.holds(t, id, 0, 0)
	})
}

// Lock makes a second transaction wait until the first one is done, so what it
// reads after the lock is what the first one left.
func TestLockOrdersTransactions(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		if err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
			return f.Lock(ctx, tx, db.NewID())
		}); !errors.Is(err, ErrNotFound) {
			t.Errorf("lock of no account: %v", err)
		}
		const n = 30
		count(t, atOnce(n, func(int) error {
			return inTx(context.Background(), f.db, func(ctx context.Context, tx db.Querier) error {
				if err := f.Lock(ctx, tx, id); err != nil {
					return err
				}
				var used int64
				if err := tx.QueryRowContext(ctx, `SELECT used_bytes FROM accounts WHERE id = $1`, id).Scan(&used); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, `UPDATE accounts SET used_bytes = $2 WHERE id = $1`, id, used+1)
				return err
			})
		}), nil)
		f.holds(t, id, n, 0)
	})
}
