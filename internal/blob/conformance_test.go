package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// harness is one kind of store under the suite.
type harness struct {
	name string
	open func(t *testing.T) *Store
	part int // smallest part that is not the last, in bytes
}

func harnesses() []harness {
	return []harness{
		{"memory", func(*testing.T) *Store { return OpenMem(MemOptions{}) }, 1000},
		{"strict memory", func(*testing.T) *Store { return OpenMem(MemOptions{MinPart: 5 << 20}) }, 5 << 20},
		{"directory", func(t *testing.T) *Store { return openTestDir(t, t.TempDir()) }, 70_001},
		{"strict directory", func(t *testing.T) *Store {
			s, err := OpenDir(DirOptions{Root: t.TempDir(), MinPart: 5 << 20})
			return closing(t, s, err)
		}, 5 << 20},
	}
}

func openTestDir(t *testing.T, root string) *Store {
	t.Helper()
	s, err := OpenDir(DirOptions{Root: root})
	return closing(t, s, err)
}

func closing(t *testing.T, s *Store, err error) *Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// suite is what a store is used through in a case; its helpers fail the test.
type suite struct {
	*testing.T
	*Store
	part int
}

func TestConformance(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		run  func(s suite)
	}{
		{"put, head, range, delete", testPut},
		{"small objects", testSmall},
		{"ranges past the end", testPastEnd},
		{"bodies of the wrong length", testWrongLength},
		{"bodies that fail", testFailingBody},
		{"parts in any order", testShuffledParts},
		{"gaps in part numbers", testGaps},
		{"a repeated part counts", testRepeat},
		{"a cut repeat leaves the earlier part", testCutRepeat},
		{"complete with what is not held", testMismatch},
		{"small parts", testSmallParts},
		{"after complete", testAfterComplete},
		{"after abort", testAfterAbort},
		{"uploads are apart", testUploadsApart},
		{"pages of uploads", testUploadPages},
		{"pages of objects", testListPages},
		{"pages of parts", testPartPages},
		{"bad keys", testBadKeys},
		{"bad arguments", testBadArguments},
		{"cancelled", testCancelled},
		{"parts at once", testConcurrentParts},
		{"attempts that overlap", testOverlap},
		{"check", func(s suite) { s.must(s.Check(s.Context())) }},
	}
	for _, h := range harnesses() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(suite{T: t, Store: h.open(t), part: h.part})
				})
			}
		})
	}
}

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

func testShuffledParts(s suite) {
	key := s.key()
	parts := [][]byte{pattern(1, s.part), pattern(2, s.part+1), pattern(3, s.part+77), pattern(4, 1)}
	u := s.create(key)
	refs := make([]PartRef, len(parts))
	for _, i := range []int{2, 0, 3, 1} {
		refs[i] = s.send(u, i+1, parts[i])
	}
	for i, p := range s.parts(u) {
		if p.Number != refs[i].Number || p.ETag != refs[i].ETag || p.Size != int64(len(parts[i])) || p.Modified.IsZero() {
			s.Errorf("part listed as %+v, want %+v of %d", p, refs[i], len(parts[i]))
		}
	}
	_, err := s.Head(s.Context(), key)
	s.is(err, ErrNotFound)
	slices.Reverse(refs)
	s.must(s.Complete(s.Context(), u, refs))
	s.holds(key, slices.Concat(parts...))
}

func testGaps(s suite) {
	key := s.key()
	u := s.create(key)
	a, b := pattern(1, s.part), pattern(2, 10)
	refs := []PartRef{s.send(u, 3, a), s.send(u, MaxParts, b)}
	s.must(s.Complete(s.Context(), u, refs))
	s.holds(key, slices.Concat(a, b))
}

func testRepeat(s suite) {
	key := s.key()
	u := s.create(key)
	s.send(u, 1, pattern(1, s.part))
	last := s.send(u, 2, pattern(2, 10))
	first := s.send(u, 1, pattern(3, s.part+5))
	parts := s.parts(u)
	if len(parts) != 2 || parts[0].ETag != first.ETag || parts[0].Size != int64(s.part+5) {
		s.Fatalf("parts after a repeat: %+v, want %+v", parts, first)
	}
	s.must(s.Complete(s.Context(), u, []PartRef{first, last}))
	s.holds(key, slices.Concat(pattern(3, s.part+5), pattern(2, 10)))
}

