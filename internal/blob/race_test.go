package blob

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
)

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
