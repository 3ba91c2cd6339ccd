package blob

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// crashRoot makes the test binary the process that TestDirKilled kills.
const crashRoot = "LENZEYE_BLOB_CRASH_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(crashRoot); root != "" {
		os.Exit(writeUntilKilled(root))
	}
	os.Exit(m.Run())
}

// writeUntilKilled works in three goroutines and prints, a line each, what it
// is about to do and what was acknowledged.
func writeUntilKilled(root string) int {
	s, err := OpenDir(DirOptions{Root: root})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	errs := make(chan error)
	for range 3 {
		go func() {
			for {
				if err := writeOne(s, say); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	say("error %v", <-errs)
	return 1
}

// writeOne makes an object, of one Put or of three parts with a repeat, and
// deletes every fourth.
func writeOne(s *Store, say func(format string, args ...any)) error {
	ctx := context.Background()
	key, err := NewKey([16]byte{byte(rand.IntN(4))}, nil)
	if err != nil {
		return err
	}
	if rand.IntN(2) == 0 {
		say("try %s put", key)
		if _, err := s.Put(ctx, key, crashBody(1), crashSize(1)); err != nil {
			return err
		}
		say("ok %s put", key)
	} else if err := writeUpload(ctx, s, key, say); err != nil {
		return err
	}
	if rand.IntN(4) > 0 {
		return nil
	}
	say("try %s delete", key)
	if err := s.Delete(ctx, key); err != nil {
		return err
	}
	say("ok %s delete", key)
	return nil
}

func writeUpload(ctx context.Context, s *Store, key string, say func(format string, args ...any)) error {
	id, err := s.CreateUpload(ctx, key)
	if err != nil {
		return err
	}
	say("ok %s create %s", key, id)
	u := Upload{Key: key, ID: id}
	var refs []PartRef
	for _, n := range []int{2, 1, 3, 2} {
		etag, err := s.PutPart(ctx, u, n, crashBody(n), crashSize(n))
		if err != nil {
			return err
		}
		say("ok %s part %d %s", key, n, etag)
		refs = slices.DeleteFunc(refs, func(r PartRef) bool { return r.Number == n })
		refs = append(refs, PartRef{n, etag})
	}
	if rand.IntN(4) == 0 {
		say("try %s abort", key)
		if err := s.Abort(ctx, u); err != nil {
			return err
		}
		say("ok %s abort", key)
		return nil
	}
	say("try %s complete", key)
	if err := s.Complete(ctx, u, refs); err != nil {
		return err
	}
	say("ok %s complete", key)
	return nil
}

func crashSize(n int) int64     { return int64(40_000*n + n) }
func crashBody(n int) io.Reader { return bytes.NewReader(crashData(n)) }
func crashData(n int) []byte    { return pattern(uint64(n), int(crashSize(n))) }

// fate is what is known of one key when the process is dead.
type fate struct {
	tried, done map[string]bool
	id          string
	parts       map[int]string
}

func TestDirKilled(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	fates := map[string]*fate{}
	for range 8 {
		crash(t, root, 20+rand.IntN(100), fates)
		s := suite{T: t, Store: openTestDir(t, root), part: int(crashSize(1))}
		for key, f := range fates {
			s.settle(key, f)
		}
		s.onlyKnown(fates)
		if t.Failed() {
			t.FailNow()
		}
	}
	if len(fates) < 10 {
		t.Errorf("only %d objects were touched", len(fates))
	}
}

// crash runs a writer on the folder, kills it after some lines, and records
// all that it had said.
func crash(t *testing.T, root string, lines int, fates map[string]*fate) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashRoot+"="+root)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
		note(t, fates, in.Text())
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the writer ended by itself")
	}
}

