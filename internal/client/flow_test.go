package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

const partSize = 10 << 20 // of files this small

// send sends everything and completes.
func (e *env) send(u *client.Upload, sources ...*client.Source) api.Completed {
	e.t.Helper()
	failed, err := (&client.Sending{Upload: u}).Send(e.t.Context(), sources)
	e.must(err)
	if len(failed) > 0 {
		e.t.Fatalf("not sent: %v", failed)
	}
	done, err := u.Complete(e.t.Context())
	e.must(err)
	return done
}

// fetchAll fetches everything into out.
func (e *env) fetchAll(s *client.Share, out folder) []client.Failure {
	e.t.Helper()
	view, err := view(e.t.Context(), s)
	e.must(err)
	failed, err := (&client.Fetching{Share: s, Dir: out.root()}).Fetch(e.t.Context(), name(view.Files))
	e.must(err)
	return failed
}

// mixed are files of every kind of size.
func mixed(in folder) (all []*client.Source) {
	for i, size := range []int{0, 1, 65_535, partSize - 1, partSize, partSize + 1, 2*partSize + 777} {
		all = append(all, in.write(filepath.Join("Card A", string(rune('a'+i)), "ü.cr3"), pattern(size, uint32(i))))
	}
	for i := range 30 {
		all = append(all, in.write("small/"+strings.Repeat("x", i+1), pattern(i*997, uint32(100+i))))
	}
	return all
}

