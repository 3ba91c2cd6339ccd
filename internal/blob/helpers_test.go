package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// bodies are ways for the same bytes to arrive.
func bodies() map[string]func(b []byte) io.Reader {
	return map[string]func(b []byte) io.Reader{
		"plain":         func(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} },
		"writer-to":     func(b []byte) io.Reader { return bytes.NewReader(b) },
		"data with EOF": func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
		"halves":        func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
	}
}

// failing ends in err where the reader ends.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// failingWriterTo writes its bytes and then fails.
type failingWriterTo struct {
	data []byte
	err  error
}

func (f failingWriterTo) Read([]byte) (int, error) { return 0, f.err }

func (f failingWriterTo) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.data)
	if err == nil {
		err = f.err
	}
	return int64(n), err
}

func pattern(seed uint64, size int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func newTestKey(t testing.TB) string {
	t.Helper()
	account := [16]byte{byte(rand.IntN(3)), 15: 0xab}
	key, err := NewKey(account, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s suite) key() string { s.Helper(); return newTestKey(s.T) }

func (s suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("got error %v, want %v", err, want)
	}
}

func (s suite) put(key string, data []byte) {
	s.Helper()
	_, err := s.Put(s.Context(), key, bytes.NewReader(data), int64(len(data)))
	s.must(err)
}

func (s suite) create(key string) Upload {
	s.Helper()
	id, err := s.CreateUpload(s.Context(), key)
	s.must(err)
	return Upload{Key: key, ID: id}
}

func (s suite) send(u Upload, n int, data []byte) PartRef {
	s.Helper()
	etag, err := s.PutPart(s.Context(), u, n, bytes.NewReader(data), int64(len(data)))
	s.must(err)
	return PartRef{Number: n, ETag: etag}
}

func (s suite) upload(key string, parts [][]byte) {
	s.Helper()
	u := s.create(key)
	refs := make([]PartRef, len(parts))
	for i, p := range parts {
		refs[i] = s.send(u, i+1, p)
	}
	s.must(s.Complete(s.Context(), u, refs))
}

func (s suite) parts(u Upload) []PartInfo {
	s.Helper()
	page, err := s.Parts(s.Context(), u, 0, 0)
	s.must(err)
	return page
}

// holds reads the object whole and by ranges at odd places.
func (s suite) holds(key string, want []byte) {
	s.Helper()
	size := int64(len(want))
	info, err := s.Head(s.Context(), key)
	s.must(err)
	if info.Size != size {
		s.Fatalf("object of %d bytes, want %d", info.Size, size)
	}
	ranges := [][2]int64{{0, size}, {0, 0}, {size, 0}, {size / 3, size / 2}, {max(0, size-1), min(1, size)}}
	edge := min(int64(s.part), size)
	ranges = append(ranges, [2]int64{edge, size - edge}, [2]int64{max(0, edge-1), min(2, size-max(0, edge-1))})
	for _, r := range ranges {
		rc, err := s.Range(s.Context(), key, r[0], r[1])
		s.must(err)
		got, err := io.ReadAll(rc)
		s.must(err)
		if !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			s.Fatalf("range %d+%d of %d differs", r[0], r[1], size)
		}
		if _, err := rc.Read(make([]byte, 1)); err != io.EOF {
			s.Errorf("after the end: %v", err)
		}
		s.must(rc.Close())
	}
}

func badKeys() []string {
	good := "v1/00112233445566778899aabbccddeeff/ffeeddccbbaa99887766554433221100"
	return []string{
		"", "/", "v1", "v1/", good + "/", good + "0", good[:len(good)-1], "/" + good, "v2" + good[2:],
		"v1/00112233445566778899AABBCCDDEEFF/ffeeddccbbaa99887766554433221100",
		"v1/../../../../../../../../../../etc/passwd/////////////////////////",
		"v1/00112233445566778899aabbccddeeff//feeddccbbaa99887766554433221100",
		"v1/00112233445566778899aabbccddeeff/..eeddccbbaa99887766554433221100",
		"v1/0011223344556677889\x00aabbccddeeff/ffeeddccbbaa99887766554433221100",
		fmt.Sprintf("v1/%032d\\%032d", 0, 0), "v1/" + string(make([]byte, 65)),
	}
}
