package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dirSuite is a directory store and its folder.
func dirSuite(t *testing.T) (suite, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "data", "blobs")
	return suite{T: t, Store: openTestDir(t, root), part: 1000}, root
}

// tree is every path below a folder, in slashes.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && path != root {
			rel, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDirLayout(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	single, multi := "v1/"+strings.Repeat("a", 32)+"/"+strings.Repeat("1", 32), "v1/"+strings.Repeat("a", 32)+"/"+strings.Repeat("2", 32)
	s.put(single, []byte("one"))
	u := s.create(multi)
	lost := s.send(u, 1, []byte("lost"))
	won := s.send(u, 1, []byte("won"))
	two := s.send(u, 2, []byte("two"))
	if lost.ETag == won.ETag {
		t.Fatal("two attempts have one name")
	}
	folder := "uploads/" + strings.ReplaceAll(multi[3:], "/", ".") + "." + u.ID
	want := []string{
		"tmp", "uploads", folder, folder + "/1." + lost.ETag, folder + "/1." + won.ETag,
		folder + "/2." + two.ETag, folder + "/initiated", "v1", filepath.Dir(single), single,
	}
	if diff := cmp.Diff(want, tree(t, root)); diff != "" {
		t.Errorf("before Complete: %s", diff)
	}
	s.must(s.Complete(t.Context(), u, []PartRef{won, two}))
	want = []string{
		"tmp", "uploads", "v1", filepath.Dir(single), single,
		multi, multi + "/1." + won.ETag, multi + "/2." + two.ETag, multi + "/manifest",
	}
	if diff := cmp.Diff(want, tree(t, root)); diff != "" {
		t.Errorf("after Complete: %s", diff)
	}
	manifest, err := os.ReadFile(filepath.Join(root, multi, "manifest"))
	s.must(err)
	text := fmt.Sprintf("v1 %s 00002 %016d\n00001.%s %019d\n00002.%s %019d\n", u.ID, 6, won.ETag, 3, two.ETag, 6)
	if diff := cmp.Diff(text, string(manifest)); diff != "" {
		t.Errorf("manifest: %s", diff)
	}
	s.must(errors.Join(s.Delete(t.Context(), single), s.Delete(t.Context(), multi)))
	if got := tree(t, root); len(got) != 4 {
		t.Errorf("after Delete: %v", got)
	}
}

