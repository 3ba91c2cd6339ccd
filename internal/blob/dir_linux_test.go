package blob

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestDirWriteToFullDevice has the kernel answer a write with ENOSPC.
func TestDirWriteToFullDevice(t *testing.T) {
	t.Parallel()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, wrap := range bodies() {
		b := newBody(t.Context(), wrap(pattern(1, 100_000)), 100_000)
		err := classify(t.Context(), dirError(b.copyTo(&diskWriter{f: f, rest: &reservation{pending: &(&dir{}).pending}}, nil)))
		if !errors.Is(err, ErrFull) || errors.Is(err, ErrBody) || b.close() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDirOnSmallDisk fills a real file system. Mounting one takes rights that
// an ordinary user lacks; the device above is what everybody has.
func TestDirOnSmallDisk(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Logf("no small disk: %v", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := suite{T: t, Store: openTestDir(t, root), part: 1000}
	u := s.create(s.key())
	kept := pattern(1, 300_000)
	ref := s.send(u, 1, kept)
	for range 3 {
		for _, wrap := range bodies() {
			key := s.key()
			_, err := s.Put(t.Context(), key, wrap(pattern(2, 900_000)), 900_000)
			s.is(err, ErrFull)
			_, err = s.Head(t.Context(), key)
			s.is(err, ErrNotFound)
			_, err = s.PutPart(t.Context(), u, 1, bytes.NewReader(pattern(2, 900_000)), 900_000)
			s.is(err, ErrFull)
		}
	}
	s.put(s.key(), pattern(3, 600_000))
	if parts := s.parts(u); len(parts) != 1 || parts[0].ETag != ref.ETag {
		t.Errorf("parts after a full disk: %v", parts)
	}
	s.must(s.Check(t.Context()))
	s.must(s.Complete(t.Context(), u, []PartRef{ref}))
	s.holds(u.Key, kept)
}
