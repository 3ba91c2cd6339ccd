package blob

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewKey(t *testing.T) {
	t.Parallel()
	account := [16]byte{1, 2, 0xfe}
	key, err := NewKey(account, bytes.NewReader(bytes.Repeat([]byte{0xa5}, 16)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "v1/0102fe00000000000000000000000000/a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"; key != want {
		t.Errorf("key %s, want %s", key, want)
	}
	got, err := ParseKey(key)
	if err != nil || got != account {
		t.Errorf("account %x, %v", got, err)
	}
	boom := errors.New("no entropy")
	if _, err := NewKey(account, iotest.ErrReader(boom)); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	a, _ := NewKey(account, nil)
	b, _ := NewKey(account, nil)
	if a == b || !ValidKey(a) {
		t.Errorf("keys %s and %s", a, b)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, key := range badKeys() {
		f.Add(key)
	}
	f.Add("v1/00112233445566778899aabbccddeeff/ffeeddccbbaa99887766554433221100")
	f.Fuzz(func(t *testing.T, key string) {
		account, err := ParseKey(key)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%q: %v", key, err)
			}
			return
		}
		again, err := NewKey(account, nil)
		if err != nil || len(key) != len(again) || key[:36] != again[:36] || !isHex(key[36:]) {
			t.Errorf("accepted %q, canonical %q", key, again)
		}
	})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var ops []string
	clock := time.Unix(1000, 0)
	s := suite{T: t, part: 10, Store: OpenMem(MemOptions{
		Now: func() time.Time { clock = clock.Add(time.Second); return clock },
		Observe: func(_ context.Context, op string, d time.Duration, err error) {
			if d <= 0 {
				t.Errorf("%s took %v", op, d)
			}
			if err != nil {
				op += " failed"
			}
			ops = append(ops, op)
		},
	})}
	key := s.key()
	_, _ = s.Head(t.Context(), key)
	s.put(key, []byte{1})
	_, _ = s.Put(t.Context(), s.key(), bytes.NewReader(nil), 1)
	s.must(s.Delete(t.Context(), key))
	want := []string{"head failed", "put", "put failed", "delete"}
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Error(diff)
	}
}

// TestKeyInUse holds for the stores that notice it.
func TestKeyInUse(t *testing.T) {
	t.Parallel()
	for _, h := range harnesses() {
		if !h.notices {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := suite{T: t, Store: h.open(t), part: h.part}
			key := s.key()
			early := s.create(key)
			ref := s.send(early, 1, []byte("new"))
			s.put(key, []byte("old"))
			_, err := s.Put(t.Context(), key, bytes.NewReader([]byte("new")), 3)
			s.is(err, ErrExists)
			s.is(s.Complete(t.Context(), early, []PartRef{ref}), ErrExists)
			s.holds(key, []byte("old"))

			first := s.create(s.key())
			second := s.create(first.Key)
			s.must(s.Complete(t.Context(), first, []PartRef{s.send(first, 1, []byte("first"))}))
			ref = s.send(second, 1, []byte("second"))
			s.is(s.Complete(t.Context(), second, []PartRef{ref}), ErrExists)
			s.must(s.Abort(t.Context(), second))
			s.is(s.Complete(t.Context(), second, []PartRef{ref}), ErrUploadNotFound)
			s.holds(first.Key, []byte("first"))
		})
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	s := suite{T: t, Store: OpenDiscard(), part: 1000}
	key := s.key()
	for _, wrap := range bodies() {
		u := s.create(key)
		for n := 1; n <= 2; n++ {
			etag, err := s.PutPart(t.Context(), u, n, wrap(pattern(1, 1000)), 1000)
			s.must(err)
			if n == 2 {
				s.must(s.Complete(t.Context(), u, []PartRef{{1, s.parts(u)[0].ETag}, {2, etag}}))
			}
		}
		s.holds(key, make([]byte, 2000))
		s.must(s.Delete(t.Context(), key))
	}
	_, err := s.Put(t.Context(), key, bytes.NewReader([]byte{1}), 2)
	s.is(err, ErrLength)
}

func TestClassify(t *testing.T) {
	t.Parallel()
	cause := errors.New("stopping")
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	odd := errors.New("odd")
	for _, c := range []struct {
		name  string
		ctx   context.Context
		err   error
		is    []error
		isNot []error
	}{
		{"known", t.Context(), ErrFull, []error{ErrFull}, []error{ErrUnavailable}},
		{"unknown", t.Context(), odd, []error{odd, ErrUnavailable}, nil},
		{"cancelled", stopped, odd, []error{odd, cause}, []error{ErrUnavailable}},
		{"cause itself", stopped, cause, []error{cause}, []error{ErrUnavailable}},
		{"known though cancelled", stopped, ErrFull, []error{ErrFull}, []error{ErrUnavailable, cause}},
	} {
		got := classify(c.ctx, c.err)
		for _, want := range c.is {
			if !errors.Is(got, want) {
				t.Errorf("%s: %v is not %v", c.name, got, want)
			}
		}
		for _, not := range c.isNot {
			if errors.Is(got, not) {
				t.Errorf("%s: %v is %v", c.name, got, not)
			}
		}
	}
	if classify(stopped, nil) != nil {
		t.Error("nil became an error")
	}
}
