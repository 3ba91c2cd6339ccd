package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func testPut(s suite) {
	ctx, key, data := s.Context(), s.key(), pattern(1, 300_000)
	_, err := s.Head(ctx, key)
	s.is(err, ErrNotFound)
	etag, err := s.Put(ctx, key, bytes.NewReader(data), int64(len(data)))
	s.must(err)
	info, err := s.Head(ctx, key)
	s.must(err)
	if info.Modified.IsZero() {
		s.Error("no time of modification")
	}
	want := Info{Key: key, Size: int64(len(data)), ETag: etag, Modified: info.Modified}
	if diff := cmp.Diff(want, info); diff != "" || etag == "" {
		s.Errorf("head, ETag %q: %s", etag, diff)
	}
	s.holds(key, data)
	s.must(s.Delete(ctx, key))
	s.must(s.Delete(ctx, key))
	_, err = s.Head(ctx, key)
	s.is(err, ErrNotFound)
	_, err = s.Range(ctx, key, 0, 1)
	s.is(err, ErrNotFound)
	_, err = s.Range(ctx, key, 0, 0)
	s.is(err, ErrNotFound)
}

func testSmall(s suite) {
	for _, size := range []int{0, 1, 2, 56} {
		key, data := s.key(), pattern(2, size)
		for _, r := range []io.Reader{iotest.DataErrReader(bytes.NewReader(data))} {
			_, err := s.Put(s.Context(), key, r, int64(size))
			s.must(err)
		}
		s.holds(key, data)
	}
}

func testPastEnd(s suite) {
	key, data := s.key(), pattern(3, 100)
	s.put(key, data)
	multi := s.key()
	s.upload(multi, [][]byte{pattern(4, s.part), data})
	for _, c := range []struct {
		key          string
		off, n, gets int64
	}{
		{key, 0, 101, 100}, {key, 99, 2, 1}, {key, 100, 1, 0}, {key, 1 << 40, 5, 0},
		{multi, int64(s.part) + 90, 11, 10}, {multi, int64(s.part) + 100, 1, 0},
	} {
		rc, err := s.Range(s.Context(), c.key, c.off, c.n)
		s.must(err)
		got, err := io.ReadAll(rc)
		s.is(err, io.ErrUnexpectedEOF)
		if int64(len(got)) != c.gets {
			s.Errorf("range %d+%d gave %d bytes, want %d", c.off, c.n, len(got), c.gets)
		}
		s.must(rc.Close())
	}
}

func testWrongLength(s suite) {
	u := s.create(s.key())
	for _, declared := range []int64{1, 49_999, 50_001, 200_000} {
		for name, wrap := range bodies() {
			key := s.key()
			_, err := s.Put(s.Context(), key, wrap(pattern(5, 50_000)), declared)
			s.is(err, ErrLength)
			s.is(err, ErrBody)
			_, err = s.Head(s.Context(), key)
			s.is(err, ErrNotFound)
			_, err = s.PutPart(s.Context(), u, 1, wrap(pattern(5, 50_000)), declared)
			s.is(err, ErrLength)
			if s.Failed() {
				s.Fatalf("%s body of 50000 declared as %d", name, declared)
			}
		}
	}
	key := s.key()
	_, err := s.Put(s.Context(), key, bytes.NewReader([]byte{1}), 0)
	s.is(err, ErrLength)
	if parts := s.parts(u); len(parts) != 0 {
		s.Errorf("wrong bodies left %v", parts)
	}
}

func testFailingBody(s suite) {
	boom := errors.New("the guest went away")
	u := s.create(s.key())
	for name, wrap := range bodies() {
		for _, good := range []int{0, 10, 100_000} {
			data := pattern(6, good)
			key := s.key()
			_, err := s.Put(s.Context(), key, failing{wrap(data), boom}, int64(good)+10)
			_, partErr := s.PutPart(s.Context(), u, 1, failingWriterTo{data, boom}, int64(good)+10)
			for _, err := range []error{err, partErr} {
				s.is(err, boom)
				s.is(err, ErrBody)
				if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrLength) {
					s.Errorf("%s body: blamed the wrong side: %v", name, err)
				}
			}
			_, err = s.Head(s.Context(), key)
			s.is(err, ErrNotFound)
		}
	}
	if parts := s.parts(u); len(parts) != 0 {
		s.Errorf("failed bodies left %v", parts)
	}
}

