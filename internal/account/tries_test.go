package account

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestHundredGuessesAtOnceAreFive(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		w := Window{Scope: "code", Subject: "192.0.2.1", Max: 5, Per: 15 * time.Minute}
		errs := atOnce(100, func(int) error { return f.TakeTry(t.Context(), w) })
		if ok := count(t, errs, ErrTooManyTries); ok != 5 {
			t.Errorf("%d tries were given, want 5", ok)
		}
	})
}

func TestWindow(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		w := Window{Scope: "code", Subject: "a", Max: 2, Per: time.Minute}
		take := func(what string, w Window, wait time.Duration) {
			t.Helper()
			err := f.TakeTry(t.Context(), w)
			limit, limited := errors.AsType[*TryLimitError](err)
			if limited != (wait > 0) || (err != nil && !limited) {
				t.Fatalf("%s: %v", what, err)
			}
			if limited && limit.RetryAfter != wait {
				t.Errorf("%s: again in %s, want %s", what, limit.RetryAfter, wait)
			}
		}
		take("first", w, 0)
		f.clock.advance(20 * time.Second)
		take("second", w, 0)
		take("third", w, 40*time.Second)
		take("another subject", Window{"code", "b", 2, time.Minute}, 0)
		take("another scope", Window{"login", "a", 2, time.Minute}, 0)
		f.clock.advance(40*time.Second - time.Microsecond)
		take("at the very end", w, time.Microsecond)
		f.clock.advance(time.Microsecond)
		take("next window", w, 0)
		take("its second", w, 0)
		take("its third", w, time.Minute)
		if err := f.ForgetTries(t.Context(), "code", "a"); err != nil {
			t.Fatal(err)
		}
		take("after the right code", w, 0)
		take("again", w, 0)
		take("and the limit holds on", w, time.Minute)
	})
}

func TestBucket(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := Bucket{Scope: "share", Subject: "x", Rate: 2, Burst: 3}
		take := func(what string, wait time.Duration) {
			t.Helper()
			err := f.TakeToken(t.Context(), b)
			limit, limited := errors.AsType[*TryLimitError](err)
			if limited != (wait > 0) || (err != nil && !limited) {
				t.Fatalf("%s: %v", what, err)
			}
			if limited && limit.RetryAfter != wait {
				t.Errorf("%s: again in %s, want %s", what, limit.RetryAfter, wait)
			}
		}
		for i := range 3 {
			take(fmt.Sprintf("burst %d", i+1), 0)
		}
		take("beyond the burst", 500*time.Millisecond)
		take("a refused try costs nothing", 500*time.Millisecond)
		f.clock.advance(499 * time.Millisecond)
		take("too early", time.Millisecond)
		f.clock.advance(time.Millisecond)
		take("in time", 0)
		take("one only", 500*time.Millisecond)
		f.clock.advance(time.Hour)
		for i := range 3 {
			take(fmt.Sprintf("after a pause no more than the burst, %d", i+1), 0)
		}
		take("and then the limit", 500*time.Millisecond)
	})
}

func TestBucketAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := Bucket{Scope: "share", Subject: "x", Rate: 1, Burst: 5}
		errs := atOnce(100, func(int) error { return f.TakeToken(t.Context(), b) })
		if ok := count(t, errs, ErrTooManyTries); ok != 5 {
			t.Errorf("%d tries were given, want 5", ok)
		}
	})
}

func TestSenselessLimitsAreErrors(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for _, w := range []Window{{"s", "x", 0, time.Minute}, {"s", "x", -1, time.Minute}, {"s", "x", 1, 0}} {
		if err := s.TakeTry(t.Context(), w); err == nil || errors.Is(err, ErrTooManyTries) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	for _, b := range []Bucket{{"s", "x", 0, 1}, {"s", "x", -1, 1}, {"s", "x", 1, 0}} {
		if err := s.TakeToken(t.Context(), b); err == nil || errors.Is(err, ErrTooManyTries) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

func TestSweepLeavesRunningLimits(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for i := range 7 {
			if err := f.TakeTry(ctx, Window{"code", fmt.Sprint(i), 1, time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
		f.clock.advance(time.Minute)
		running := Window{"code", "running", 1, time.Minute}
		if err := f.TakeTry(ctx, running); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{3, 3, 1, 0} {
			if gone, err := f.SweepTries(ctx, 3); gone != want || err != nil {
				t.Errorf("swept %d, %v; want %d", gone, err, want)
			}
		}
		if err := f.TakeTry(ctx, running); !errors.Is(err, ErrTooManyTries) {
			t.Errorf("the running limit is gone: %v", err)
		}
		f.clock.advance(time.Hour)
		if err := f.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := f.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM tries`).Scan(&rows); err != nil || rows != 0 {
			t.Errorf("%d rows are left (%v), want none", rows, err)
		}
	})
}

func TestAddressSubject(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"::ffff:192.0.2.1":     "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::ff":     "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"::1":                  "::/64",
	} {
		if got := AddressSubject(netip.MustParseAddr(in)); got != want {
			t.Errorf("AddressSubject(%s) = %s, want %s", in, got, want)
		}
	}
	if got := AddressSubject(netip.Addr{}); got != "unknown" {
		t.Errorf("of no address: %s", got)
	}
}
