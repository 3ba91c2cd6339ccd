package transfer

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

// TestWholeWay sends files of all kinds in shuffled order with repeats, and
// fetches them by link and code.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	eachStore(t, wholeWay)
}

func wholeWay(t *testing.T, f *fixture) {
	b := f.begin(t, LinkFields{Title: "Wedding"})
	files := f.declare(t, b, 0, 1, 10*mib-1, 10*mib, 10*mib+1, 25*mib)
	f.wantBorne(t, 0, 1+10*mib-1+10*mib+10*mib+1+25*mib)
	type job struct {
		file File
		n    int
	}
	var todo []job
	for _, file := range files {
		for n := 1; n <= file.PartCount; n++ {
			todo = append(todo, job{file, n}, job{file, n})
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	for _, j := range todo {
		body := partOf(j.file, j.n)
		r, err := put(t.Context(), f.Service, b.Access, j.file, j.n, body)
		if err != nil {
			t.Fatalf("part %d of %s: %v", j.n, j.file.Path, err)
		}
		if r.Part.CRC32 != crcOf(body) || r.Part.Size != int64(len(body)) {
			t.Errorf("part %d of %s: receipt %+v", j.n, j.file.Path, r)
		}
	}
	c := f.complete(t, b)
	again := f.complete(t, b)
	if c.Token != again.Token || c.Code != again.Code || c.Share.ID != again.Share.ID {
		t.Errorf("completing again gave %+v, first %+v", again, c)
	}
	f.wantBorne(t, 55*mib+1, 0)
	u, err := f.Unlock(t.Context(), c.Token, account.FormatCode(c.Code), "", guest)
	if err != nil {
		t.Fatal(err)
	}
	sa, err := f.AuthFetch(t.Context(), c.Token, u.Token)
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.ShareFiles(t.Context(), sa, Page{})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Files) != len(files) || v.Title != "Wedding" {
		t.Fatalf("share shows %+v", v)
	}
	for i, file := range v.Files {
		if file.ID != files[i].ID || *file.CRC32 != crcOf(content(file)) {
			t.Errorf("file %d is %+v", i, file)
		}
		o, err := f.OpenShared(t.Context(), sa, file.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := o.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), content(file)) {
			t.Errorf("file %s came back different: %v", file.Path, err)
		}
	}
	unfinished := f.begin(t, LinkFields{})
	cut := f.declareCut(t, unfinished, "folder/unfinished.mov", f.unit+7, f.unit)
	f.putSome(t, unfinished, cut, 1)
	f.wantNoise(t, append(files, cut))
}

// wantNoise proves I4: what the store holds of these files has no plain bytes,
// names or dates in it, and neither have the names of its objects. Of a store
// that lasts, what lies on the disk beneath it is read, past the store.
func (f *fixture) wantNoise(t testing.TB, files []File) {
	t.Helper()
	var forbidden [][]byte
	for _, file := range files {
		forbidden = append(forbidden, []byte(file.Path), []byte(file.ID), []byte(file.Modified.Format(time.DateOnly)))
		plain := content(file)
		for off := 0; off+16 <= len(plain); off += max(16, len(plain)/4) {
			forbidden = append(forbidden, plain[off:off+16])
		}
	}
	held := f.objects(t)
	through := len(held)
	for _, folder := range f.folders {
		maps.Copy(held, readFolder(t, folder))
	}
	if len(f.folders) > 0 && len(held) < 2*through {
		t.Errorf("I4: the folders hold %d files for %d objects", len(held)-through, through)
	}
	var total int
	for name, sealed := range held {
		total += len(sealed)
		for _, plain := range forbidden {
			if bytes.Contains(sealed, plain) || strings.Contains(name, string(plain)) {
				t.Errorf("I4: %q stands in the store, in %s", plain, name)
			}
		}
	}
	if total == 0 {
		t.Error("I4: there are no bytes to look at")
	}
}

// objects reads every object as the store gives it.
func (f *fixture) objects(t testing.TB) map[string][]byte {
	t.Helper()
	held := map[string][]byte{}
	infos, _ := f.bucket(t)
	for _, o := range infos {
		r, err := f.store.Range(t.Context(), o.Key, 0, o.Size)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		held[o.Key] = sealed
	}
	return held
}

// readFolder reads every file in a folder, which need not be there.
func readFolder(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	held := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		held[path], err = os.ReadFile(path)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return held
}
