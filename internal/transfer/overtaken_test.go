package transfer

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// midway is a body in whose middle something happens.
type midway struct {
	io.Reader
	left int // bytes until it does
	do   func()
}

func (m *midway) Read(p []byte) (int, error) {
	if m.left == 0 && m.do != nil {
		m.do()
		m.do = nil
	}
	if m.do != nil {
		p = p[:min(len(p), m.left)]
	}
	n, err := m.Reader.Read(p)
	m.left -= n
	return n, err
}

// TestOvertaken: before a sender sends the last part, or when half of it has gone,
// something else happens to the file. Who was overtaken by the same bytes has its answer, as any repeat has; who
// sends others, or less, is told so, as if it had come later.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		faster := func(b begun, file File) { f.putSome(t, b, file, 2) }
		for name, row := range map[string]struct {
			meanwhile func(b begun, file File)
			body      func(right []byte) []byte
			digest    bool // of the right bytes
			want      error
		}{
			"the same bytes":        {faster, bytes.Clone, true, nil},
			"other bytes":           {faster, other, false, ErrPartConflict},
			"bytes of other digest": {faster, other, true, ErrDigest},
			"a body that ends":      {faster, func(b []byte) []byte { return b[:len(b)-1] }, false, ErrBodyShort},
			"a body that goes on":   {faster, func(b []byte) []byte { return append(bytes.Clone(b), 0) }, false, ErrBodyLong},
			"a file taken out": {func(b begun, file File) {
				if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
					t.Error(err)
				}
			}, bytes.Clone, false, ErrFileMissing},
			"an upload that the bucket lost": {func(_ begun, file File) {
				row := f.row(t, file.ID)
				if err := f.store.Abort(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}); err != nil {
					t.Error(err)
				}
			}, bytes.Clone, false, ErrStorageUnavailable},
		} {
			for _, at := range []int{0, int(f.unit) / 2} {
				if f.kind == "s3" && (at > 0 || row.want == ErrStorageUnavailable) {
					continue // it may take the part all the same, or reset the connection for an answer
				}
				b := f.begin(t, LinkFields{})
				file := f.declareCut(t, b, "cut", 2*f.unit, f.unit)
				f.putSome(t, b, file, 1)
				right := partOf(file, 2)
				body := &midway{Reader: bytes.NewReader(row.body(right)), left: at, do: func() { row.meanwhile(b, file) }}
				if at == 0 {
					f.faults.set(func(op blob.Op, when blob.When) error {
						if op == blob.OpPutPart && when == blob.Before && body.do != nil {
							do := body.do
							body.do = nil
							do()
						}
						return nil
					})
				}
				var digests []Digest
				if row.digest {
					sum := sha256.Sum256(right)
					digests = []Digest{{Hash: sha256.New(), Want: sum[:]}}
				}
				r, err := f.send(t.Context(), b, file, 2, body, digests...)
				wantErr(t, name, err, row.want)
				if row.want == nil && (r.State != Stored || r.Part != (Part{2, f.unit, crcOf(right)})) {
					t.Errorf("%s: %+v", name, r)
				}
				inDoubt := f.number(t, "SELECT COUNT(*) FROM files WHERE id = $1 AND lost_since IS NOT NULL", file.ID) == 1
				if inDoubt != (row.want == ErrStorageUnavailable) {
					t.Errorf("%s: the file is in doubt: %v", name, inDoubt)
				}
			}
		}
	})
}

// TestOvertakenWithItsUpload: both senders begin the file, and all of it has come
// from one of them before the other has made its upload.
func TestOvertakenWithItsUpload(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 2*f.unit, f.unit)
		begun := false
		f.faults.set(func(op blob.Op, when blob.When) error {
			if op == blob.OpCreateUpload && when == blob.After && !begun {
				begun = true
				f.putAll(t, b, file)
			}
			return nil
		})
		r, err := f.send(t.Context(), b, file, 1, bytes.NewReader(partOf(file, 1)))
		if err != nil || r.State != Stored || r.Part.CRC32 != crcOf(partOf(file, 1)) {
			t.Errorf("%+v, %v", r, err)
		}
		_, err = f.send(t.Context(), b, file, 1, bytes.NewReader(other(partOf(file, 1))))
		wantErr(t, "other bytes", err, ErrPartConflict)
		f.wantSame(t, file)
		f.wantBucket(t, 1, 0)
	})
}
