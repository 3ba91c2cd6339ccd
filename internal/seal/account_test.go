package seal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flips returns b with each byte changed in turn, b cut, b extended and
// nothing.
func flips(b []byte) [][]byte {
	bad := [][]byte{nil, b[:len(b)-1], append(bytes.Clone(b), 0)}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1
		bad = append(bad, c)
	}
	return bad
}

func newAccountKey(t testing.TB) (AccountKey, []byte) {
	t.Helper()
	k, private, err := NewAccountKey(testID("account"), 3)
	if err != nil {
		t.Fatal(err)
	}
	return k, private
}

func TestNewAccountKey(t *testing.T) {
	t.Parallel()
	k, private := newAccountKey(t)
	public, err := PublicOf(private)
	if err != nil {
		t.Fatal(err)
	}
	want := AccountKey{AccountID: testID("account"), Version: 3, Suite: []byte{0, 0x20, 0, 1, 0, 2}, Public: public}
	if diff := cmp.Diff(want, k); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, other := newAccountKey(t); bytes.Equal(private, other) {
		t.Error("two accounts have the same key")
	}
	if _, err := PublicOf(private[1:]); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("short private half: error %v", err)
	}
}

func TestPrivateHalf(t *testing.T) {
	t.Parallel()
	old, both, other := mustRing(t, entry(1, "one")), mustRing(t, entry(2, "two")+","+entry(1, "one")), mustRing(t, entry(2, "two"))
	k, private := newAccountKey(t)
	sealed, version, err := old.SealPrivate(k, private)
	if err != nil || version != 1 {
		t.Fatalf("sealed under version %d, error %v", version, err)
	}
	for name, ring := range map[string]*Ring{"old ring": old, "new ring": both} {
		if got, err := ring.OpenPrivate(k, sealed, version); err != nil || !bytes.Equal(got, private) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := other.OpenPrivate(k, sealed, version); !errors.Is(err, ErrUnknownMaster) || errors.Is(err, ErrKeyDamaged) {
		t.Errorf("ring without the version: error %v", err)
	}
	if again, version, err := both.SealPrivate(k, private); err != nil || version != 2 || bytes.Equal(again, sealed) {
		t.Errorf("the new ring seals under version %d, error %v", version, err)
	}
	if _, err := both.OpenPrivate(k, sealed, 2); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("wrong master version: error %v", err)
	}
	for _, bad := range flips(sealed) {
		if _, err := old.OpenPrivate(k, bad, 1); !errors.Is(err, ErrKeyDamaged) {
			t.Fatalf("changed: error %v", err)
		}
	}
}

func TestPrivateHalfStaysInItsRow(t *testing.T) {
	t.Parallel()
	ring := mustRing(t, entry(1, "one"))
	k, private := newAccountKey(t)
	sealed, version, err := ring.SealPrivate(k, private)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*AccountKey){
		"account":    func(k *AccountKey) { k.AccountID[0] ^= 1 },
		"version":    func(k *AccountKey) { k.Version++ },
		"suite":      func(k *AccountKey) { k.Suite = []byte{0, 0x20, 0, 1, 0, 3} },
		"no suite":   func(k *AccountKey) { k.Suite = nil },
		"long suite": func(k *AccountKey) { k.Suite = append(bytes.Clone(k.Suite), 0) },
	} {
		row := k
		change(&row)
		if _, err := ring.OpenPrivate(row, sealed, version); !errors.Is(err, ErrKeyDamaged) {
			t.Errorf("%s changed: error %v", name, err)
		}
	}
	k.Suite = nil
	if _, _, err := ring.SealPrivate(k, private); !errors.Is(err, ErrInvalid) {
		t.Errorf("sealing without a suite: error %v", err)
	}
}

