package account

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// fixture is a service over an empty database, with a clock and master keys
// that the test turns.
type fixture struct {
	*Service
	db    *db.DB
	clock *clock
	ring  *ringHolder
}

func eachEngine(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	testenv.EachEngine(t, func(t *testing.T, open func(testing.TB) *db.DB) {
		test(t, newFixture(open(t)))
	})
}

func newFixture(d *db.DB) *fixture {
	f := &fixture{
		db:    d,
		clock: &clock{now: time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)},
		ring:  &ringHolder{text: ringOne},
	}
	f.Service = New(Options{DB: d, Ring: f.ring.get, Now: f.clock.time})
	return f
}

// create makes an account and returns its id.
func (f *fixture) create(t *testing.T, email string) string {
	t.Helper()
	a, err := f.Create(t.Context(), NewAccount{Email: email, Name: "Studio"})
	if err != nil {
		t.Fatalf("create account %s: %v", email, err)
	}
	return a.ID
}

// exec writes past the service, as an operator or a later version would.
func (f *fixture) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	}); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (f *fixture) tx(t *testing.T, fn func(context.Context, db.Querier) error) error {
	t.Helper()
	return inTx(t.Context(), f.db, fn)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const (
	hexOne   = "0101010101010101010101010101010101010101010101010101010101010101"
	hexTwo   = "0202020202020202020202020202020202020202020202020202020202020202"
	ringOne  = "1:" + hexOne
	ringBoth = "2:" + hexTwo + ",1:" + hexOne
)

var errNoRing = errors.New("the master keys cannot be read")

// ringHolder is the process's master keys; "" makes reading them fail.
type ringHolder struct {
	mu   sync.Mutex
	text string
}

func (r *ringHolder) set(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = text
}

func (r *ringHolder) get(context.Context, uint32) (*seal.Ring, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text == "" {
		return nil, errNoRing
	}
	return seal.ParseRing(r.text)
}

// atOnce runs n functions that all begin together and returns their errors.
func atOnce(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// count tells how many of errs are nil, and fails on any that is neither nil
// nor want.
func count(t *testing.T, errs []error, want error) (ok int) {
	t.Helper()
	for _, err := range errs {
		switch {
		case err == nil:
			ok++
		case !errors.Is(err, want):
			t.Errorf("got error %v, want nil or %v", err, want)
		}
	}
	return ok
}
