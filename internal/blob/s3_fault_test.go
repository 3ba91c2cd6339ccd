package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
)

func TestBucketLostReply(t *testing.T) {
	t.Parallel()
	for op, run := range lostReplies() {
		for name, f := range map[string]fault{"cut": lose, "error": doneBut(http.StatusInternalServerError, "InternalError")} {
			t.Run(string(op)+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWire(t).start()
				w.options.Attempts = 1
				run(suite{T: t, Store: openTestBucket(t, w.options), part: 10}, func() { w.inject(op, f) })
				if len(w.faults[op]) > 0 {
					t.Error("the fault did not strike")
				}
			})
		}
	}
}

// TestBucketCompleteAnswers are the ways in which a 200 is not the end.
func TestBucketCompleteAnswers(t *testing.T) {
	t.Parallel()
	empty := func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		w.WriteHeader(http.StatusOK)
	}
	for name, c := range map[string]struct {
		answer fault
		done   bool
	}{
		"error in a 200":           {refuse(http.StatusOK, "InternalError"), false},
		"error in a 200 after all": {doneBut(http.StatusOK, "InternalError"), true},
		"half an answer":           {half, true},
		"an answer without a body": {empty, false},
		"an answer that is no answer": {func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = io.WriteString(w, "<html>welcome") // a client that is gone is not our concern
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t).start()
			w.options.Attempts = 1
			s := suite{T: t, Store: openTestBucket(t, w.options), part: 10}
			u := s.create(s.key())
			refs := []PartRef{s.send(u, 1, []byte("abc"))}
			w.inject(OpComplete, c.answer)
			s.is(s.Complete(t.Context(), u, refs), ErrUnavailable)
			if !c.done {
				_, err := s.Head(t.Context(), u.Key)
				s.is(err, ErrNotFound)
				s.must(s.Complete(t.Context(), u, refs))
			}
			s.holds(u.Key, []byte("abc"))
		})
	}
}

// TestBucketRepeatsCalls has calls succeed behind a store in trouble. Few are
// throttled, since the waits after that are long.
func TestBucketRepeatsCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault fault
		ops   []Op
	}{
		"slow down": {refuse(http.StatusServiceUnavailable, "SlowDown"), []Op{OpHead, OpRange}},
		"rate":      {refuse(http.StatusTooManyRequests, "RequestRateLimitExceeded"), []Op{OpCreateUpload, OpRange}},
		"internal":  {refuse(http.StatusInternalServerError, "InternalError"), nil},
		"cut":       {lose, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t).start()
			s := suite{T: t, Store: openTestBucket(t, w.options), part: 10}
			calls := s.calls()
			if c.ops == nil {
				c.ops = slices.Collect(maps.Keys(calls))
			}
			var wg sync.WaitGroup
			for _, op := range c.ops {
				before := len(w.requests(op))
				w.inject(op, c.fault)
				wg.Go(func() {
					if err := calls[op](); err != nil {
						t.Error(err)
					}
					if n := len(w.requests(op)) - before; n != 2 {
						t.Errorf("%s was sent %d times", op, n)
					}
				})
			}
			wg.Wait()
		})
	}
}

// calls is one call of each kind that the driver repeats, independent of the
// others.
func (s suite) calls() map[Op]func() error {
	ctx, kept, gone := s.Context(), s.key(), s.key()
	s.put(kept, []byte("abc"))
	s.put(gone, []byte("abc"))
	held, finished, aborted := s.create(s.key()), s.create(s.key()), s.create(s.key())
	s.send(held, 1, []byte("abc"))
	ref := s.send(finished, 1, []byte("abc"))
	return map[Op]func() error{
		OpHead:         func() error { _, err := s.Head(ctx, kept); return err },
		OpList:         func() error { _, err := s.List(ctx, "", 0); return err },
		OpCheck:        func() error { return s.Check(ctx) },
		OpDelete:       func() error { return s.Delete(ctx, gone) },
		OpCreateUpload: func() error { _, err := s.CreateUpload(ctx, s.key()); return err },
		OpParts:        func() error { _, err := s.Parts(ctx, held, 0, 0); return err },
		OpComplete:     func() error { return s.Complete(ctx, finished, []PartRef{ref}) },
		OpAbort:        func() error { return s.Abort(ctx, aborted) },
		OpUploads:      func() error { _, _, err := s.Uploads(ctx, UploadMark{}, 0); return err },
		OpRange: func() error {
			rc, err := s.Range(ctx, kept, 0, 3)
			if err != nil {
				return err
			}
			return rc.Close()
		},
	}
}