func sameTree(t *testing.T, in, out folder, sources []*client.Source) {
	t.Helper()
	for _, s := range sources {
		if !bytes.Equal(in.read(s.Path), out.read(s.Path)) {
			t.Errorf("%s differs", s.Path)
		}
	}
	var left []string
	err := filepath.WalkDir(out.dir, func(path string, d os.DirEntry, err error) error {
		if strings.Contains(d.Name(), ".part") {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// TestThroughFaults sends and fetches while the proxy refuses, cuts, loses
// answers and breaks connections.
func TestThroughFaults(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	e.setFault(func(w http.ResponseWriter, r *http.Request) func(http.ResponseWriter) http.ResponseWriter {
		switch roll(24) {
		case 0:
			refuse(w, http.StatusServiceUnavailable, api.Busy, "Retry-After", "0")
			return nil
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			_, _ = io.CopyN(io.Discard, r.Body, int64(roll(2<<20)))
			panic(http.ErrAbortHandler)
		case 3:
			if !strings.HasSuffix(r.URL.Path, "/unlock") {
				return func(w http.ResponseWriter) http.ResponseWriter { return lost{w} }
			}
		case 4:
			if r.Method == http.MethodGet {
				return func(w http.ResponseWriter) http.ResponseWriter { return &cut{w, roll(3 << 20)} }
			}
		case 5:
			w.WriteHeader(http.StatusBadGateway)
			return nil
		}
		return func(w http.ResponseWriter) http.ResponseWriter { return w }
	})
	c := e.client(client.Options{FirstPatience: time.Minute})
	sources := mixed(in)
	done := e.send(e.start(c), sources...)
	e.setFault(nil)
	s := e.open(c, done) // unlocking is not repeated after a cut, so it goes without
	e.setFault(func(w http.ResponseWriter, r *http.Request) func(http.ResponseWriter) http.ResponseWriter {
		if roll(3) == 0 {
			return func(w http.ResponseWriter) http.ResponseWriter { return &cut{w, roll(5 << 20)} }
		}
		return func(w http.ResponseWriter) http.ResponseWriter { return w }
	})
	if failed := e.fetchAll(s, out); len(failed) > 0 {
		t.Fatalf("not fetched: %v", failed)
	}
	sameTree(t, in, out, sources)
	if diff := cmp.Diff(in.source("small/x").Modified.UnixMilli(), out.source("small/x").Modified.UnixMilli()); diff != "" {
		t.Errorf("the date differs: %s", diff)
	}
}

// TestSendGoesOn interrupts a sending and begins it again: what was acknowledged
// is not sent twice.
func TestSendGoesOn(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	sources := []*client.Source{in.write("big.mov", pattern(4*partSize+5, 1)), in.write("small.jpg", pattern(500, 2))}
	ctx, stop := context.WithCancel(t.Context())
	var parts int
	_, err := (&client.Sending{Upload: u, Parallel: 1, Watch: client.Watch{
		Held: func(string, int64) {
			if parts++; parts == 2 {
				stop()
			}
		},
	}}).Send(ctx, sources)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	e.forgetCalls()
	done := e.send(u, sources...)
	isPut := func(call string) bool { return strings.HasPrefix(call, "PUT ") }
	if n := e.count(isPut); n != 4 { // of 6 parts
		t.Errorf("%d parts were sent the second time, want 4", n)
	}
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, in, out, sources)
}

// TestChangedBytes changes a file between two runs, and under the sending, in
// every way: what arrives is what the file is at the end.
func TestChangedBytes(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	names := []string{"same size and date", "other size", "other date", "stays", "many parts"}
	var first []*client.Source
	for i, name := range names {
		size := 1000
		if name == "many parts" {
			size = 2*partSize + 1
		}
		first = append(first, in.write(name, pattern(size, uint32(i))))
	}
	_, err := (&client.Sending{Upload: u}).Send(t.Context(), first)
	e.must(err)

	date := first[0].Modified
	in.write(names[0], pattern(1000, 50))
	in.write(names[1], pattern(1001, 51))
	in.write(names[2], pattern(1000, 52))
	body := in.read("many parts")
	body[2*partSize]++
	in.write("many parts", body)
	e.must(os.Chtimes(filepath.Join(in.dir, names[0]), date, date))
	e.must(os.Chtimes(filepath.Join(in.dir, "many parts"), first[4].Modified, first[4].Modified))
	second := make([]*client.Source, len(names))
	for i, name := range names {
		second[i] = in.source(name)
	}
	var mu sync.Mutex
	anew := map[string]int{}
	_, err = (&client.Sending{Upload: u, Watch: client.Watch{Anew: func(path string, _ error) {
		mu.Lock()
		defer mu.Unlock()
		anew[path]++
	}}}).Send(t.Context(), second)
	e.must(err)
	want := map[string]int{names[0]: 1, names[1]: 1, names[2]: 1, "many parts": 1}
	if diff := cmp.Diff(want, anew); diff != "" {
		t.Errorf("sent anew: %s", diff)
	}
	done, err := u.Complete(t.Context())
	e.must(err)
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, in, out, second)
}

// TestChangesUnderway covers files that change, shrink, vanish or become
// something else after they were looked at; the others go their way.
func TestChangesUnderway(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	grows, restless, vanishes, good := in.write("grows", pattern(100, 1)), in.write("restless", pattern(100, 2)),
		in.write("vanishes", pattern(100, 3)), in.write("good", pattern(100, 4))
	in.write("grows", pattern(200, 5))
	e.must(os.Remove(filepath.Join(in.dir, "vanishes")))
	open := restless.Open
	opened := 0
	restless.Open = func(path string) (*os.File, error) { // every look finds another date
		opened++
		at := time.UnixMilli(int64(opened) * 1000)
		if err := os.Chtimes(filepath.Join(in.dir, "restless"), at, at); err != nil {
			return nil, err
		}
		return open(path)
	}
	failed, err := (&client.Sending{Upload: u}).Send(t.Context(), []*client.Source{grows, restless, vanishes, good})
	e.must(err)
	reasons := map[string]error{}
	for _, f := range failed {
		reasons[f.Path] = f.Err
	}
	if len(reasons) != 2 || !errors.Is(reasons["restless"], client.ErrChanged) || !errors.Is(reasons["vanishes"], os.ErrNotExist) {
		t.Errorf("failed: %v", reasons)
	}
	done, err := u.Complete(t.Context())
	e.must(err)
	out := newFolder(t)
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	if diff := cmp.Diff(done.Files, int64(2)); diff != "" {
		t.Errorf("files: %s", diff)
	}
	sameTree(t, in, out, []*client.Source{grows, good})
}

// TestPathsInConflict declares names that one folder cannot hold together.
func TestPathsInConflict(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	composed, decomposed := in.write("\u00fc", []byte("one")), in.write("u\u0308", []byte("two"))
	failed, err := (&client.Sending{Upload: u}).Send(t.Context(), []*client.Source{composed, decomposed})
	e.must(err)
	if len(failed) != 1 || failed[0].Path != decomposed.Path || !client.IsCode(failed[0].Err, api.PathTaken) {
		t.Errorf("failed: %v", failed)
	}
	// A file of an earlier run that has become a folder gives way.
	e.must(os.Remove(filepath.Join(in.dir, "\u00fc")))
	inside := in.write("\u00fc/inside", []byte("three"))
	failed, err = (&client.Sending{Upload: u}).Send(t.Context(), []*client.Source{inside})
	e.must(err)
	if len(failed) != 0 {
		t.Errorf("failed: %v", failed)
	}
}

// TestPathsInConflictUnseen has names that are one to the server on files that
// cannot be told apart but by their bytes: one is sent and the other is named, in
// every order and when run again.
func TestPathsInConflictUnseen(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	composed, decomposed := in.write("\u00fc", []byte("one")), in.write("u\u0308", []byte("two"))
	decomposed.Modified = composed.Modified
	e.must(os.Chtimes(filepath.Join(in.dir, "u\u0308"), composed.Modified, composed.Modified))
	for i, sources := range [][]*client.Source{{composed, decomposed}, {composed, decomposed}, {decomposed, composed}} {
		failed, err := (&client.Sending{Upload: u}).Send(t.Context(), sources)
		e.must(err)
		if len(failed) != 1 || failed[0].Path != decomposed.Path || !client.IsCode(failed[0].Err, api.PathTaken) {
			t.Errorf("run %d failed: %v", i, failed)
		}
	}
	// The one that was sent is gone today, and the other stands for it.
	failed, err := (&client.Sending{Upload: u}).Send(t.Context(), []*client.Source{decomposed})
	e.must(err)
	if len(failed) != 0 {
		t.Errorf("failed: %v", failed)
	}
	done, err := u.Complete(t.Context())
	e.must(err)
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 || done.Files != 1 {
		t.Fatal(failed, done)
	}
	sameTree(t, in, out, []*client.Source{decomposed})
}

// TestStream sends bytes as they come, and takes out what has not the length
// that was said.
func TestStream(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c := e.client(client.Options{})
	spool, err := os.CreateTemp(t.TempDir(), "spool")
	e.must(err)
	defer spool.Close()
	body := pattern(partSize+100, 9)
	for name, row := range map[string]struct {
		size int64
		why  string
	}{"short": {partSize + 101, "ended after"}, "long": {partSize + 99, "longer than"}, "right": {partSize + 100, ""}} {
		u := e.start(c)
		err := (&client.Sending{Upload: u}).Stream(t.Context(), &client.Source{Path: "in", Size: row.size}, bytes.NewReader(body), spool)
		if row.why != "" {
			if err == nil || !strings.Contains(err.Error(), row.why) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := u.Complete(t.Context()); !client.IsCode(err, api.TransferEmpty) {
				t.Errorf("%s: completed: %v", name, err)
			}
			continue
		}
		e.must(err)
		done, err := u.Complete(t.Context())
		e.must(err)
		s := e.open(c, done)
		view, err := view(t.Context(), s)
		e.must(err)
		var got bytes.Buffer
		e.must(s.Fetch(t.Context(), view.Files[0].ID, client.Range{Size: view.Files[0].Size}, &got))
		if !bytes.Equal(got.Bytes(), body) {
			t.Error("the bytes differ")
		}
	}
}
