package blob

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// errCut is an answer that did not arrive.
var errCut = errors.New("connection reset")

// lostReplies do each step, lose its answer, and look for the outcome in the
// way that a caller has to.
func lostReplies() map[Op]func(s suite, lose func()) {
	return map[Op]func(s suite, lose func()){
		OpPut: losePut, OpCreateUpload: loseCreate, OpPutPart: losePart,
		OpComplete: loseComplete, OpAbort: loseAbort, OpDelete: loseDelete,
	}
}

func TestLostReply(t *testing.T) {
	t.Parallel()
	eachHarness(t, func(t *testing.T, h harness) {
		for op, run := range lostReplies() {
			losing, struck := false, false
			store := h.open(t).WithFaults(func(o Op, when When) error {
				if !losing || o != op || when != After {
					return nil
				}
				losing = false
				return errCut
			})
			run(suite{T: t, Store: store, part: h.part}, func() { losing, struck = true, true })
			if losing || !struck {
				t.Errorf("%s: the fault did not strike", op)
			}
		}
	})
}

// eachHarness runs a test on every kind of store.
func eachHarness(t *testing.T, test func(t *testing.T, h harness)) {
	t.Helper()
	for _, h := range harnesses() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

func losePut(s suite, lose func()) {
	key := s.key()
	lose()
	_, err := s.Put(s.Context(), key, bytes.NewReader([]byte("abc")), 3)
	s.is(err, ErrUnavailable)
	s.holds(key, []byte("abc"))
}

func loseCreate(s suite, lose func()) {
	lose()
	_, err := s.CreateUpload(s.Context(), s.key())
	s.is(err, ErrUnavailable)
	page, _, err := s.Uploads(s.Context(), UploadMark{}, 0)
	s.must(err)
	if len(page) != 1 {
		s.Fatalf("uploads: %v", page)
	}
	s.must(s.Abort(s.Context(), page[0].Upload))
}

func losePart(s suite, lose func()) {
	u := s.create(s.key())
	lose()
	_, err := s.PutPart(s.Context(), u, 1, bytes.NewReader([]byte("abc")), 3)
	s.is(err, ErrUnavailable)
	held := s.parts(u)
	if len(held) != 1 || held[0].Size != 3 {
		s.Fatalf("parts: %v", held)
	}
	again := s.send(u, 1, []byte("abcd"))
	if err := s.Complete(s.Context(), u, []PartRef{{1, held[0].ETag}}); err == nil { // it keeps the earlier ones too
		s.holds(u.Key, []byte("abc"))
		return
	} else {
		s.is(err, ErrPartMismatch)
	}
	s.must(s.Complete(s.Context(), u, []PartRef{again}))
	s.holds(u.Key, []byte("abcd"))
}

func loseComplete(s suite, lose func()) {
	u := s.create(s.key())
	refs := []PartRef{s.send(u, 1, []byte("abc"))}
	lose()
	s.is(s.Complete(s.Context(), u, refs), ErrUnavailable)
	if err := s.Complete(s.Context(), u, refs); err != nil {
		s.is(err, ErrUploadNotFound)
	}
	s.holds(u.Key, []byte("abc"))
}

func loseAbort(s suite, lose func()) {
	u := s.create(s.key())
	lose()
	s.is(s.Abort(s.Context(), u), ErrUnavailable)
	s.must(s.Abort(s.Context(), u))
	_, err := s.Parts(s.Context(), u, 0, 0)
	s.is(err, ErrUploadNotFound)
}

func loseDelete(s suite, lose func()) {
	key := s.key()
	s.put(key, []byte("abc"))
	lose()
	s.is(s.Delete(s.Context(), key), ErrUnavailable)
	_, err := s.Head(s.Context(), key)
	s.is(err, ErrNotFound)
	s.must(s.Delete(s.Context(), key))
}

func TestFaultBefore(t *testing.T) {
	t.Parallel()
	eachHarness(t, func(t *testing.T, h harness) {
		var failing bool
		s := suite{T: t, part: h.part, Store: h.open(t).WithFaults(func(op Op, when When) error {
			if failing && op == OpPut && when == Before {
				return errors.New("refused connection")
			}
			return nil
		})}
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
	})
}

func TestFaultWhileReading(t *testing.T) {
	t.Parallel()
	eachHarness(t, func(t *testing.T, h harness) {
		for _, when := range []When{Before, After} {
			reads := 0
			s := suite{T: t, part: h.part, Store: h.open(t).WithFaults(func(op Op, w When) error {
				if op != OpRead || w != when {
					return nil
				}
				if reads++; reads > 2 {
					return ErrStalled
				}
				return nil
			})}
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
	})
}
