package client

import (
	"io"
	"strings"
	"testing"
)

// TestProgressEndsWithClose: the transport may still read when a try is over, so
// what it tells of must be over when Close returns.
func TestProgressEndsWithClose(t *testing.T) {
	t.Parallel()
	told := int64(0)
	s := &sending{ctx: t.Context(), src: io.NewSectionReader(strings.NewReader("0123456789"), 0, 10), size: 10, moved: func() {}}
	s.progress = func(n int64) {
		told += n
		if s.mu.TryLock() {
			t.Error("progress is told while Close could return")
			s.mu.Unlock()
		}
	}
	buf := make([]byte, 4)
	if n, err := s.Read(buf); n != 4 || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Read(buf); n != 0 || err == nil {
		t.Errorf("read %d bytes after Close, %v", n, err)
	}
	if _, read := s.checksum(); told != 4 || read != 4 {
		t.Errorf("told of %d bytes and read %d, want 4", told, read)
	}
}
