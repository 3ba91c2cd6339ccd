package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"
)

// TestBodyWithholdsItsEnd is what keeps a bucket from storing a body that is
// longer than its Content-Length: the request stays short.
func TestBodyWithholdsItsEnd(t *testing.T) {
	t.Parallel()
	for name, wrap := range bodies() {
		b := newBody(t.Context(), wrap(pattern(1, 1001)), 1000)
		got, err := io.ReadAll(b)
		if !errors.Is(err, ErrLength) || len(got) >= 1000 {
			t.Errorf("%s: gave out %d bytes of a body that is too long, %v", name, len(got), err)
		}
		b = newBody(t.Context(), wrap(pattern(1, 1000)), 1000)
		if err := iotest.TestReader(b, pattern(1, 1000)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBodyIsDeadAfterItsCall(t *testing.T) {
	t.Parallel()
	var late *body
	d := &keepsBody{kept: &late}
	s := &Store{objects: d, now: time.Now}
	source := bytes.NewReader(pattern(1, 100))
	if _, err := s.Put(t.Context(), newTestKey(t), source, 100); !errors.Is(err, ErrDenied) {
		t.Fatal(err)
	}
	if n, err := late.Read(make([]byte, 10)); n != 0 || err == nil || source.Len() != 100 {
		t.Errorf("read %d bytes after the call returned, %v", n, err)
	}
}

// keepsBody answers early, as a server that refuses a request does.
type keepsBody struct {
	mem
	kept **body
}

func (d *keepsBody) put(_ context.Context, _ string, b *body) (string, error) {
	*d.kept = b
	return "", ErrDenied
}
