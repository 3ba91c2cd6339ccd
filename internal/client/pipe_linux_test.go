package client

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestPipeInTheWay has pipes in the folder where a file, its part and the note of
// that belong: nobody writes to them, and nobody is waited for.
func TestPipeInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := fetchingABC(t, dir)
	for _, name := range []string{"a", "b.part", "d.part.json", "e.part.json.new"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	failed, err := f.Fetch(t.Context(), []Wanted{abc("a"), abc("b"), abc("c"), abc("d")})
	if err != nil || len(failed) != 1 || failed[0].Path != "a" {
		t.Fatal(failed, err)
	}
	if !errors.Is(failed[0].Err, ErrExists) {
		t.Error(failed[0])
	}
	for _, name := range []string{"b", "c", "d"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "abc" {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	if err := (&fetchWork{part: "e.part", count: 2}).note(f.Dir, 0); err == nil {
		t.Error("a note was written into a pipe")
	}
}

// TestLinkInTheWay has a link to a file of the folder where another file grows:
// what it leads to is not overwritten.
func TestLinkInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := fetchingABC(t, dir)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600), os.Symlink("mine", filepath.Join(dir, "a.part"))); err != nil {
		t.Fatal(err)
	}
	failed, err := f.Fetch(t.Context(), []Wanted{abc("a")})
	if err != nil || len(failed) != 0 {
		t.Fatal(failed, err)
	}
	for name, want := range map[string]string{"mine": "mine", "a.part": "mine", "a": "abc"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
}

// TestPipeThatComesJustNow opens what has become a pipe or a device since it was
// looked at: it is refused at once.
func TestPipeThatComesJustNow(t *testing.T) {
	t.Parallel()
	here := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(here, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, name := range map[string]string{here: "pipe", "/dev": "null"} {
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, flags := range []int{os.O_RDONLY, os.O_WRONLY | os.O_CREATE | os.O_TRUNC, os.O_RDWR | os.O_CREATE} {
			opened := make(chan error)
			go func() {
				f, err := openNow(root, name, flags)
				if err == nil {
					err = errors.Join(errors.New("it was opened"), f.Close())
				} else {
					err = nil
				}
				opened <- err
			}()
			select {
			case err := <-opened:
				if err != nil {
					t.Errorf("%s, flags %x: %v", name, flags, err)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("%s, flags %x: opening it waits", name, flags)
			}
		}
	}
}