func testCutRepeat(s suite) {
	key, data := s.key(), pattern(1, s.part)
	u := s.create(key)
	ref := s.send(u, 1, data)
	boom := errors.New("cut")
	other := pattern(2, s.part)
	_, err := s.PutPart(s.Context(), u, 1, failing{bytes.NewReader(other[:s.part/2]), boom}, int64(s.part))
	s.is(err, boom)
	_, err = s.PutPart(s.Context(), u, 1, bytes.NewReader(other), int64(s.part)+1)
	s.is(err, ErrLength)
	s.must(s.Complete(s.Context(), u, []PartRef{ref}))
	s.holds(key, data)
}

func testMismatch(s suite) {
	key, data := s.key(), pattern(1, s.part)
	u := s.create(key)
	one, two := s.send(u, 1, data), s.send(u, 2, data)
	for _, refs := range [][]PartRef{
		{{1, one.ETag}, {2, one.ETag}},
		{{1, "00000000000000000000000000000000"}},
		{{1, "../../x"}},
		{one, {3, two.ETag}},
		{one, two, {4, "none"}},
	} {
		s.is(s.Complete(s.Context(), u, refs), ErrPartMismatch)
		_, err := s.Head(s.Context(), key)
		s.is(err, ErrNotFound)
	}
	s.must(s.Complete(s.Context(), u, []PartRef{one, two}))
	s.holds(key, slices.Concat(data, data))
}

func testSmallParts(s suite) {
	if s.part < 5<<20 {
		key := s.key()
		s.upload(key, [][]byte{{1}, {2}, {3}})
		s.holds(key, []byte{1, 2, 3})
		return
	}
	u := s.create(s.key())
	refs := []PartRef{s.send(u, 1, []byte{1}), s.send(u, 2, []byte{2})}
	s.is(s.Complete(s.Context(), u, refs), ErrTooSmall)
	s.must(s.Complete(s.Context(), u, refs[1:]))
	s.holds(u.Key, []byte{2})
}

func testAfterComplete(s suite) {
	key, data := s.key(), pattern(1, 500)
	u := s.create(key)
	ref := s.send(u, 1, data)
	s.must(s.Complete(s.Context(), u, []PartRef{ref}))
	if err := s.Complete(s.Context(), u, []PartRef{ref}); err != nil {
		s.is(err, ErrUploadNotFound)
	}
	_, err := s.PutPart(s.Context(), u, 1, bytes.NewReader(data), 500)
	s.is(err, ErrUploadNotFound)
	_, err = s.Parts(s.Context(), u, 0, 0)
	s.is(err, ErrUploadNotFound)
	s.must(s.Abort(s.Context(), u))
	s.holds(key, data)
	s.must(s.Delete(s.Context(), key))
	_, err = s.Head(s.Context(), key)
	s.is(err, ErrNotFound)
	s.is(s.Complete(s.Context(), u, []PartRef{ref}), ErrUploadNotFound)
}

func testAfterAbort(s suite) {
	u := s.create(s.key())
	ref := s.send(u, 1, pattern(1, 500))
	s.must(s.Abort(s.Context(), u))
	s.must(s.Abort(s.Context(), u))
	s.must(s.Abort(s.Context(), Upload{Key: s.key(), ID: "never-was"}))
	s.is(s.Complete(s.Context(), u, []PartRef{ref}), ErrUploadNotFound)
	_, err := s.PutPart(s.Context(), u, 2, bytes.NewReader([]byte{1}), 1)
	s.is(err, ErrUploadNotFound)
	_, err = s.Parts(s.Context(), u, 0, 0)
	s.is(err, ErrUploadNotFound)
	_, err = s.Head(s.Context(), u.Key)
	s.is(err, ErrNotFound)
}

func testUploadsApart(s suite) {
	a, b := s.create(s.key()), s.create(s.key())
	ref := s.send(a, 1, pattern(1, 10))
	if parts := s.parts(b); len(parts) != 0 {
		s.Errorf("another upload's parts: %v", parts)
	}
	mixed := Upload{Key: b.Key, ID: a.ID}
	_, err := s.PutPart(s.Context(), mixed, 1, bytes.NewReader([]byte{1}), 1)
	s.is(err, ErrUploadNotFound)
	s.is(s.Complete(s.Context(), mixed, []PartRef{ref}), ErrUploadNotFound)
	s.is(s.Complete(s.Context(), b, []PartRef{ref}), ErrPartMismatch)
	s.must(s.Abort(s.Context(), mixed))
	s.must(s.Abort(s.Context(), b))
	s.must(s.Complete(s.Context(), a, []PartRef{ref}))
	s.holds(a.Key, pattern(1, 10))
}

