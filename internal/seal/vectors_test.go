package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/vectors anew from vectors_gen_test.go")

const vectorDir = "testdata/vectors"

// hexed is bytes that JSON has as hex.
type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexed) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// piece is a stretch of a sealed object: hex, or bytes of a file beside.
type piece struct {
	Hex   hexed  `json:"hex,omitempty"`
	From  string `json:"from,omitempty"`
	Start int    `json:"start,omitempty"`
	End   int    `json:"end,omitempty"`
}

// vector is one file of testdata/vectors; SPEC.md says what its fields mean.
type vector struct {
	Kind    string `json:"kind"`
	Comment string `json:"comment"`
	Expect  string `json:"expect"`

	FileKey  hexed   `json:"file_key,omitempty"`
	FileID   hexed   `json:"file_id,omitempty"`
	Size     int64   `json:"size,omitempty"`
	PartSize int64   `json:"part_size,omitempty"`
	Heads    []hexed `json:"heads,omitempty"`
	Object   []piece `json:"object,omitempty"`

	Offset         int64 `json:"offset,omitempty"`
	Length         int64 `json:"length,omitempty"`
	Released       int64 `json:"released,omitempty"`
	ReleasedSHA256 hexed `json:"released_sha256,omitempty"`

	Number   int    `json:"number,omitempty"`
	Last     bool   `json:"last,omitempty"`
	Head     hexed  `json:"head,omitempty"`
	BodySize int64  `json:"body_size,omitempty"`
	Digest   hexed  `json:"digest,omitempty"`
	CRC32    uint32 `json:"crc32,omitempty"`

	MasterKeys    string `json:"master_keys,omitempty"`
	MasterVersion uint32 `json:"master_version,omitempty"`
	AccountID     hexed  `json:"account_id,omitempty"`
	Version       uint32 `json:"version,omitempty"`
	Suite         hexed  `json:"suite,omitempty"`
	Private       hexed  `json:"private,omitempty"`
	Public        hexed  `json:"public,omitempty"`
	Sealed        hexed  `json:"sealed,omitempty"`
	CodeKey       hexed  `json:"code_key,omitempty"`
	Code          string `json:"code,omitempty"`
	Hash          hexed  `json:"hash,omitempty"`
	Label         string `json:"label,omitempty"`
	Plain         string `json:"plain,omitempty"`
}

// expectations are the classes of SPEC.md.
func expectations() map[string]error {
	return map[string]error{
		"ok": nil, "short": ErrBodyShort, "long": ErrBodyLong, "digest": ErrDigest,
		"damaged": ErrDamaged, "truncated": ErrTruncated, "key_damaged": ErrKeyDamaged, "unknown_master": ErrUnknownMaster,
	}
}

// TestVectors is not parallel: with -update it writes what it reads.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(files) < 60 {
		t.Fatalf("%d vectors, error %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		v := readVector(t, name)
		seen[v.Kind+" "+v.Expect] = true
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			t.Parallel()
			checkVector(t, v)
		})
	}
	for _, want := range []string{
		"object ok", "object damaged", "object truncated", "part ok", "part short", "part long", "part digest",
		"private ok", "private key_damaged", "private unknown_master", "file_key ok", "file_key key_damaged",
		"code_key ok", "code_key key_damaged", "code_key unknown_master", "code ok", "secret ok", "secret key_damaged",
	} {
		if !seen[want] {
			t.Errorf("no vector %q", want)
		}
	}
}

func readVector(t *testing.T, name string) vector {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func checkVector(t *testing.T, v vector) {
	want, ok := expectations()[v.Expect]
	checks := map[string]func(*testing.T, vector) error{
		"object": checkObject, "part": checkPart, "private": checkPrivate, "file_key": checkFileKey,
		"code_key": checkCodeKey, "code": checkCode, "secret": checkSecret,
	}
	check := checks[v.Kind]
	if !ok || check == nil {
		t.Fatalf("kind %q, expect %q: not in the spec", v.Kind, v.Expect)
	}
	if err := check(t, v); !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", v.Comment, err, want)
	}
}

func (v vector) file() File {
	return File{ID: [16]byte(v.FileID), Size: v.Size, PartSize: v.PartSize}
}

// join puts the pieces of a sealed object together.
func join(t *testing.T, pieces []piece) []byte {
	t.Helper()
	var b []byte
	for _, p := range pieces {
		b = append(b, p.Hex...)
		if p.From == "" {
			continue
		}
		from, err := os.ReadFile(filepath.Join(vectorDir, p.From))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, from[p.Start:p.End]...)
	}
	return b
}