// TestBucketRefusesBodies has a refusal arrive as it is, at once, and with a
// large body not read at all.
func TestBucketRefusesBodies(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct {
		status int
		class  error
	}{
		"SlowDown": {503, ErrUnavailable}, "InternalError": {500, ErrUnavailable}, "AccessDenied": {403, ErrDenied},
		"NoSuchUpload": {404, ErrUploadNotFound}, "QuotaExceeded": {403, ErrFull}, "RequestTimeout": {400, ErrStalled},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWire(t).start()
			s := suite{T: t, Store: openTestBucket(t, w.options), part: 5 << 20}
			u := s.create(s.key())
			held := s.send(u, 1, []byte("abc"))
			w.inject(OpPutPart, refuse(c.status, code))
			source := bytes.NewReader(pattern(1, 5<<20))
			_, err := s.PutPart(t.Context(), u, 1, struct{ io.Reader }{source}, 5<<20)
			s.is(err, c.class)
			if source.Len() != 5<<20 || len(w.requests(OpPutPart)) != 2 {
				t.Errorf("%d bytes read, %d requests", 5<<20-source.Len(), len(w.requests(OpPutPart)))
			}
			w.inject(OpPutPart, refuse(c.status, code))
			_, err = s.PutPart(t.Context(), u, 1, bytes.NewReader([]byte("small")), 5)
			s.is(err, c.class)
			s.must(s.Complete(t.Context(), u, []PartRef{held}))
			s.holds(u.Key, []byte("abc"))
		})
	}
}

// TestBucketCutRepeat waits until the server has seen the cut, and finds what
// was acknowledged before.
func TestBucketCutRepeat(t *testing.T) {
	t.Parallel()
	const size = 5 << 20
	gone := errors.New("the guest went away")
	first := pattern(2, size/2)
	for name, c := range map[string]struct {
		body func(cancel func()) io.Reader
		want error
	}{
		"failed":  {func(func()) io.Reader { return io.MultiReader(bytes.NewReader(first), iotest.ErrReader(gone)) }, gone},
		"short":   {func(func()) io.Reader { return bytes.NewReader(first) }, ErrLength},
		"long":    {func(func()) io.Reader { return bytes.NewReader(pattern(2, size+1)) }, ErrLength},
		"stopped": {func(cancel func()) io.Reader { return io.MultiReader(bytes.NewReader(first), stopping(cancel)) }, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t).start()
			s := suite{T: t, Store: openTestBucket(t, w.options), part: size}
			u, data := s.create(s.key()), pattern(1, size)
			held := s.send(u, 1, data)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := w.end(OpPutPart)
			_, err := s.PutPart(ctx, u, 1, c.body(func() { cancel(gone) }), size)
			s.is(err, c.want)
			if errors.Is(err, ErrUnavailable) {
				t.Errorf("blamed the store: %v", err)
			}
			<-ended
			if parts := s.parts(u); len(parts) != 1 || parts[0].ETag != held.ETag {
				t.Fatalf("after a cut repeat: %+v, want %+v", parts, held)
			}
			s.must(s.Complete(t.Context(), u, []PartRef{held}))
			s.holds(u.Key, data)
		})
	}
}

// stopping is a body in the middle of which its call is cancelled.
func stopping(cancel func()) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})
}

// TestBucketWrongETag confirms a part under an ETag that is not the part's, as
// a broken proxy does. The bucket's own listing puts it right.
func TestBucketWrongETag(t *testing.T) {
	t.Parallel()
	w := newWire(t).start()
	s := suite{T: t, Store: openTestBucket(t, w.options), part: 10}
	u := s.create(s.key())
	w.inject(OpPutPart, change(func(h http.Header) { h.Set("ETag", `"00000000000000000000000000000000"`) }))
	wrong := s.send(u, 1, []byte("abc"))
	s.is(s.Complete(t.Context(), u, []PartRef{wrong}), ErrPartMismatch)
	held := s.parts(u)
	s.must(s.Complete(t.Context(), u, []PartRef{{1, held[0].ETag}}))
	s.holds(u.Key, []byte("abc"))

	w.inject(OpPut, change(func(h http.Header) { h.Del("ETag") }))
	_, err := s.Put(t.Context(), s.key(), bytes.NewReader([]byte("abc")), 3)
	s.is(err, ErrUnavailable)
}

// TestBucketCutRange tells a connection that ended from an object that did.
func TestBucketCutRange(t *testing.T) {
	t.Parallel()
	w := newWire(t).start()
	s := suite{T: t, Store: openTestBucket(t, w.options), part: 10}
	key, data := s.key(), pattern(1, 300_000)
	s.put(key, data)
	w.inject(OpRange, half)
	rc, err := s.Range(t.Context(), key, 1000, 200_000)
	s.must(err)
	got, err := io.ReadAll(rc)
	s.is(err, ErrUnavailable)
	if errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, data[1000:1000+len(got)]) {
		t.Errorf("%d bytes, then %v", len(got), err)
	}
	s.must(rc.Close())
	s.holds(key, data)
}
