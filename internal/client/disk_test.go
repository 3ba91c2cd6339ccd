package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
)

// abc is a share's file of three bytes.
func abc(name string) Wanted {
	crc := api.CRC32(0x352441c2)
	return new(Naming).Name(api.SharedFile{ID: "id of " + name, Path: name, Size: 3, CRC32: &crc})
}

func fetchingABC(t *testing.T, dir string) *Fetching {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "abc")
	}))
	t.Cleanup(s.Close)
	c, err := New(s.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return &Fetching{Share: c.Share("x", "y"), Dir: root}
}

// TestFileIsOnDiskBeforeItsName flushes a file before it gets its name, and the
// folder after; a disk that cannot leaves no file of that name.
func TestFileIsOnDiskBeforeItsName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := fetchingABC(t, dir)
	named := func() bool { _, err := os.Stat(filepath.Join(dir, "sub", "a")); return err == nil }
	var flushed []string
	f.flush = func(file *os.File) error {
		flushed = append(flushed, fmt.Sprint(filepath.Base(file.Name()), " ", named()))
		return file.Sync()
	}
	if failed, err := f.Fetch(t.Context(), []Wanted{abc("sub/a")}); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	if len(flushed) != 2 || flushed[0] != "a.part false" || flushed[1] != "sub true" {
		t.Errorf("flushed: %q", flushed)
	}
	f = fetchingABC(t, t.TempDir())
	f.flush = func(*os.File) error { return syscall.EIO }
	failed, err := f.Fetch(t.Context(), []Wanted{abc("a")})
	if err != nil || len(failed) != 1 || !errors.Is(failed[0].Err, syscall.EIO) {
		t.Errorf("%v %v", failed, err)
	}
	if _, err := f.Dir.Stat("a"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has its name: %v", err)
	}
	f.flush = func(*os.File) error { return syscall.ENOSPC } // some disks say so only now
	if _, err := f.Fetch(t.Context(), []Wanted{abc("b")}); !IsDiskFull(err) {
		t.Errorf("a disk that is full at the end: %v", err)
	}
}

// TestFullDisk knows a full disk by the words of each system.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		system string
		code   syscall.Errno
		want   bool
	}{
		{"linux", syscall.ENOSPC, true}, {"linux", syscall.EDQUOT, true}, {"linux", syscall.EIO, false},
		{"linux", 112, false}, {"linux", 39, false}, {"windows", 112, true}, {"windows", 39, true}, {"windows", 5, false},
	} {
		err := &LocalError{&os.PathError{Op: "write", Path: "a", Err: row.code}}
		if got := isDiskFull(row.system, fmt.Errorf("note: %w", err)); got != row.want {
			t.Errorf("%s, %d: %v", row.system, row.code, got)
		}
	}
}