func testUploadPages(s suite) {
	want := map[Upload]bool{}
	for range 7 {
		want[s.create(s.key())] = true
	}
	gone, done := s.create(s.key()), s.create(s.key())
	s.must(s.Abort(s.Context(), gone))
	s.must(s.Complete(s.Context(), done, []PartRef{s.send(done, 1, []byte{1})}))
	s.put(s.key(), []byte{1})
	for _, limit := range []int{1, 3, 7, 0} {
		got := map[Upload]bool{}
		mark, keys := UploadMark{}, []string{}
		for pages := 0; pages == 0 || mark != (UploadMark{}); pages++ {
			page, next, err := s.Uploads(s.Context(), mark, limit)
			s.must(err)
			for _, u := range page {
				if u.Initiated.IsZero() {
					s.Errorf("%v has no beginning", u)
				}
				got[u.Upload] = true
				keys = append(keys, u.Key)
			}
			if mark = next; pages > 10 {
				s.Fatal("the listing does not end")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(keys) != 7 || !slices.IsSorted(keys) {
			s.Errorf("uploads by %d: %v %s", limit, keys, diff)
		}
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

func testPartPages(s suite) {
	u := s.create(s.key())
	want := []int{1, 2, 5, 10, 200, MaxParts}
	for _, i := range []int{5, 1, 0, 4, 3, 2} {
		s.send(u, want[i], []byte{byte(i)})
	}
	for _, limit := range []int{1, 2, 6, 0} {
		var got []int
		for after := 0; ; after = got[len(got)-1] {
			page, err := s.Parts(s.Context(), u, after, limit)
			s.must(err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				got = append(got, p.Number)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.Errorf("parts by %d: %s", limit, diff)
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

func testConcurrentParts(s suite) {
	const n = 8
	key := s.key()
	u := s.create(key)
	refs, parts := make([]PartRef, n), make([][]byte, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			parts[i] = pattern(uint64(i), s.part+i)
			etag, err := s.PutPart(s.Context(), u, i+1, bytes.NewReader(parts[i]), int64(len(parts[i])))
			if err != nil {
				s.Error(err)
			}
			refs[i] = PartRef{i + 1, etag}
		})
	}
	wg.Wait()
	s.must(s.Complete(s.Context(), u, refs))
	s.holds(key, slices.Concat(parts...))
}

// testOverlap acknowledges two attempts at one part in both orders. The store
// may keep one or both, but what it completes is one of them whole.
func testOverlap(s suite) {
	for _, firstEndsFirst := range []bool{true, false} {
		key := s.key()
		u := s.create(key)
		bodies := [2][]byte{pattern(1, s.part), pattern(2, s.part)}
		var held [2]*gate
		for i := range held {
			held[i] = s.begin(u, bodies[i])
		}
		order := []int{0, 1}
		if !firstEndsFirst {
			slices.Reverse(order)
		}
		var etags [2]string
		for _, i := range order {
			close(held[i].open)
			etags[i] = <-held[i].etag
		}
		listed := s.parts(u)
		if len(listed) != 1 || listed[0].ETag != etags[order[1]] || etags[0] == etags[1] {
			s.Fatalf("attempts %q acknowledged in order %v, listed %+v", etags, order, listed)
		}
		winner := order[0]
		if err := s.Complete(s.Context(), u, []PartRef{{1, etags[winner]}}); err != nil {
			s.is(err, ErrPartMismatch)
			winner = order[1]
			s.must(s.Complete(s.Context(), u, []PartRef{{1, etags[winner]}}))
		}
		s.holds(key, bodies[winner])
	}
}

// gate is a part that waits in the middle of its body.
type gate struct {
	open chan struct{}
	etag chan string
}

// begin returns when the store is in the middle of the body.
func (s suite) begin(u Upload, data []byte) *gate {
	g := &gate{open: make(chan struct{}), etag: make(chan string, 1)}
	half := make(chan struct{})
	body := io.MultiReader(bytes.NewReader(data[:len(data)/2]), readFunc(func([]byte) (int, error) {
		close(half)
		<-g.open
		return 0, io.EOF
	}), bytes.NewReader(data[len(data)/2:]))
	go func() {
		etag, err := s.PutPart(s.Context(), u, 1, body, int64(len(data)))
		if err != nil {
			s.Error(err)
		}
		g.etag <- etag
	}()
	<-half
	return g
}

// Helpers.

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// bodies are ways for the same bytes to arrive.
func bodies() map[string]func(b []byte) io.Reader {
	return map[string]func(b []byte) io.Reader{
		"plain":         func(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} },
		"writer-to":     func(b []byte) io.Reader { return bytes.NewReader(b) },
		"data with EOF": func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
		"halves":        func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
	}
}

// failing ends in err where the reader ends.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// failingWriterTo writes its bytes and then fails.
type failingWriterTo struct {
	data []byte
	err  error
}

func (f failingWriterTo) Read([]byte) (int, error) { return 0, f.err }

func (f failingWriterTo) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.data)
	if err == nil {
		err = f.err
	}
	return int64(n), err
}

func pattern(seed uint64, size int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func newTestKey(t testing.TB) string {
	t.Helper()
	account := [16]byte{byte(rand.IntN(3)), 15: 0xab}
	key, err := NewKey(account, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s suite) key() string { s.Helper(); return newTestKey(s.T) }

func (s suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("got error %v, want %v", err, want)
	}
}

func (s suite) put(key string, data []byte) {
	s.Helper()
	_, err := s.Put(s.Context(), key, bytes.NewReader(data), int64(len(data)))
	s.must(err)
}

func (s suite) create(key string) Upload {
	s.Helper()
	id, err := s.CreateUpload(s.Context(), key)
	s.must(err)
	return Upload{Key: key, ID: id}
}

func (s suite) send(u Upload, n int, data []byte) PartRef {
	s.Helper()
	etag, err := s.PutPart(s.Context(), u, n, bytes.NewReader(data), int64(len(data)))
	s.must(err)
	return PartRef{Number: n, ETag: etag}
}

func (s suite) upload(key string, parts [][]byte) {
	s.Helper()
	u := s.create(key)
	refs := make([]PartRef, len(parts))
	for i, p := range parts {
		refs[i] = s.send(u, i+1, p)
	}
	s.must(s.Complete(s.Context(), u, refs))
}

func (s suite) parts(u Upload) []PartInfo {
	s.Helper()
	page, err := s.Parts(s.Context(), u, 0, 0)
	s.must(err)
	return page
}

// holds reads the object whole and by ranges at odd places.
func (s suite) holds(key string, want []byte) {
	s.Helper()
	size := int64(len(want))
	info, err := s.Head(s.Context(), key)
	s.must(err)
	if info.Size != size {
		s.Fatalf("object of %d bytes, want %d", info.Size, size)
	}
	ranges := [][2]int64{{0, size}, {0, 0}, {size, 0}, {size / 3, size / 2}, {max(0, size-1), min(1, size)}}
	edge := min(int64(s.part), size)
	ranges = append(ranges, [2]int64{edge, size - edge}, [2]int64{max(0, edge-1), min(2, size-max(0, edge-1))})
	for _, r := range ranges {
		rc, err := s.Range(s.Context(), key, r[0], r[1])
		s.must(err)
		got, err := io.ReadAll(rc)
		s.must(err)
		if !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			s.Fatalf("range %d+%d of %d differs", r[0], r[1], size)
		}
		if _, err := rc.Read(make([]byte, 1)); err != io.EOF {
			s.Errorf("after the end: %v", err)
		}
		s.must(rc.Close())
	}
}

func badKeys() []string {
	good := "v1/00112233445566778899aabbccddeeff/ffeeddccbbaa99887766554433221100"
	return []string{
		"", "/", "v1", "v1/", good + "/", good + "0", good[:len(good)-1], "/" + good, "v2" + good[2:],
		"v1/00112233445566778899AABBCCDDEEFF/ffeeddccbbaa99887766554433221100",
		"v1/../../../../../../../../../../etc/passwd/////////////////////////",
		"v1/00112233445566778899aabbccddeeff//feeddccbbaa99887766554433221100",
		"v1/00112233445566778899aabbccddeeff/..eeddccbbaa99887766554433221100",
		"v1/0011223344556677889\x00aabbccddeeff/ffeeddccbbaa99887766554433221100",
		fmt.Sprintf("v1/%032d\\%032d", 0, 0), "v1/" + string(make([]byte, 65)),
	}
}
