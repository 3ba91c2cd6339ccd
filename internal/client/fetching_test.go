package client_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

const pieceSize = 8 << 20

// TestFetchGoesOn interrupts a fetching and begins it again: pieces that are
// there are not fetched twice.
func TestFetchGoesOn(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	big := in.write("big.mov", pattern(3*pieceSize+99, 1))
	s := e.open(c, e.send(e.start(c), big))
	e.fetchUntil(s, out, 2)
	if _, err := os.Stat(filepath.Join(out.dir, "big.mov")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("half a file has its name: %v", err)
	}
	e.forgetCalls()
	if failed := e.fetchAll(s, out); len(failed) > 0 {
		t.Fatal(failed)
	}
	isContent := func(call string) bool { return strings.Contains(call, "/files/") }
	if n := e.count(isContent); n != 2 { // of 4 pieces
		t.Errorf("%d pieces were fetched the second time, want 2", n)
	}
	sameTree(t, in, out, []*client.Source{big})
	e.forgetCalls()
	if failed := e.fetchAll(s, out); len(failed) > 0 || e.count(isContent) != 0 {
		t.Errorf("what is there was fetched again: %v, %d pieces", failed, e.count(isContent))
	}
}

// TestInterruptedNamesWhatFailed ends a fetching early: what cannot be had is named
// all the same.
func TestInterruptedNamesWhatFailed(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	s := e.open(c, e.send(e.start(c), in.write("a", []byte("a")), in.write("b", []byte("b")), in.write("c", []byte("c"))))
	out.write("a", []byte("somebody's"))
	view, err := view(t.Context(), s)
	e.must(err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f := &client.Fetching{Share: s, Dir: out.root(), Parallel: 1, Watch: client.Watch{Done: func(string) { stop() }}}
	failed, err := f.Fetch(ctx, name(view.Files))
	if !errors.Is(err, context.Canceled) || len(failed) != 1 || failed[0].Path != "a" || !errors.Is(failed[0].Err, client.ErrExists) {
		t.Errorf("%v, %v", failed, err)
	}
}

// fetchUntil fetches piece by piece, and stops when so many have arrived.
func (e *env) fetchUntil(s *client.Share, out folder, pieces int) {
	e.t.Helper()
	view, err := view(e.t.Context(), s)
	e.must(err)
	ctx, stop := context.WithCancel(e.t.Context())
	defer stop()
	f := &client.Fetching{Share: s, Dir: out.root(), Parallel: 1, Watch: client.Watch{Held: func(string, int64) {
		if pieces--; pieces == 0 {
			stop()
		}
	}}}
	if _, err := f.Fetch(ctx, name(view.Files)); !errors.Is(err, context.Canceled) {
		e.t.Fatalf("interrupted: %v", err)
	}
}

// TestWhatIsThere begins with things in the folder that are not what an earlier
// run left.
func TestWhatIsThere(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	big := in.write("big.mov", pattern(2*pieceSize+1, 1))
	s := e.open(c, e.send(e.start(c), big))
	view, err := view(t.Context(), s)
	e.must(err)
	crc := `"00000000"`
	if text, err := view.Files[0].CRC32.MarshalJSON(); err == nil {
		crc = string(text)
	}
	note := func(size, pieces string) string {
		return `{"id":"` + view.Files[0].ID + `","size":` + size + `,"crc32":` + crc + `,"piece_size":8388608,"pieces":` + pieces + `}`
	}
	full := string(pattern(2*pieceSize+1, 7)) // other bytes
	for name, there := range map[string]map[string]string{
		"a note of another file":   {"big.mov.part": full, "big.mov.part.json": note("5", "[[0,2]]")},
		"pieces out of order":      {"big.mov.part": full, "big.mov.part.json": note("16777217", "[[2,2],[0,1]]")},
		"pieces that are not":      {"big.mov.part": full, "big.mov.part.json": note("16777217", "[[0,99]]")},
		"a part cut short":         {"big.mov.part": "x", "big.mov.part.json": note("16777217", "[[0,2]]")},
		"a part of other bytes":    {"big.mov.part": full, "big.mov.part.json": note("16777217", "[[0,2]]")},
		"a part that is too long":  {"big.mov.part": full + "more", "big.mov.part.json": note("16777217", "[[0,0]]")},
		"a note without its part":  {"big.mov.part.json": note("16777217", "[[0,2]]")},
		"a note that is half made": {"big.mov.part.json.new": "{"},
	} {
		out := folderWith(t, there)
		if failed := e.fetchAll(s, out); len(failed) > 0 {
			t.Errorf("%s: %v", name, failed)
		}
		if !bytes.Equal(in.read("big.mov"), out.read("big.mov")) {
			t.Errorf("%s: the bytes differ", name)
		}
		if got := out.names(); len(got) != 1 {
			t.Errorf("%s: left in the folder: %v", name, got)
		}
	}
	out := newFolder(t) // an earlier run ended between the file's name and the end of its note
	out.write("big.mov", in.read("big.mov"))
	out.write("big.mov.part.json", []byte(note("16777217", "[[0,2]]")))
	if failed := e.fetchAll(s, out); len(failed) > 0 {
		t.Error(failed)
	}
	if got := out.names(); len(got) != 1 {
		t.Errorf("left in the folder: %v", got)
	}
	for name, body := range map[string]string{"other size": "mine", "other bytes": full} {
		out := newFolder(t)
		out.write("big.mov", []byte(body))
		failed := e.fetchAll(s, out)
		if len(failed) != 1 || !errors.Is(failed[0].Err, client.ErrExists) || string(out.read("big.mov")) != body {
			t.Errorf("%s: a file of somebody's was replaced: %v", name, failed)
		}
	}
}

// TestPartOfSomebodyElse has files in the folder that are called as what grows
// would be: they stay as they are, and the fetched file grows under its id, which a
// second run goes on with.
func TestPartOfSomebodyElse(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	big := in.write("big.mov", pattern(3*pieceSize+1, 1))
	s := e.open(c, e.send(e.start(c), big))
	view, err := view(t.Context(), s)
	e.must(err)
	for name, there := range map[string]map[string]string{
		"a part without a note": {"big.mov.part": "precious"},
		"a note alone":          {"big.mov.part.json": "precious"},
		"a note that is none":   {"big.mov.part": "precious", "big.mov.part.json": `{"id":`},
		"an empty part":         {"big.mov.part": ""},
		"another download":      {"big.mov.part": "half", "big.mov.part.json": `{"id":"of another share","size":5,"crc32":"00000000","piece_size":8388608,"pieces":[]}`},
	} {
		out := folderWith(t, there)
		e.fetchUntil(s, out, 2)
		if _, err := os.Stat(filepath.Join(out.dir, view.Files[0].ID+".part")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.forgetCalls()
		if failed := e.fetchAll(s, out); len(failed) > 0 {
			t.Errorf("%s: %v", name, failed)
		}
		if n := e.count(func(call string) bool { return strings.Contains(call, "/files/") }); n != 2 { // of 4 pieces
			t.Errorf("%s: %d pieces were fetched the second time, want 2", name, n)
		}
		if got := out.names(); len(got) != 1+len(there) || !bytes.Equal(in.read("big.mov"), out.read("big.mov")) {
			t.Errorf("%s: in the folder are %v", name, got)
		}
		for file, body := range there {
			if string(out.read(file)) != body {
				t.Errorf("%s: %s was written to", name, file)
			}
		}
		// Whatever was in the way may be gone before the second run.
		out = folderWith(t, there)
		e.fetchUntil(s, out, 2)
		for file := range there {
			e.must(os.Remove(filepath.Join(out.dir, file)))
		}
		e.forgetCalls()
		if failed := e.fetchAll(s, out); len(failed) > 0 || len(out.names()) != 1 {
			t.Errorf("%s, then gone: %v, %v", name, failed, out.names())
		}
		if n := e.count(func(call string) bool { return strings.Contains(call, "/files/") }); n != 2 {
			t.Errorf("%s, then gone: %d pieces were fetched the second time, want 2", name, n)
		}
	}
}

// TestFolderIsNotLeft has links in the folder that lead out of it.
func TestFolderIsNotLeft(t *testing.T) {
	t.Parallel()
	e, in, out, outside := newEnv(t), newFolder(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	s := e.open(c, e.send(e.start(c), in.write("folder/file", []byte("a")), in.write("plain", []byte("b")), in.write("good", []byte("c"))))
	outside.write("victim", []byte("precious"))
	e.must(os.Symlink(outside.dir, filepath.Join(out.dir, "folder")))
	e.must(os.Symlink(filepath.Join(outside.dir, "victim"), filepath.Join(out.dir, "plain.part")))
	failed := e.fetchAll(s, out)
	if len(failed) != 1 || string(out.read("good")) != "c" || string(out.read("plain")) != "b" {
		t.Errorf("failed: %v", failed)
	}
	if entries, err := os.ReadDir(outside.dir); err != nil || len(entries) != 1 || string(outside.read("victim")) != "precious" {
		t.Errorf("something was written outside: %v %v", entries, err)
	}
}

// TestDamage fetches a file whose bytes are changed on the way, once and always,
// beside one that the server itself calls damaged.
func TestDamage(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	sources := []*client.Source{in.write("a", pattern(1000, 1)), in.write("b", pattern(1000, 2))}
	s := e.open(c, e.send(e.start(c), sources...))
	view, err := view(t.Context(), s)
	e.must(err)
	var times atomic.Int64
	spoil := func(limit int64) {
		times.Store(0)
		e.setFault(func(_ http.ResponseWriter, r *http.Request) func(http.ResponseWriter) http.ResponseWriter {
			return func(w http.ResponseWriter) http.ResponseWriter {
				if strings.HasSuffix(r.URL.Path, view.Files[0].ID) && times.Add(1) <= limit {
					return spoiled{w}
				}
				return w
			}
		})
	}
	out := newFolder(t)
	spoil(1)
	if failed := e.fetchAll(s, out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, in, out, sources)

	out = newFolder(t)
	spoil(1 << 30)
	failed := e.fetchAll(s, out)
	if len(failed) != 1 || !errors.Is(failed[0].Err, client.ErrDamaged) {
		t.Errorf("failed: %v", failed)
	}
	sameTree(t, in, out, sources[1:])

	out = newFolder(t)
	e.setFault(func(w http.ResponseWriter, r *http.Request) func(http.ResponseWriter) http.ResponseWriter {
		if strings.HasSuffix(r.URL.Path, view.Files[0].ID) {
			refuse(w, http.StatusInternalServerError, api.FileDamaged)
			return nil
		}
		return func(w http.ResponseWriter) http.ResponseWriter { return w }
	})
	failed = e.fetchAll(s, out)
	if len(failed) != 1 || !client.IsCode(failed[0].Err, api.FileDamaged) {
		t.Errorf("failed: %v", failed)
	}
}

// spoiled changes every byte.
type spoiled struct{ http.ResponseWriter }

func (s spoiled) Write(p []byte) (int, error) {
	other := make([]byte, len(p))
	for i, b := range p {
		other[i] = b + 1
	}
	return s.ResponseWriter.Write(other)
}

// TestNamesUntilWhole keeps parts apart from files that are called like parts.
func TestNamesUntilWhole(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	sources := []*client.Source{
		in.write("a", pattern(3*pieceSize, 1)), in.write("a.part", []byte("1")), in.write("a.part.json", []byte("2")),
		in.write(strings.Repeat("n", 255), []byte("3")),
	}
	s := e.open(c, e.send(e.start(c), sources...))
	if failed := e.fetchAll(s, out); len(failed) > 0 {
		t.Fatal(failed)
	}
	for _, src := range sources {
		if !bytes.Equal(in.read(src.Path), out.read(src.Path)) {
			t.Errorf("%.20s differs", src.Path)
		}
	}
	if entries, err := os.ReadDir(out.dir); err != nil || len(entries) != len(sources) {
		t.Errorf("%d files: %v %v", len(entries), entries, err)
	}
}

// TestCheckIsInterrupted ends a fetching when all bytes are there and are only
// compared with their checksum: the file has not its name yet, and the next run
// fetches nothing again.
func TestCheckIsInterrupted(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	big := in.write("big.mov", pattern(pieceSize+1, 1))
	s := e.open(c, e.send(e.start(c), big))
	view, err := view(t.Context(), s)
	e.must(err)
	ctx, stop := context.WithCancel(t.Context())
	var pieces int
	f := &client.Fetching{Share: s, Dir: out.root(), Parallel: 1, Watch: client.Watch{Held: func(string, int64) {
		if pieces++; pieces == 2 {
			stop()
		}
	}}}
	if _, err := f.Fetch(ctx, name(view.Files)); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out.dir, "big.mov")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that was not compared has its name: %v", err)
	}
	e.forgetCalls()
	if failed := e.fetchAll(s, out); len(failed) > 0 {
		t.Fatal(failed)
	}
	if n := e.count(func(call string) bool { return strings.Contains(call, "/files/") }); n != 0 {
		t.Errorf("%d pieces were fetched twice", n)
	}
	sameTree(t, in, out, []*client.Source{big})
}

// TestNameIsTakenMeanwhile has a file come into the folder while one of its name
// is fetched.
func TestNameIsTakenMeanwhile(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	s := e.open(c, e.send(e.start(c), in.write("a.mov", pattern(1000, 1))))
	view, err := view(t.Context(), s)
	e.must(err)
	f := &client.Fetching{Share: s, Dir: out.root(), Parallel: 1, Watch: client.Watch{Held: func(_ string, n int64) {
		if n > 0 {
			out.write("a.mov", []byte("mine"))
		}
	}}}
	failed, err := f.Fetch(t.Context(), name(view.Files))
	e.must(err)
	if len(failed) != 1 || !errors.Is(failed[0].Err, client.ErrExists) || string(out.read("a.mov")) != "mine" {
		t.Errorf("a file of somebody's was replaced: %v", failed)
	}
}
