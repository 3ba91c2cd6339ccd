package seal

import (
	"bytes"
	"io"
	"testing"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"
)

// tink returns Tink's streaming AEAD with the format's parameters: the
// independent reader and writer.
func tink(t testing.TB, key Key) *subtle.AESGCMHKDF {
	t.Helper()
	a, err := subtle.NewAESGCMHKDF(key[:], "SHA256", 32, SegmentSize, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTinkOpensWhatWeSeal(t *testing.T) {
	t.Parallel()
	for _, size := range boundaries() {
		p := onePart(size)
		sealed := sealPart(t, testKey("file"), p, pattern(0, size), testHead("1"))
		r, err := tink(t, testKey("file")).NewDecryptingReader(bytes.NewReader(sealed), []byte(p.associatedData()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, pattern(0, size)) {
			t.Errorf("%d bytes: Tink read %d, error %v", size, len(got), err)
		}
	}
}

func TestWeOpenWhatTinkSeals(t *testing.T) {
	t.Parallel()
	for _, size := range boundaries()[1:] {
		o := object{key: testKey("file"), file: File{ID: testID("file"), Size: size + 100, PartSize: size}}
		if size < 100 {
			o.file.Size = size
		}
		for n := 1; n <= PartCount(o.file.Size, size); n++ {
			p := o.file.Part(n)
			o.bytes = append(o.bytes, tinkSeal(t, o.key, p, pattern(int64(n-1)*size, p.Size))...)
		}
		r, _ := o.opener(t, OpenerOptions{})
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, pattern(0, o.file.Size)) {
			t.Errorf("%d bytes: read %d, error %v", o.file.Size, len(got), err)
		}
	}
}

func tinkSeal(t testing.TB, key Key, p Part, body []byte) []byte {
	t.Helper()
	var sealed bytes.Buffer
	w, err := tink(t, key).NewEncryptingWriter(&sealed, []byte(p.associatedData()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(sealed.Len()) != SealedLen(p.Size) {
		t.Errorf("%d bytes: Tink seals to %d, SealedLen says %d", p.Size, sealed.Len(), SealedLen(p.Size))
	}
	return sealed.Bytes()
}

// Tink must refuse what we hold back: a part whose last segment never came.
func TestTinkRefusesAnUnfinishedPart(t *testing.T) {
	t.Parallel()
	const size = 150_000
	r := partReader(t, size, bytes.NewReader(pattern(0, size-1)))
	sealed, err := io.ReadAll(r)
	if err == nil {
		t.Fatal("a short body was sealed")
	}
	in, err := tink(t, testKey("file")).NewDecryptingReader(bytes.NewReader(sealed), []byte(onePart(size).associatedData()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(in); err == nil {
		t.Error("Tink took an unfinished part for a whole one")
	}
}
