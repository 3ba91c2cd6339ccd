package blob

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCheckInterrupted cancels at twenty moments, before and after a request
// was dealt with, and looks for what is left.
func TestCheckInterrupted(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			stopped := errors.New("Ctrl-C")
			at := 3 + rand.Int64N(150)
			var count atomic.Int64
			w, direct := faulty(t, func(rw http.ResponseWriter, r *http.Request, server http.Handler) {
				n := count.Add(1)
				if n == at && i%2 == 0 {
					cancel(stopped)
				}
				pass(rw, r, server)
				if n == at {
					cancel(stopped)
				}
			})
			report := w.checking(t, nil).Run(ctx)
			if ctx.Err() != nil && report.Passed() && at < 100 {
				t.Errorf("passes, cancelled at request %d of %d", at, count.Load())
			}
			if len(report.Left) > 0 {
				t.Errorf("cancelled at request %d: %v", at, report.Left)
			}
			isEmpty(t, direct)
		})
	}
}

// TestCheckLeftovers takes away what a killed check left, and not what one
// does that is at work.
func TestCheckLeftovers(t *testing.T) {
	t.Parallel()
	var aged atomic.Bool
	dates := regexp.MustCompile(`<(LastModified|Initiated)>[^<]*<`)
	w, direct := faulty(t, on(isOp(OpList, OpUploads), func(rw http.ResponseWriter, r *http.Request, server http.Handler) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		body := answer.Body.String()
		if aged.Load() {
			body = dates.ReplaceAllString(body, "<$1>"+time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339)+"<")
		}
		answering(answer.Code, body)(rw, r, server)
	}))
	killed := w.checking(t, nil)
	key, err := killed.put(t.Context(), strings.NewReader("a"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := killed.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := w.checking(t, nil).Run(t.Context()); !report.Passed() {
		t.Errorf("%+v", report.row(t, "cleanup"))
	}
	if _, err := killed.store.Head(t.Context(), key); err != nil {
		t.Errorf("took away what another check is doing: %v", err)
	}
	aged.Store(true)
	report := w.checking(t, nil).Run(t.Context())
	if row := report.row(t, "cleanup"); row.Result != ResultOK || !strings.Contains(row.Found, "2 things of a check that was killed") {
		t.Errorf("%+v", row)
	}
	isEmpty(t, direct)
}

// TestCheckVersions has a bucket that keeps every version. The check takes them
// away where it may, and says where it may not.
func TestCheckVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listed fault // in place of the versions
		want   Result
		found  string
	}{
		"allowed": {nil, ResultOK, "nothing is left"},
		"denied":  {refuse(403, "AccessDenied"), ResultFailed, "403 AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &versions{kept: map[string]bool{}, listed: c.listed}
			w, _ := faulty(t, v.serve)
			report := w.checking(t, nil).Run(t.Context())
			if row := report.row(t, "cleanup"); row.Result != c.want || !strings.Contains(row.Found, c.found) {
				t.Errorf("%+v", row)
			}
			if left := len(v.kept); (left == 0) != (c.want == ResultOK) {
				t.Errorf("%d versions are left", left)
			}
		})
	}
}

// versions makes a server look like one with versioning: what was put stays
// until its version is deleted.
type versions struct {
	listed fault
	mu     sync.Mutex
	kept   map[string]bool
}

func (v *versions) serve(w http.ResponseWriter, r *http.Request, server http.Handler) {
	query := r.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case query.Has("versioning"):
		answering(http.StatusOK, versioningOn)(w, r, server)
	case query.Has("versions") && v.listed != nil:
		v.listed(w, r, server)
	case query.Has("versions"):
		var list strings.Builder
		for key := range v.kept {
			list.WriteString("<Version><Key>" + strings.ReplaceAll(key, "&", "&amp;") + "</Key><VersionId>one</VersionId></Version>")
		}
		answering(http.StatusOK, "<ListVersionsResult>"+list.String()+"</ListVersionsResult>")(w, r, server)
	case query.Get("versionId") == "one" && r.Method == http.MethodDelete:
		delete(v.kept, key)
		w.WriteHeader(http.StatusNoContent)
	case opOf(r) == OpPut && r.ContentLength != checkCut:
		v.kept[key] = true
		server.ServeHTTP(w, r)
	default:
		v.mu.Unlock() // a body may be silent for long
		defer v.mu.Lock()
		server.ServeHTTP(w, r)
	}
}

// TestCheckShowsForEver has a bucket that goes on showing what it says it has
// deleted: that nothing is left must not be said then.
func TestCheckShowsForEver(t *testing.T) {
	t.Parallel()
	w, _ := faulty(t, on(isOp(OpDelete), func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
		rw.WriteHeader(http.StatusNoContent)
	}))
	report := w.checking(t, nil).Run(t.Context())
	row := report.row(t, "cleanup")
	if row.Result != ResultFailed || !strings.Contains(row.Found, "showed") || report.Passed() {
		t.Errorf("%+v", row)
	}
}