func TestDirIsPrivate(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	s.upload(s.key(), [][]byte{{1}, {2}})
	s.put(s.key(), []byte{1})
	s.send(s.create(s.key()), 1, []byte{1})
	for _, name := range append(tree(t, root), ".") {
		info, err := os.Lstat(filepath.Join(root, name))
		s.must(err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// TestDirKeepsEveryAttempt: where S3 keeps the last, the directory can still
// complete with an earlier one whose acknowledgement was recorded.
func TestDirKeepsEveryAttempt(t *testing.T) {
	t.Parallel()
	s, _ := dirSuite(t)
	u := s.create(s.key())
	early := s.send(u, 1, []byte("early"))
	s.send(u, 1, []byte("late"))
	s.must(s.Complete(t.Context(), u, []PartRef{early}))
	s.holds(u.Key, []byte("early"))
	s.must(s.Complete(t.Context(), u, []PartRef{early}))
}

func TestDirReopen(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	key := s.key()
	s.put(key, []byte("abc"))
	before, err := s.Head(t.Context(), key)
	s.must(err)
	u := s.create(s.key())
	one := s.send(u, 1, []byte("one"))
	other := suite{T: t, Store: openTestDir(t, root), part: 10}
	two := other.send(u, 2, []byte("two"))
	after, err := other.Head(t.Context(), key)
	s.must(err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	again := other.send(u, 1, []byte("ONE"))
	if got := s.parts(u); len(got) != 2 || got[0].ETag != again.ETag {
		t.Errorf("parts seen by the first process: %+v, want %+v", got, again)
	}
	s.must(s.Complete(t.Context(), u, []PartRef{one, two}))
	other.holds(u.Key, []byte("onetwo"))
}

func TestDirSweepsLeftovers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := suite{T: t, Store: openTestDir(t, root), part: 10}
	tmp := filepath.Join(root, "tmp")
	plant := func(name string, age time.Duration) {
		t.Helper()
		path := filepath.Join(tmp, name)
		if name[0] == kindFile {
			s.must(os.WriteFile(path, []byte("half"), 0o600))
		} else {
			s.must(os.MkdirAll(path, 0o700))
			s.must(os.WriteFile(filepath.Join(path, "1.x"), []byte("half"), 0o600))
		}
		when := time.Now().Add(-age)
		s.must(os.Chtimes(path, when, when))
	}
	plant("w-old", 25*time.Hour)
	plant("w-new", time.Hour)
	plant("u-old", 25*time.Hour)
	plant("u-new", time.Hour)
	plant("d-new", 0)
	clock := time.Now()
	store, err := OpenDir(DirOptions{Root: root, Now: func() time.Time { return clock }})
	later := suite{T: t, Store: closing(t, store, err), part: 10}
	left := func() []string {
		names := []string{}
		for _, name := range tree(t, tmp) {
			if !strings.Contains(name, "/") {
				names = append(names, name)
			}
		}
		return names
	}
	if diff := cmp.Diff([]string{"u-new", "w-new"}, left()); diff != "" {
		t.Errorf("after opening: %s", diff)
	}
	list := func() {
		t.Helper()
		_, _, err := later.Uploads(t.Context(), UploadMark{}, 0)
		s.must(err)
	}
	plant("d-late", 0)
	list()
	if diff := cmp.Diff([]string{"d-late", "u-new", "w-new"}, left()); diff != "" {
		t.Errorf("within the hour: %s", diff)
	}
	clock = clock.Add(24 * time.Hour)
	list()
	if diff := cmp.Diff([]string{}, left()); diff != "" {
		t.Errorf("a day later: %s", diff)
	}
	for _, o := range []func() (int, error){
		func() (int, error) { l, err := later.List(t.Context(), "", 0); return len(l), err },
		func() (int, error) { l, _, err := later.Uploads(t.Context(), UploadMark{}, 0); return len(l), err },
	} {
		if n, err := o(); n != 0 || err != nil {
			t.Errorf("leftovers are listed: %d, %v", n, err)
		}
	}
}

func TestDirIgnoresStrangers(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	key := s.key()
	s.put(key, []byte("abc"))
	u := s.create(s.key())
	s.send(u, 1, []byte{1})
	uploadFolder := tree(t, filepath.Join(root, "uploads"))[0]
	for _, name := range []string{
		"v1/.DS_Store", "v1/zz", filepath.Dir(key) + "/.nfs0001", filepath.Dir(key) + "/note.txt", "uploads/x", "uploads/.DS_Store",
		"uploads/" + uploadFolder + "/2.short", "uploads/" + uploadFolder + "/02." + strings.Repeat("0", 32),
		"uploads/" + uploadFolder + "/10001." + strings.Repeat("0", 32), "uploads/" + uploadFolder + "/-1." + strings.Repeat("0", 32),
	} {
		s.must(os.WriteFile(filepath.Join(root, name), []byte("x"), 0o600))
	}
	list, err := s.List(t.Context(), "", 0)
	if err != nil || len(list) != 1 || list[0].Key != key {
		t.Errorf("list: %v %v", list, err)
	}
	page, _, err := s.Uploads(t.Context(), UploadMark{}, 0)
	if err != nil || len(page) != 1 || page[0].Upload != u {
		t.Errorf("uploads: %v %v", page, err)
	}
	if parts := s.parts(u); len(parts) != 1 {
		t.Errorf("parts: %v", parts)
	}
}

// TestDirStaysInside plants links that lead out of the store.
func TestDirStaysInside(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	outside := t.TempDir()
	key := s.key()
	s.must(os.Symlink(outside, filepath.Join(root, filepath.Dir(key))))
	if _, err := s.Put(t.Context(), key, bytes.NewReader([]byte{1}), 1); err == nil {
		t.Error("wrote through a link")
	}
	s.must(os.WriteFile(filepath.Join(outside, filepath.Base(key)), []byte("secret"), 0o600))
	if rc, err := s.Range(t.Context(), key, 0, 1); err == nil {
		t.Error("read through a link", rc.Close())
	}
	if err := s.Delete(t.Context(), key); err == nil {
		t.Error("deleted through a link")
	}
	if got := tree(t, outside); len(got) != 1 {
		t.Errorf("outside there is %v", got)
	}
}

func TestDirFull(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := suite{T: t, Store: openTestDir(t, root), part: 10}
	key, u := s.key(), s.create(s.key())
	s.put(key, []byte("abc"))
	free, known := s.FreeBytes(t.Context())
	if !known || free <= 0 {
		t.Fatalf("free %d, %v", free, known)
	}
	store, err := OpenDir(DirOptions{Root: root, MinFree: 1 << 60})
	full := suite{T: t, Store: closing(t, store, err), part: 10}
	if free, known := full.FreeBytes(t.Context()); !known || free != 0 {
		t.Errorf("free %d, %v", free, known)
	}
	body := bytes.NewReader([]byte("abc"))
	_, err = full.Put(t.Context(), full.key(), body, 3)
	s.is(err, ErrFull)
	_, err = full.PutPart(t.Context(), u, 1, body, 3)
	s.is(err, ErrFull)
	if body.Len() != 3 {
		t.Error("the body of a refused upload was read")
	}
	full.holds(key, []byte("abc"))
	s.must(full.Check(t.Context()))
	s.must(errors.Join(full.Delete(t.Context(), key), full.Abort(t.Context(), u)))
}

// TestDirReserves: a body in flight counts against the next one, for what it
// has not written yet.
func TestDirReserves(t *testing.T) {
	t.Parallel()
	store, err := OpenDir(DirOptions{Root: t.TempDir(), MinFree: 1000})
	s := suite{T: t, Store: closing(t, store, err), part: 10}
	d := s.objects.(*dir)
	d.disk = func(*os.Root) (int64, error) { return 11_000, nil }
	boom := errors.New("enough")
	_, err = s.Put(t.Context(), s.key(), io.MultiReader(bytes.NewReader(make([]byte, 2000)), readFunc(func([]byte) (int, error) {
		_, err := s.Put(t.Context(), newTestKey(t), bytes.NewReader(nil), 6001)
		s.is(err, ErrFull)
		if free, _ := s.FreeBytes(t.Context()); free != 6000 {
			t.Errorf("free %d beside a body with 4000 bytes to come, want 6000", free)
		}
		s.put(newTestKey(t), make([]byte, 6000))
		return 0, boom
	})), 6000)
	s.is(err, boom)
	s.put(s.key(), make([]byte, 10_000))
	if n := d.pending.Load(); n != 0 {
		t.Errorf("%d bytes stay reserved", n)
	}
}

func TestOpenDirRefusals(t *testing.T) {
	t.Parallel()
	if _, err := OpenDir(DirOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no root: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, filepath.Join(file, "below")} {
		if _, err := OpenDir(DirOptions{Root: root}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", root, err)
		}
	}
}

func TestDirGone(t *testing.T) {
	t.Parallel()
	s, root := dirSuite(t)
	s.must(os.RemoveAll(root))
	s.is(s.Check(t.Context()), ErrUnavailable)
	_, err := s.Put(t.Context(), s.key(), bytes.NewReader([]byte{1}), 1)
	s.is(err, ErrUnavailable)
	_, err = s.CreateUpload(t.Context(), s.key())
	s.is(err, ErrUnavailable)
}

func BenchmarkDirPutPart(b *testing.B) {
	s, err := OpenDir(DirOptions{Root: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	key := newTestKey(b)
	id, err := s.CreateUpload(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	data := pattern(1, 10<<20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r := struct{ io.Reader }{bytes.NewReader(data)}
		if _, err := s.PutPart(b.Context(), Upload{key, id}, 1, r, int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}