func checkObject(t *testing.T, v vector) error {
	src := &source{bytes: join(t, v.Object)}
	o := OpenerOptions{}
	if v.Heads != nil {
		o.Heads = func(_ context.Context, part int) (head [HeadSize]byte, known bool, err error) {
			return head, copy(head[:], v.Heads[part-1]) > 0, nil
		}
	}
	r := NewOpener(t.Context(), Key(v.FileKey), v.file(), src.get, o)
	defer r.Close()
	if _, err := r.Seek(v.Offset, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r.Limit(v.Length)
	got, err := io.ReadAll(r)
	sum := sha256.Sum256(got)
	if int64(len(got)) != v.Released || !bytes.Equal(sum[:], v.ReleasedSHA256) {
		t.Errorf("%s: %d bytes came out, want %d", v.Comment, len(got), v.Released)
	}
	if !bytes.Equal(got, pattern(v.Offset, int64(len(got)))) {
		t.Errorf("%s: what came out is not the file", v.Comment)
	}
	return err
}

func checkPart(t *testing.T, v vector) error {
	p := Part{FileID: [16]byte(v.FileID), PartSize: v.PartSize, Number: v.Number, Last: v.Last, Size: v.Size}
	o := PartOptions{Rand: bytes.NewReader(v.Head)}
	if v.Digest != nil {
		o.Digests = []Digest{{sha256.New(), v.Digest}}
	}
	body := pattern(int64(v.Number-1)*v.PartSize, v.BodySize)
	r, err := NewPartReader(Key(v.FileKey), p, bytes.NewReader(body), o)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err == nil && (!bytes.Equal(got, join(t, v.Object)) || r.CRC32() != v.CRC32) {
		t.Errorf("%s: sealed part or CRC differs", v.Comment)
	}
	return err
}

func checkPrivate(t *testing.T, v vector) error {
	k := AccountKey{AccountID: [16]byte(v.AccountID), Version: v.Version, Suite: v.Suite}
	private, err := mustRing(t, v.MasterKeys).OpenPrivate(k, v.Sealed, v.MasterVersion)
	if err != nil {
		return err
	}
	public, err := PublicOf(private)
	if !bytes.Equal(private, v.Private) || !bytes.Equal(public, v.Public) {
		t.Errorf("%s: a key differs", v.Comment)
	}
	return err
}

func checkFileKey(t *testing.T, v vector) error {
	key, err := OpenFileKey(v.Private, [16]byte(v.FileID), v.Sealed)
	if err == nil && !bytes.Equal(key[:], v.FileKey) {
		t.Errorf("%s: the key differs", v.Comment)
	}
	return err
}

func checkCodeKey(t *testing.T, v vector) error {
	key, err := mustRing(t, v.MasterKeys).OpenCodeKey(v.Version, v.Sealed, v.MasterVersion)
	if err == nil && !bytes.Equal(key[:], v.CodeKey) {
		t.Errorf("%s: the key differs", v.Comment)
	}
	return err
}

func checkCode(t *testing.T, v vector) error {
	if !bytes.Equal(HashCode(CodeKey(v.CodeKey), v.Code), v.Hash) {
		t.Errorf("%s: the hash differs", v.Comment)
	}
	return nil
}

func checkSecret(t *testing.T, v vector) error {
	plain, err := OpenSecret(CodeKey(v.CodeKey), v.Label, v.Sealed)
	if err == nil && string(plain) != v.Plain {
		t.Errorf("%s: opened %q", v.Comment, plain)
	}
	return err
}

// TestVectorsAreCurrent fails when the generator would write other vectors
// than those checked in.
func TestVectorsAreCurrent(t *testing.T) {
	t.Parallel()
	for name, v := range generate(t) {
		b, err := os.ReadFile(filepath.Join(vectorDir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if want := encodeVector(t, v); !bytes.Equal(b, want) {
			t.Errorf("%s.json is not what the generator writes; if the format changed on purpose, run with -update and read the diff", name)
		}
	}
}

func encodeVector(t *testing.T, v vector) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func writeVectors(t *testing.T) {
	t.Helper()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(vectorDir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(vectorDir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(longFile, sealLong(t).bytes)
	for name, v := range generate(t) {
		write(fmt.Sprint(name, ".json"), encodeVector(t, v))
	}
}
