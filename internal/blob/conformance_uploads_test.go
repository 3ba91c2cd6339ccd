package blob

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"
)

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
	key, data, other := s.key(), pattern(1, s.part), pattern(2, s.part)
	u := s.create(key)
	one, two := s.send(u, 1, data), s.send(u, 2, other)
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
	s.holds(key, slices.Concat(data, other))
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
