package client

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipeInTheWay has pipes in the folder where a file and its part belong:
// nobody writes to them, and nobody is waited for.
func TestPipeInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := fetchingABC(t, dir)
	for _, name := range []string{"a", "b.part"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	failed, err := f.Fetch(t.Context(), []Wanted{abc("a"), abc("b"), abc("c")})
	if err != nil || len(failed) != 2 {
		t.Fatal(failed, err)
	}
	for _, fail := range failed {
		var local *LocalError
		if !errors.Is(fail.Err, ErrExists) && !errors.As(fail.Err, &local) {
			t.Errorf("%v", fail)
		}
	}
}
