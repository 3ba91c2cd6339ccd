package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// counterDB has two counters, a and b, at 0.
func counterDB(t testing.TB, opts db.Options) *db.DB {
	t.Helper()
	d := testenv.Open(t, opts)
	run(t, d, "CREATE TABLE counters (id TEXT PRIMARY KEY, n BIGINT NOT NULL)")
	run(t, d, "INSERT INTO counters (id, n) VALUES ('a', 0), ('b', 0)")
	return d
}

func run(t testing.TB, d *db.DB, query string, args ...any) {
	t.Helper()
	err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func add(ctx context.Context, tx *sql.Tx, id string, n int) error {
	_, err := tx.ExecContext(ctx, "UPDATE counters SET n = n + $1 WHERE id = $2", n, id)
	return err
}

func count(t testing.TB, d *db.DB, id string) int {
	t.Helper()
	var n int
	if err := d.QueryRowContext(t.Context(), "SELECT n FROM counters WHERE id = $1", id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func forBoth(t *testing.T, fn func(t *testing.T, opts db.Options)) {
	t.Helper()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			fn(t, testenv.Database(t, engine))
		})
	}
}

func TestInTxCommitsOrRollsBack(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		d := counterDB(t, opts)
		failed := errors.New("changed my mind")
		err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if err := add(ctx, tx, "a", 1); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) || count(t, d, "a") != 0 {
			t.Errorf("%v, and a is %d", err, count(t, d, "a"))
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not come through")
				}
			}()
			_ = d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := add(ctx, tx, "a", 1); err != nil {
					return err
				}
				panic("broken")
			})
		}()
		run(t, d, "UPDATE counters SET n = n + 1 WHERE id = 'a'") // the connection is free again
		if n := count(t, d, "a"); n != 1 {
			t.Errorf("a is %d", n)
		}
	})
}

func TestCancelledTransactionRollsBack(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		d := counterDB(t, opts)
		ctx, cancel := context.WithCancel(t.Context())
		err := d.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if err := add(ctx, tx, "a", 1); err != nil {
				return err
			}
			cancel() // and goes on as if nothing were
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled inside: %v", err)
		}
		err = d.InTx(ctx, func(context.Context, *sql.Tx) error {
			t.Error("ran with a context that was over")
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
		run(t, d, "UPDATE counters SET n = n + 1 WHERE id = 'b'")
		if a, b := count(t, d, "a"), count(t, d, "b"); a != 0 || b != 1 {
			t.Errorf("a is %d, b is %d", a, b)
		}
	})
}

func TestStatementEndsWithItsContext(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		d := counterDB(t, opts)
		query := "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 2000000000) SELECT COUNT(*) FROM r"
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var n int64
		if err := d.QueryRowContext(ctx, query).Scan(&n); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := d.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Two handles stand for two processes: on SQLite each has a writer of its own.
func TestBusyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		handles := []*db.DB{counterDB(t, opts), testenv.Open(t, opts)}
		const writers, rounds = 8, 25
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() {
				for range rounds {
					err := handles[i%2].InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
						var n int
						if err := tx.QueryRowContext(ctx, "SELECT n FROM counters WHERE id = 'b'").Scan(&n); err != nil {
							return err
						}
						return errors.Join(add(ctx, tx, "a", 1), add(ctx, tx, "b", -1))
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if a, b := count(t, handles[0], "a"), count(t, handles[1], "b"); a != writers*rounds || b != -a {
			t.Errorf("a is %d, b is %d, want %d", a, b, writers*rounds)
		}
	})
}

