package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
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

// TestLostReply does each step, loses its answer, and looks for the outcome in
// the way that a caller has to.
func TestLostReply(t *testing.T) {
	t.Parallel()
	cut := errors.New("connection reset")
	cases := []struct {
		op  Op
		run func(s suite, lose func(op Op))
	}{
		{OpPut, func(s suite, lose func(op Op)) {
			key := s.key()
			lose(OpPut)
			_, err := s.Put(s.Context(), key, bytes.NewReader([]byte("abc")), 3)
			s.is(err, cut)
			s.holds(key, []byte("abc"))
		}},
		{OpCreateUpload, func(s suite, lose func(op Op)) {
			lose(OpCreateUpload)
			_, err := s.CreateUpload(s.Context(), s.key())
			s.is(err, cut)
			page, _, err := s.Uploads(s.Context(), UploadMark{}, 0)
			s.must(err)
			if len(page) != 1 {
				s.Fatalf("uploads: %v", page)
			}
			s.must(s.Abort(s.Context(), page[0].Upload))
		}},
		{OpPutPart, func(s suite, lose func(op Op)) {
			u := s.create(s.key())
			lose(OpPutPart)
			_, err := s.PutPart(s.Context(), u, 1, bytes.NewReader([]byte("abc")), 3)
			s.is(err, cut)
			held := s.parts(u)
			if len(held) != 1 || held[0].Size != 3 {
				s.Fatalf("parts: %v", held)
			}
			again := s.send(u, 1, []byte("abcd"))
			s.is(s.Complete(s.Context(), u, []PartRef{{1, held[0].ETag}}), ErrPartMismatch)
			s.must(s.Complete(s.Context(), u, []PartRef{again}))
			s.holds(u.Key, []byte("abcd"))
		}},
		{OpComplete, func(s suite, lose func(op Op)) {
			u := s.create(s.key())
			refs := []PartRef{s.send(u, 1, []byte("abc"))}
			lose(OpComplete)
			s.is(s.Complete(s.Context(), u, refs), cut)
			s.is(s.Complete(s.Context(), u, refs), ErrUploadNotFound)
			s.holds(u.Key, []byte("abc"))
		}},
		{OpAbort, func(s suite, lose func(op Op)) {
			u := s.create(s.key())
			lose(OpAbort)
			s.is(s.Abort(s.Context(), u), cut)
			s.must(s.Abort(s.Context(), u))
			_, err := s.Parts(s.Context(), u, 0, 0)
			s.is(err, ErrUploadNotFound)
		}},
		{OpDelete, func(s suite, lose func(op Op)) {
			key := s.key()
			s.put(key, []byte("abc"))
			lose(OpDelete)
			s.is(s.Delete(s.Context(), key), cut)
			_, err := s.Head(s.Context(), key)
			s.is(err, ErrNotFound)
		}},
	}
	for _, c := range cases {
		t.Run(string(c.op), func(t *testing.T) {
			t.Parallel()
			var losing Op
			store := OpenMem(MemOptions{Fault: func(op Op, when When) error {
				if op != losing || when != After {
					return nil
				}
				losing = ""
				return cut
			}})
			c.run(suite{T: t, Store: store, part: 10}, func(op Op) { losing = op })
			if losing != "" {
				t.Error("the fault did not strike")
			}
		})
	}
}

func TestFaultBefore(t *testing.T) {
	t.Parallel()
	var failing bool
	s := suite{T: t, part: 10, Store: OpenMem(MemOptions{Fault: func(op Op, when When) error {
		if failing && op == OpPut && when == Before {
			return errors.New("refused connection")
		}
		return nil
	}})}
	failing = true
	key := s.key()
	body := bytes.NewReader([]byte("abc"))
	_, err := s.Put(t.Context(), key, body, 3)
	s.is(err, ErrUnavailable)
	if body.Len() != 3 {
		t.Error("the body of a step that did not happen was read")
	}
	_, err = s.Head(t.Context(), key)
	s.is(err, ErrNotFound)
}

