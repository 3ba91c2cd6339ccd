package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// TestOthersFilesStay has a second machine send to a transfer of several: what
// the first one sent stays, whatever the second has under the same paths.
func TestOthersFilesStay(t *testing.T) {
	t.Parallel()
	e, first, second, out := newEnv(t), newFolder(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	theirs := []*client.Source{first.write("size", pattern(100, 1)), first.write("bytes", pattern(100, 2)), first.write("empty", nil)}
	if failed, err := (&client.Sending{Upload: u}).Send(t.Context(), theirs); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	mine := []*client.Source{second.write("size", pattern(200, 3)), second.write("bytes", pattern(100, 4)), second.write("empty", []byte("x")),
		second.write("new", pattern(100, 5))}
	e.must(os.Chtimes(filepath.Join(second.dir, "bytes"), theirs[1].Modified, theirs[1].Modified))
	mine[1] = second.source("bytes")
	failed, err := (&client.Sending{Upload: u, Shared: true}).Send(t.Context(), mine)
	e.must(err)
	why := map[string]error{}
	for _, f := range failed {
		why[f.Path] = f.Err
	}
	if len(why) != 3 || !client.IsCode(why["size"], api.PathTaken) || !client.IsCode(why["empty"], api.PathTaken) || !errors.Is(why["bytes"], client.ErrOthers) {
		t.Errorf("failed: %v", why)
	}
	done, err := u.Complete(t.Context())
	e.must(err)
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, first, out, theirs)
	sameTree(t, second, out, mine[3:])
}

// TestEmptyFileIsLookedAt fills a file that was empty when it was looked at,
// takes another away and locks a third.
func TestEmptyFileIsLookedAt(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	sources := []*client.Source{in.write("filled", nil), in.write("gone", nil), in.write("locked", nil), in.write("stays", nil)}
	in.write("filled", pattern(1000, 1))
	e.must(os.Remove(filepath.Join(in.dir, "gone")))
	sources[2].Open = func(string) (*os.File, error) { return nil, os.ErrPermission }
	var began, ended []string
	failed, err := (&client.Sending{Upload: u, Parallel: 1, Watch: client.Watch{
		Began: func(path string, _ int64) { began = append(began, path) }, Ended: func(path string) { ended = append(ended, path) },
	}}).Send(t.Context(), sources)
	e.must(err)
	if len(failed) != 2 || !errors.Is(failed[0].Err, os.ErrNotExist) || !errors.Is(failed[1].Err, os.ErrPermission) {
		t.Errorf("failed: %v", failed)
	}
	if len(began) != 5 || len(ended) != 5 { // one of four is sent anew
		t.Errorf("began %q, ended %q", began, ended)
	}
	done, err := u.Complete(t.Context())
	e.must(err)
	if failed := e.fetchAll(e.open(c, done), out); len(failed) > 0 {
		t.Fatal(failed)
	}
	sameTree(t, in, out, []*client.Source{sources[0], sources[3]})
}

// TestBecomesSomethingElse sends files that are a folder and a pipe by the time
// of their turn: neither waits for anybody, and the rest goes its way.
func TestBecomesSomethingElse(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	u := e.start(c)
	good, folder := in.write("good", pattern(100, 1)), in.write("folder", pattern(100, 2))
	e.must(os.Remove(filepath.Join(in.dir, "folder")))
	e.must(os.Mkdir(filepath.Join(in.dir, "folder"), 0o755))
	failed, err := (&client.Sending{Upload: u}).Send(t.Context(), []*client.Source{folder, good})
	e.must(err)
	var local *client.LocalError
	if len(failed) != 1 || failed[0].Path != "folder" || !errors.As(failed[0].Err, &local) || errors.Is(failed[0].Err, client.ErrChanged) {
		t.Errorf("failed: %v", failed)
	}
	if done, err := u.Complete(t.Context()); err != nil || done.Files != 1 {
		t.Errorf("%+v %v", done, err)
	}
}

// TestNamesUntilWholeOfFolders keeps a file that grows apart from a folder of
// the name that it grows under.
func TestNamesUntilWholeOfFolders(t *testing.T) {
	t.Parallel()
	e, in, out := newEnv(t), newFolder(t), newFolder(t)
	c := e.client(client.Options{})
	sources := []*client.Source{in.write("x", pattern(pieceSize+1, 1)), in.write("x.part/inside", []byte("1")), in.write("y/z.Part.JSON/inside", []byte("2"))}
	s := e.open(c, e.send(e.start(c), sources...))
	for range 2 {
		if failed := e.fetchAll(s, out); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	for _, src := range sources {
		if string(in.read(src.Path)) != string(out.read(src.Path)) || !out.source(src.Path).Modified.Truncate(time.Millisecond).Equal(src.Modified.Truncate(time.Millisecond)) {
			t.Errorf("%s differs", src.Path)
		}
	}
}
