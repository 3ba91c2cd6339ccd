package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// twin writes what cannot be told from a source by its path, size and date.
func (f folder) twin(of *client.Source, body []byte) *client.Source {
	f.t.Helper()
	f.write(of.Path, body)
	if err := os.Chtimes(filepath.Join(f.dir, of.Path), of.Modified, of.Modified); err != nil {
		f.t.Fatal(err)
	}
	return f.source(of.Path)
}

// TestTogetherNothingOfOthersGoes has a second machine send a file after the
// first one declared it and before the first one's turn for it. The first one
// fails with it, and what the second one sent stays.
func TestTogetherNothingOfOthersGoes(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		size   int
		theirs uint32 // the bytes of the second one; the first one's are 1
		open   error  // what the first one finds then
		want   func(error) bool
	}{
		"unreadable":            {100, 1, os.ErrPermission, func(err error) bool { return errors.Is(err, os.ErrPermission) }},
		"unreadable, two parts": {partSize + 1, 1, os.ErrPermission, func(err error) bool { return errors.Is(err, os.ErrPermission) }},
		"other bytes":           {100, 2, nil, func(err error) bool { return errors.Is(err, client.ErrOthers) }},
		"other, two parts":      {partSize + 1, 2, nil, func(err error) bool { return errors.Is(err, client.ErrOthers) }},
		"the same":              {2*partSize + 1, 1, nil, func(err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, first, second, out := newEnv(t), newFolder(t), newFolder(t), newFolder(t)
			c := e.client(client.Options{})
			u := e.start(c)
			mine := first.write("a", pattern(row.size, 1))
			theirs := second.twin(mine, pattern(row.size, row.theirs))
			open, met := mine.Open, false
			mine.Open = func(path string) (*os.File, error) {
				if !met {
					met = true
					failed, err := (&client.Sending{Upload: u, Shared: true}).Send(t.Context(), []*client.Source{theirs})
					if err != nil || len(failed) > 0 {
						t.Error(failed, err)
					}
					e.forgetCalls()
				}
				if row.open != nil {
					return nil, row.open
				}
				return open(path)
			}
			failed, err := (&client.Sending{Upload: u, Shared: true}).Send(t.Context(), []*client.Source{mine})
			e.must(err)
			var why error
			if len(failed) > 0 {
				why = failed[0].Err
			}
			if !row.want(why) {
				t.Errorf("failed: %v", failed)
			}
			if n := e.count(func(call string) bool { return strings.HasPrefix(call, "PUT ") }); n > 0 && row.size > partSize {
				t.Errorf("%d parts were sent that were there", n)
			}
			done, err := u.Complete(t.Context())
			e.must(err)
			if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
				t.Fatal(failed)
			}
			sameTree(t, second, out, []*client.Source{theirs})
		})
	}
}

// TestTogetherPartsOfOthersStay has the second machine come while the first one
// has sent one of two parts, and the first one's disk fail then.
func TestTogetherPartsOfOthersStay(t *testing.T) {
	t.Parallel()
	e, first, second, out := newEnv(t), newFolder(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	mine := first.write("a", pattern(partSize+1, 1))
	theirs := second.twin(mine, pattern(partSize+1, 1))
	met := false
	failed, err := (&client.Sending{Upload: u, Shared: true, Parallel: 1, Watch: client.Watch{Held: func(string, int64) {
		if met {
			return
		}
		met = true
		failed, err := (&client.Sending{Upload: u, Shared: true}).Send(t.Context(), []*client.Source{theirs})
		if err != nil || len(failed) > 0 {
			t.Error(failed, err)
		}
		if err := os.Truncate(filepath.Join(first.dir, "a"), 10); err != nil {
			t.Error(err)
		}
	}}}).Send(t.Context(), []*client.Source{mine})
	e.must(err)
	if len(failed) != 1 {
		t.Errorf("failed: %v", failed)
	}
	done, err := u.Complete(t.Context())
	e.must(err)
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, second, out, []*client.Source{theirs})
}

// TestTogetherOwnPartsGo takes out what only this machine has sent of a file
// that changes under it, and what arrived otherwise, and sends it anew.
func TestTogetherOwnPartsGo(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	sources := []*client.Source{in.write("changes", pattern(partSize+1, 1)), in.write("stays", pattern(100, 2))}
	garble := true
	e.setFault(func(w http.ResponseWriter, r *http.Request) func(http.ResponseWriter) http.ResponseWriter {
		if r.Method == http.MethodPut && r.ContentLength == 100 && garble {
			garble = false
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			body[50]++
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		return func(w http.ResponseWriter) http.ResponseWriter { return w }
	})
	changed := false
	failed, err := (&client.Sending{Upload: u, Shared: true, Parallel: 1, Watch: client.Watch{Held: func(path string, _ int64) {
		if path == "changes" && !changed {
			changed = true
			in.write("changes", pattern(2*partSize, 3))
		}
	}}}).Send(t.Context(), sources)
	e.must(err)
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	done, err := u.Complete(t.Context())
	if err != nil || done.Files != 2 {
		t.Fatal(done, err, client.IsCode(err, api.TransferIncomplete))
	}
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, in, out, sources)
}