// note reads one line of the writer: `try|ok key step args`. The last may be cut.
func note(t *testing.T, fates map[string]*fate, line string) {
	t.Helper()
	w := strings.Fields(line)
	if len(w) > 0 && w[0] == "error" {
		t.Error(line)
	}
	if len(w) < 3 || !ValidKey(w[1]) {
		return
	}
	f := fates[w[1]]
	if f == nil {
		f = &fate{tried: map[string]bool{}, done: map[string]bool{}, parts: map[int]string{}}
		fates[w[1]] = f
	}
	f.tried[w[2]] = true
	if w[0] == "ok" {
		f.done[w[2]] = true
	}
	switch {
	case w[2] == "create" && len(w) == 4:
		f.id = w[3]
	case w[2] == "part" && len(w) == 5 && len(w[4]) == hexLen:
		f.parts[int(w[3][0]-'0')] = w[4]
	}
}

// settle checks that what was acknowledged is so, that what was only tried is
// whole or absent, and brings the key to an end that later rounds check again.
func (s suite) settle(key string, f *fate) {
	s.Helper()
	u := Upload{Key: key, ID: f.id}
	_, err := s.Head(s.Context(), key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		s.Fatal(err)
	}
	there := err == nil
	whole := crashData(1)
	if f.id != "" {
		whole = slices.Concat(whole, crashData(2), crashData(3))
	}
	switch {
	case there:
		s.holds(key, whole)
		if f.done["delete"] || f.tried["abort"] {
			s.Errorf("%s is back", key)
		}
	case f.tried["delete"]:
	case f.tried["abort"]:
		s.aborted(u, f)
	case f.done["put"] || f.done["complete"]:
		s.Errorf("%s is lost", key)
	case f.id != "":
		s.goOn(u, f, whole)
	}
}

// aborted: an upload that is being aborted is there with all its parts, or gone.
func (s suite) aborted(u Upload, f *fate) {
	s.Helper()
	parts, err := s.Parts(s.Context(), u, 0, 0)
	if err == nil && (f.done["abort"] || len(parts) != 3) {
		s.Errorf("upload of %s after an abort (acknowledged: %v): %v", u.Key, f.done["abort"], parts)
	}
	if err != nil {
		s.is(err, ErrUploadNotFound)
	}
	s.must(s.Abort(s.Context(), u))
	f.done["abort"] = true
}

// goOn finishes an upload as its guest would: acknowledged parts are not sent
// again.
func (s suite) goOn(u Upload, f *fate, whole []byte) {
	s.Helper()
	held := map[int]PartInfo{}
	for _, p := range s.parts(u) {
		held[p.Number] = p
	}
	var refs []PartRef
	for n := 1; n <= 3; n++ {
		ref := PartRef{n, f.parts[n]}
		if p, ok := held[n]; ref.ETag != "" && (!ok || p.Size != crashSize(n)) {
			s.Errorf("part %d of %s was acknowledged, held is %+v", n, u.Key, p)
		}
		if ref.ETag == "" {
			ref = s.send(u, n, crashData(n))
		}
		refs = append(refs, ref)
	}
	s.must(s.Complete(s.Context(), u, refs))
	s.holds(u.Key, whole)
	f.done["complete"] = true
}

// onlyKnown checks that nothing half-made is shown. An upload whose creation
// was not acknowledged may be there, and is taken away.
func (s suite) onlyKnown(fates map[string]*fate) {
	s.Helper()
	page, _, err := s.Uploads(s.Context(), UploadMark{}, 0)
	s.must(err)
	for _, u := range page {
		if f := fates[u.Key]; f != nil && f.id != "" {
			s.Errorf("upload of %s is unfinished", u.Key)
		}
		s.must(s.Abort(s.Context(), u.Upload))
	}
	for after := ""; ; {
		list, err := s.List(s.Context(), after, 0)
		s.must(err)
		if len(list) == 0 {
			return
		}
		for _, o := range list {
			if fates[o.Key] == nil {
				s.Errorf("nobody wrote %s", o.Key)
			}
		}
		after = list[len(list)-1].Key
	}
}
