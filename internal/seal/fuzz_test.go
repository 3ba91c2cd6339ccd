package seal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// FuzzOpener gives the opener any object, row and range: it must not panic,
// and whatever comes out must be the file's true bytes, from the offset on.
func FuzzOpener(f *testing.F) {
	o := sealFile(f, 250, 100)
	long := sealFile(f, 66_000, MinPartSize)
	f.Add(o.bytes, int64(250), int64(100), int64(0), int64(250))
	f.Add(o.bytes, int64(250), int64(100), int64(99), int64(2))
	f.Add(o.bytes[:200], int64(250), int64(100), int64(0), int64(250))
	f.Add(o.bytes, int64(300), int64(100), int64(0), int64(1)<<62)
	f.Add(o.bytes, int64(-1), int64(0), int64(5), int64(-1))
	f.Add(long.bytes, int64(66_000), int64(MinPartSize), int64(65_479), int64(3))
	f.Fuzz(func(t *testing.T, object []byte, size, partSize, off, n int64) {
		src := &source{bytes: object}
		r := NewOpener(t.Context(), o.key, File{ID: o.file.ID, Size: size, PartSize: partSize}, src.get, OpenerOptions{})
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			return
		}
		r.Limit(n)
		got, err := io.ReadAll(r)
		if !bytes.Equal(got, pattern(off, int64(len(got)))) || int64(len(got)) > max(0, n) {
			t.Errorf("%d bytes came out that are not the file's", len(got))
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrInvalid) {
			t.Errorf("error of no class: %v", err)
		}
		if err := r.Close(); err != nil || src.open != 0 {
			t.Errorf("%d streams left open, error %v", src.open, err)
		}
	})
}

// FuzzHeader gives the opener any header in the object and any head in the
// row: only the right one, from either place, opens the file.
func FuzzHeader(f *testing.F) {
	o := sealFile(f, 70_000, MinPartSize)
	right := o.heads[0][:]
	f.Add(o.bytes[:HeaderSize], right, int64(0))
	f.Add(o.bytes[:HeaderSize], []byte("x"), int64(69_000))
	f.Add([]byte{}, right, int64(69_000))
	f.Add([]byte{HeaderSize}, []byte{}, int64(3))
	f.Fuzz(func(t *testing.T, inObject, inRow []byte, off int64) {
		if off < 0 || off >= o.file.Size {
			return
		}
		object := bytes.Clone(o.bytes)
		clear(object[:HeaderSize])
		copy(object[:HeaderSize], inObject)
		var row [HeadSize]byte
		copy(row[:], inRow)
		src := &source{bytes: object}
		r := NewOpener(t.Context(), o.key, o.file, src.get, OpenerOptions{Heads: func(context.Context, int) ([HeadSize]byte, bool, error) {
			return row, len(inRow) > 0, nil
		}})
		if _, err := r.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		good := bytes.Equal(object[:HeaderSize], o.bytes[:HeaderSize]) || row == o.heads[0]
		if good && (err != nil || !bytes.Equal(got, pattern(off, o.file.Size-off))) {
			t.Errorf("a right head does not open: %v", err)
		}
		if !good && (!errors.Is(err, ErrDamaged) || len(got) > 0) {
			t.Errorf("no right head: %d bytes, error %v", len(got), err)
		}
	})
}

// FuzzPartReader cuts a body and its reading anywhere: what comes out is what
// Tink takes, or it is unfinished.
func FuzzPartReader(f *testing.F) {
	f.Add(uint32(100), int16(0), uint16(10))
	f.Add(uint32(65_480), int16(1), uint16(65_535))
	f.Add(uint32(131_001), int16(-1), uint16(40))
	f.Fuzz(func(t *testing.T, size uint32, extra int16, step uint16) {
		size %= 300_000
		body := max(0, int64(size)+int64(extra))
		r := partReader(t, int64(size), bytes.NewReader(pattern(0, body)))
		var sealed bytes.Buffer
		_, err := io.CopyBuffer(&sealed, struct{ io.Reader }{r}, make([]byte, int(step)+1))
		if (err == nil) != (body == int64(size)) || (err == nil) != (int64(sealed.Len()) == r.Len()) {
			t.Fatalf("body of %d for a part of %d: %d sealed bytes of %d, error %v", body, size, sealed.Len(), r.Len(), err)
		}
		in, tinkErr := tink(t, testKey("file")).NewDecryptingReader(&sealed, []byte(onePart(int64(size)).associatedData()))
		var got []byte
		if tinkErr == nil {
			got, tinkErr = io.ReadAll(in)
		}
		if (tinkErr == nil) != (err == nil) || err == nil && !bytes.Equal(got, pattern(0, int64(size))) {
			t.Errorf("we said %v, Tink said %v", err, tinkErr)
		}
	})
}