// Both take one row, wait for each other, and want the other's row: PostgreSQL
// ends one of the two, and InTx runs it again.
func TestDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	d := counterDB(t, testenv.Database(t, db.EnginePostgres))
	var runs atomic.Int64
	var bothHold, group sync.WaitGroup
	bothHold.Add(2)
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		group.Go(func() {
			first := true
			err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				runs.Add(1)
				if err := add(ctx, tx, order[0], 1); err != nil {
					return err
				}
				if first {
					first = false
					bothHold.Done()
					bothHold.Wait()
				}
				return add(ctx, tx, order[1], 1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if a, b := count(t, d, "a"), count(t, d, "b"); a != 2 || b != 2 || runs.Load() < 3 {
		t.Errorf("a is %d, b is %d after %d runs; want 2, 2, 3 or more", a, b, runs.Load())
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	t.Parallel()
	d := counterDB(t, testenv.Database(t, db.EnginePostgres))
	for state, want := range map[string]struct {
		runs int
		kind error
	}{
		"40001": {5, db.ErrUnavailable}, // serialization_failure
		"40P01": {5, db.ErrUnavailable}, // deadlock_detected
		"53100": {1, db.ErrFull},        // disk_full
		"55P03": {1, db.ErrLocked},      // lock_not_available
		"25006": {1, db.ErrUnavailable}, // read_only_sql_transaction: a standby
	} {
		runs := 0
		err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			runs++
			_, err := tx.ExecContext(ctx, fmt.Sprintf("DO $$ BEGIN RAISE 'made up' USING ERRCODE = '%s'; END $$", state))
			return fmt.Errorf("say so: %w", err)
		})
		if !errors.Is(err, want.kind) || runs != want.runs {
			t.Errorf("%s: %v after %d runs, want %v after %d", state, err, runs, want.kind, want.runs)
		}
	}
}

func TestNoFreeConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		opts.MaxConns = 1
		opts.AcquireTimeout = time.Second
		d := counterDB(t, opts)
		err := d.InTx(t.Context(), func(context.Context, *sql.Tx) error {
			err := d.InTx(t.Context(), func(context.Context, *sql.Tx) error { return nil })
			if !errors.Is(err, db.ErrUnavailable) {
				t.Errorf("write: %v", err)
			}
			if d.Engine() == db.EnginePostgres {
				if err := d.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
					t.Errorf("read: %v", err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		run(t, d, "UPDATE counters SET n = 1")
	})
}

func TestWaitForAnotherWriterEndsWithTheContext(t *testing.T) {
	t.Parallel()
	opts := testenv.Database(t, db.EngineSQLite)
	d, other := counterDB(t, opts), testenv.Open(t, opts)
	err := other.InTx(t.Context(), func(context.Context, *sql.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := d.InTx(ctx, func(context.Context, *sql.Tx) error {
			t.Error("two writers at once")
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		if n := count(t, d, "a"); n != 0 { // readers do not wait
			t.Errorf("a is %d", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestReadsSeeNoUncommittedAndCannotWrite(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		d := counterDB(t, opts)
		if _, err := d.ExecContext(t.Context(), "UPDATE counters SET n = 9"); !errors.Is(err, db.ErrReadOnly) {
			t.Errorf("exec: %v", err)
		}
		err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if err := add(ctx, tx, "a", 1); err != nil {
				return err
			}
			if n := count(t, d, "a"); n != 0 {
				t.Errorf("a reader sees %d", n)
			}
			return nil
		})
		if err != nil || count(t, d, "a") != 1 {
			t.Errorf("%v, a is %d", err, count(t, d, "a"))
		}
	})
	d := counterDB(t, testenv.Database(t, db.EngineSQLite))
	var n int
	err := d.QueryRowContext(t.Context(), "UPDATE counters SET n = 9 WHERE id = 'a' RETURNING n").Scan(&n)
	if !errors.Is(err, db.ErrReadOnly) || count(t, d, "a") != 0 {
		t.Errorf("write through a reader: %v", err)
	}
}

func TestObserveSeesEveryStep(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		var mu sync.Mutex
		seen := make(map[string]int)
		opts.Observe = func(_ context.Context, op string, d time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			seen[op]++
			if d < 0 || err != nil {
				t.Errorf("%s took %v: %v", op, d, err)
			}
		}
		d := counterDB(t, opts)
		count(t, d, "a")
		mu.Lock()
		defer mu.Unlock()
		if seen["tx"] != 2 || seen["acquire"] != 2 || seen["read"] < 1 {
			t.Errorf("%v", seen)
		}
	})
}

func TestCloseWaitsForTransactionsAndRefusesLaterOnes(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, opts db.Options) {
		d := counterDB(t, opts)
		begun, release, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		done := make(chan error, 1)
		go func() {
			done <- d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				close(begun)
				<-release
				return add(ctx, tx, "a", 1)
			})
		}()
		<-begun
		go func() { closed <- d.Close() }()
		select {
		case err := <-closed:
			t.Errorf("closed amid a transaction: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		close(release)
		if err := errors.Join(<-done, <-closed, d.Close()); err != nil {
			t.Error(err)
		}
		err := d.InTx(t.Context(), func(context.Context, *sql.Tx) error { return nil })
		if !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a transaction after Close: %v", err)
		}
		if err := d.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a read after Close: %v", err)
		}
		if n := count(t, testenv.Open(t, opts), "a"); n != 1 {
			t.Errorf("a is %d", n)
		}
	})
}