func TestFaultWhileReading(t *testing.T) {
	t.Parallel()
	for _, when := range []When{Before, After} {
		reads := 0
		s := suite{T: t, part: 10, Store: OpenMem(MemOptions{Fault: func(op Op, w When) error {
			if op != OpRead || w != when {
				return nil
			}
			if reads++; reads > 2 {
				return ErrStalled
			}
			return nil
		}})}
		key := s.key()
		s.put(key, pattern(1, 100))
		rc, err := s.Range(t.Context(), key, 0, 100)
		s.must(err)
		got, err := io.ReadAll(iotest.OneByteReader(rc))
		s.is(err, ErrStalled)
		if !bytes.Equal(got, pattern(1, 100)[:2]) {
			t.Errorf("%s: got %d bytes before the fault, want 2", when, len(got))
		}
		_, err = rc.Read(make([]byte, 1))
		s.is(err, ErrStalled)
		s.must(rc.Close())
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var ops []string
	clock := time.Unix(1000, 0)
	s := suite{T: t, part: 10, Store: OpenMem(MemOptions{
		Now: func() time.Time { clock = clock.Add(time.Second); return clock },
		Observe: func(op string, d time.Duration, err error) {
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

// TestBodyWithholdsItsEnd is what keeps a bucket from storing a body that is
// longer than its Content-Length: the request stays short.
func TestBodyWithholdsItsEnd(t *testing.T) {
	t.Parallel()
	for name, wrap := range bodies() {
		b := newBody(t.Context(), wrap(pattern(1, 1001)), 1000)
		got, err := io.ReadAll(b)
		if !errors.Is(err, ErrLength) || len(got) >= 1000 {
			t.Errorf("%s: gave out %d bytes of a body that is too long, %v", name, len(got), err)
		}
		b = newBody(t.Context(), wrap(pattern(1, 1000)), 1000)
		if err := iotest.TestReader(b, pattern(1, 1000)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBodyIsDeadAfterItsCall(t *testing.T) {
	t.Parallel()
	var late *body
	d := &keepsBody{kept: &late}
	s := &Store{objects: d, now: time.Now}
	source := bytes.NewReader(pattern(1, 100))
	if _, err := s.Put(t.Context(), newTestKey(t), source, 100); !errors.Is(err, ErrDenied) {
		t.Fatal(err)
	}
	if n, err := late.Read(make([]byte, 10)); n != 0 || err == nil || source.Len() != 100 {
		t.Errorf("read %d bytes after the call returned, %v", n, err)
	}
}

// keepsBody answers early, as a server that refuses a request does.
type keepsBody struct {
	mem
	kept **body
}

func (d *keepsBody) put(_ context.Context, _ string, b *body) (string, error) {
	*d.kept = b
	return "", ErrDenied
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

// TestAtOnce lets every kind of call meet every other on a few keys; the race
// detector and the absence of torn objects are the judges.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	for _, h := range harnesses()[:3:3] {
		if h.part > 1<<20 {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := suite{T: t, Store: h.open(t), part: h.part}
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() { s.churn(uint64(i)) })
			}
			wg.Wait()
			page, next, err := s.Uploads(t.Context(), UploadMark{}, 0)
			if len(page) != 0 || next != (UploadMark{}) || err != nil {
				t.Errorf("left over: %v %v %v", page, next, err)
			}
			if list, err := s.List(t.Context(), "", 0); len(list) != 0 || err != nil {
				t.Errorf("left over: %v %v", list, err)
			}
		})
	}
}

// churn races Complete against a late part, a second Complete and an Abort.
func (s suite) churn(seed uint64) {
	data := pattern(seed, 3000)
	for range 5 {
		u := Upload{Key: newTestKey(s.T)}
		var err error
		if u.ID, err = s.CreateUpload(s.Context(), u.Key); err != nil {
			s.Error(err)
			return
		}
		etag, err := s.PutPart(s.Context(), u, 1, bytes.NewReader(data), 3000)
		if err != nil {
			s.Error(err)
			return
		}
		errs := make([]error, 4)
		var wg sync.WaitGroup
		wg.Go(func() { errs[0] = s.Complete(s.Context(), u, []PartRef{{1, etag}}) })
		wg.Go(func() { errs[1] = s.Complete(s.Context(), u, []PartRef{{1, etag}}) })
		wg.Go(func() { _, errs[2] = s.PutPart(s.Context(), u, 2, bytes.NewReader(data), 3000) })
		wg.Go(func() {
			if seed%2 == 0 {
				errs[3] = s.Abort(s.Context(), u)
			}
		})
		wg.Wait()
		done := errs[0] == nil || errs[1] == nil
		info, err := s.Head(s.Context(), u.Key)
		if done != (err == nil) || done && info.Size != 3000 {
			s.Errorf("complete said %v, head says %+v, %v", errs, info, err)
		}
		if err := errors.Join(s.Delete(s.Context(), u.Key), s.Abort(s.Context(), u)); err != nil {
			s.Error(err)
		}
		s.churned(errs)
	}
}

// churned allows what such races may answer.
func (s suite) churned(errs []error) {
	for _, err := range errs {
		ok := []error{ErrUploadNotFound, ErrPartMismatch, ErrExists}
		if err != nil && !slices.ContainsFunc(ok, func(class error) bool { return errors.Is(err, class) }) {
			s.Errorf("unexpected: %v", err)
		}
	}
}