func testListPages(s suite) {
	var want []string
	var total int64
	for i := range 9 {
		key := s.key()
		if i%3 == 0 {
			s.upload(key, [][]byte{pattern(1, i+1)})
		} else {
			s.put(key, pattern(1, i+1))
		}
		want, total = append(want, key), total+int64(i+1)
	}
	s.create(s.key())
	slices.Sort(want)
	for _, limit := range []int{1, 2, 4, 9, -1} {
		var got []string
		var sum int64
		for after := ""; ; after = got[len(got)-1] {
			page, err := s.List(s.Context(), after, limit)
			s.must(err)
			if len(page) == 0 {
				break
			}
			for _, o := range page {
				got, sum = append(got, o.Key), sum+o.Size
				info, err := s.Head(s.Context(), o.Key)
				s.must(err)
				if diff := cmp.Diff(info, o); diff != "" {
					s.Errorf("list and head differ: %s", diff)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || sum != total {
			s.Errorf("list by %d: %d bytes, want %d: %s", limit, sum, total, diff)
		}
	}
}

func testBadKeys(s suite) {
	ctx := s.Context()
	for _, key := range badKeys() {
		u := Upload{Key: key, ID: "x"}
		_, err := s.Put(ctx, key, bytes.NewReader(nil), 0)
		s.is(err, ErrInvalid)
		_, err = s.Head(ctx, key)
		s.is(err, ErrInvalid)
		_, err = s.Range(ctx, key, 0, 1)
		s.is(err, ErrInvalid)
		s.is(s.Delete(ctx, key), ErrInvalid)
		_, err = s.CreateUpload(ctx, key)
		s.is(err, ErrInvalid)
		_, err = s.PutPart(ctx, u, 1, bytes.NewReader([]byte{1}), 1)
		s.is(err, ErrInvalid)
		_, err = s.Parts(ctx, u, 0, 0)
		s.is(err, ErrInvalid)
		s.is(s.Complete(ctx, u, []PartRef{{1, "x"}}), ErrInvalid)
		s.is(s.Abort(ctx, u), ErrInvalid)
		if key != "" {
			_, err = s.List(ctx, key, 0)
			s.is(err, ErrInvalid)
			_, _, err = s.Uploads(ctx, UploadMark{Key: key}, 0)
			s.is(err, ErrInvalid)
		}
	}
}

func testBadArguments(s suite) {
	ctx, key := s.Context(), s.key()
	u := s.create(key)
	none := bytes.NewReader(nil)
	for _, size := range []int64{-1, MaxPartSize + 1} {
		_, err := s.Put(ctx, key, none, size)
		s.is(err, ErrInvalid)
		_, err = s.PutPart(ctx, u, 1, none, size)
		s.is(err, ErrInvalid)
	}
	for _, n := range []int{-1, 0, MaxParts + 1} {
		_, err := s.PutPart(ctx, u, n, none, 1)
		s.is(err, ErrInvalid)
		s.is(s.Complete(ctx, u, []PartRef{{n, "x"}}), ErrInvalid)
	}
	_, err := s.PutPart(ctx, u, 1, none, 0)
	s.is(err, ErrInvalid)
	_, err = s.PutPart(ctx, Upload{Key: key}, 1, none, 1)
	s.is(err, ErrInvalid)
	s.is(s.Abort(ctx, Upload{Key: key}), ErrInvalid)
	s.is(s.Complete(ctx, u, nil), ErrInvalid)
	s.is(s.Complete(ctx, u, []PartRef{{1, ""}}), ErrInvalid)
	s.is(s.Complete(ctx, u, []PartRef{{1, "x"}, {2, "x"}, {1, "y"}}), ErrInvalid)
	s.is(s.Complete(ctx, u, make([]PartRef, MaxParts+1)), ErrInvalid)
	for _, r := range [][2]int64{{-1, 1}, {0, -1}, {1 << 62, 1 << 62}} {
		_, err := s.Range(ctx, key, r[0], r[1])
		s.is(err, ErrInvalid)
	}
	for _, id := range []string{"../../../etc", "a/b", ".", "\x00", string(make([]byte, 5000))} {
		odd := Upload{Key: key, ID: id}
		_, err := s.PutPart(ctx, odd, 1, bytes.NewReader([]byte{1}), 1)
		s.is(err, ErrUploadNotFound)
		s.must(s.Abort(ctx, odd))
	}
}

func testCancelled(s suite) {
	gone := errors.New("the server is stopping")
	ctx, cancel := context.WithCancelCause(s.Context())
	key, data := s.key(), pattern(1, 300_000)
	s.put(key, data)
	u := s.create(s.key())
	rc, err := s.Range(ctx, key, 0, 300_000)
	s.must(err)
	_, err = io.ReadFull(rc, make([]byte, 10))
	s.must(err)
	other := s.key()
	stop := iotest.OneByteReader(io.MultiReader(bytes.NewReader(data[:10]), readFunc(func([]byte) (int, error) {
		cancel(gone)
		return 0, nil
	}), bytes.NewReader(data[10:])))
	_, err = s.PutPart(ctx, u, 1, stop, int64(len(data)))
	s.is(err, gone)
	if errors.Is(err, ErrBody) || errors.Is(err, ErrUnavailable) {
		s.Errorf("a cancelled call is nobody's failure: %v", err)
	}
	_, err = rc.Read(make([]byte, 10))
	s.is(err, gone)
	s.must(rc.Close())
	_, err = s.Put(ctx, other, bytes.NewReader(data), int64(len(data)))
	s.is(err, gone)
	_, err = s.Head(ctx, key)
	s.is(err, gone)
	_, err = s.Head(s.Context(), other)
	s.is(err, ErrNotFound)
	if parts := s.parts(u); len(parts) != 0 {
		s.Errorf("a cancelled part is there: %v", parts)
	}
}
