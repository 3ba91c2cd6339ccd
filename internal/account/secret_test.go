package account

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSecretsParse(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("A", 42)
	for in, want := range map[string]SecretKind{
		"lzu_" + body + "A": SecretUpload,
		"lzd_" + body + "E": SecretFetch,
		"lza_" + body + "8": SecretAPI,
		"lzs_" + body + "0": SecretSession,

		"":                        "",
		"lza_":                    "",
		"lza_" + body:             "",
		"lza_" + body + "AA":      "",
		"lza_" + body + "B":       "", // bits behind the 32nd byte
		"lza_" + body + "=":       "",
		"lza_" + body[1:] + "+A":  "",
		"lza_" + body[1:] + "\nA": "",
		"lzx_" + body + "A":       "",
		"LZA_" + body + "A":       "",
		"lza-" + body + "A":       "",
		" lza_" + body:            "",
	} {
		kind, ok := ParseSecret(in)
		if kind != want || ok != (want != "") {
			t.Errorf("ParseSecret(%q) = %q, %v; want %q", in, kind, ok, want)
		}
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range []SecretKind{SecretUpload, SecretFetch, SecretAPI, SecretSession} {
		for range 100 {
			s, err := NewSecret(kind, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := ParseSecret(s); !ok || got != kind || seen[s] {
				t.Fatalf("NewSecret(%s) = %q: parsed as %q, %v; seen before %v", kind, s, got, ok, seen[s])
			}
			seen[s] = true
		}
	}
	if s, err := NewSecret(SecretAPI, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Errorf("a random source that ends gave %q", s)
	}
	if want := sha256.Sum256([]byte("lza_x")); !bytes.Equal(HashSecret("lza_x"), want[:]) {
		t.Error("HashSecret is not SHA-256 of the whole secret")
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add("lza_" + strings.Repeat("A", 43))
	f.Add("lzu_" + strings.Repeat("-", 43))
	f.Fuzz(func(t *testing.T, s string) {
		if kind, ok := ParseSecret(s); ok && (len(s) != 47 || !strings.HasPrefix(s, string(kind))) {
			t.Errorf("ParseSecret(%q) = %q", s, kind)
		}
	})
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"K7QM2XW9":             "K7QM2XW9",
		"K7QM-2XW9":            "K7QM2XW9",
		" k7qm 2xw9\n":         "K7QM2XW9",
		"k-7-q-m-2-x-w-9":      "K7QM2XW9",
		"K7QM\u20132XW9":       "K7QM2XW9",
		"K7QM\u00a02XW9":       "K7QM2XW9",
		"oOiIlL00":             "00111100",
		"":                     "",
		"K7QM-2XW":             "",
		"K7QM-2XW99":           "",
		"K7QM-2XWU":            "",
		"K7QM-2XW!":            "",
		"K7QM-2XW\u0669":       "",
		"K7QM-2XW\xff":         "",
		strings.Repeat("-", 9): "",
	} {
		got, ok := NormalizeCode(in)
		if ok != (want != "") || (ok && got != want) {
			t.Errorf("NormalizeCode(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	if got := FoldCode("o'brien – Lila\u00a02026"); got != "0'BR1EN111A2026" {
		t.Errorf("FoldCode of a studio's own code = %q", got)
	}
	if got := FormatCode("K7QM2XW9"); got != "K7QM-2XW9" {
		t.Errorf("FormatCode = %q", got)
	}
	if got := FormatCode("a code of their own"); got != "a code of their own" {
		t.Errorf("FormatCode of another length = %q", got)
	}
	// 40 bits, high bits first: 00000 00001 00010 … 00111.
	if got := CodeOf([5]byte{0x00, 0x44, 0x32, 0x14, 0xc7}); got != "01234567" {
		t.Errorf("CodeOf = %q, want 01234567", got)
	}
	if got := CodeOf([5]byte{0xff, 0xff, 0xff, 0xff, 0xff}); got != "ZZZZZZZZ" {
		t.Errorf("CodeOf = %q, want ZZZZZZZZ", got)
	}
	broken := errors.New("broken")
	if _, err := NewCode(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("NewCode with a broken source: %v", err)
	}
}

func FuzzNormalizeCode(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5}, "k7qm-2xw9")
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		if len(b) >= 5 {
			code := CodeOf([5]byte(b[:5]))
			if got, ok := NormalizeCode(strings.ToLower(FormatCode(code))); !ok || got != code {
				t.Errorf("code %q came back as %q, %v", code, got, ok)
			}
		}
		if code, ok := NormalizeCode(s); ok {
			if again, ok := NormalizeCode(code); !ok || again != code || len(code) != CodeLength {
				t.Errorf("NormalizeCode(%q) = %q, which is %q, %v", s, code, again, ok)
			}
		}
	})
}