func TestFileKey(t *testing.T) {
	t.Parallel()
	k, private := newAccountKey(t)
	key, id := testKey("file"), testID("file")
	sealed, err := SealFileKey(k.Public, id, key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenFileKey(private, id, sealed); err != nil || got != key {
		t.Errorf("open: error %v", err)
	}
	_, stranger := newAccountKey(t)
	if _, err := OpenFileKey(stranger, id, sealed); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("another account: error %v", err)
	}
	if _, err := OpenFileKey(private, testID("other"), sealed); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("another file: error %v", err)
	}
	if _, err := OpenFileKey(private[1:], id, sealed); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("short private half: error %v", err)
	}
	for i, bad := range flips(sealed) {
		// X25519 ignores the top bit of a point, but HPKE binds enc into the
		// key, so each change must show.
		if _, err := OpenFileKey(private, id, bad); !errors.Is(err, ErrKeyDamaged) {
			t.Fatalf("change %d: error %v", i, err)
		}
	}
	if _, err := SealFileKey(k.Public[1:], id, key); !errors.Is(err, ErrInvalid) {
		t.Errorf("short public half: error %v", err)
	}
	if _, err := SealFileKey(make([]byte, 32), id, key); err == nil {
		t.Error("sealed to a point of low order")
	}
}

func TestCodeKey(t *testing.T) {
	t.Parallel()
	ring, other := mustRing(t, entry(1, "one")), mustRing(t, entry(2, "two"))
	sealed, version, err := ring.SealCodeKey(4, testKey("code"))
	if err != nil || version != 1 {
		t.Fatalf("version %d, error %v", version, err)
	}
	if got, err := ring.OpenCodeKey(4, sealed, 1); err != nil || got != testKey("code") {
		t.Errorf("open: error %v", err)
	}
	if _, err := ring.OpenCodeKey(5, sealed, 1); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("another row: error %v", err)
	}
	if _, err := other.OpenCodeKey(4, sealed, 1); !errors.Is(err, ErrUnknownMaster) {
		t.Errorf("another ring: error %v", err)
	}
	for _, bad := range flips(sealed) {
		if _, err := ring.OpenCodeKey(4, bad, 1); !errors.Is(err, ErrKeyDamaged) {
			t.Fatalf("changed: error %v", err)
		}
	}
	if _, _, err := ring.SealCodeKey(4, Key{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("zero key: error %v", err)
	}
	short, _, err := ring.seal([]byte("short"), codeKeyData(4))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.OpenCodeKey(4, short, 1); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("short key inside: error %v", err)
	}
}

// A private half must not pass for a code key, nor the other way round.
func TestLabelsPartTheKinds(t *testing.T) {
	t.Parallel()
	ring := mustRing(t, entry(1, "one"))
	k, private := newAccountKey(t)
	sealed, version, err := ring.SealPrivate(k, private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.OpenCodeKey(k.Version, sealed, version); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("a private half opened as a code key: %v", err)
	}
}

func TestHashCode(t *testing.T) {
	t.Parallel()
	a := HashCode(testKey("code"), "123456")
	if len(a) != 32 || !bytes.Equal(a, HashCode(testKey("code"), "123456")) {
		t.Error("a code does not hash to the same 32 bytes")
	}
	if bytes.Equal(a, HashCode(testKey("code"), "123457")) || bytes.Equal(a, HashCode(testKey("other"), "123456")) {
		t.Error("another code or key hashes to the same")
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	key := testKey("code")
	for _, plain := range []string{"", `{"code":"123456"}`} {
		sealed, err := SealSecret(key, "mail", []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenSecret(key, "mail", sealed); err != nil || string(got) != plain {
			t.Errorf("%q: opened %q, error %v", plain, got, err)
		}
		if _, err := OpenSecret(key, "share", sealed); !errors.Is(err, ErrKeyDamaged) {
			t.Errorf("another label: error %v", err)
		}
		if _, err := OpenSecret(testKey("other"), "mail", sealed); !errors.Is(err, ErrKeyDamaged) {
			t.Errorf("another key: error %v", err)
		}
		for _, bad := range flips(sealed) {
			if _, err := OpenSecret(key, "mail", bad); !errors.Is(err, ErrKeyDamaged) {
				t.Fatalf("changed: error %v", err)
			}
		}
	}
	if _, err := SealSecret(Key{}, "mail", nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("zero key: error %v", err)
	}
	if _, err := OpenSecret(Key{}, "mail", nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("zero key: error %v", err)
	}
}
