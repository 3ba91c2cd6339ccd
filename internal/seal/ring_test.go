package seal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustRing(t testing.TB, s string) *Ring {
	t.Helper()
	r, err := ParseRing(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func entry(version uint32, name string) string {
	return FormatEntry(MasterKey{version, testKey(name)})
}

func TestParseRing(t *testing.T) {
	t.Parallel()
	one, two := entry(1, "one"), entry(2, "two")
	_, bare, _ := strings.Cut(one, ":")
	for name, c := range map[string]struct {
		in   string
		want []uint32
	}{
		"bare key":           {bare, []uint32{1}},
		"upper case":         {strings.ToUpper(bare), []uint32{1}},
		"bare with newline":  {bare + "\n", []uint32{1}},
		"one entry":          {two, []uint32{2}},
		"commas":             {two + "," + one, []uint32{2, 1}},
		"blanks":             {" " + two + " , " + one + " ,", []uint32{2, 1}},
		"lines":              {two + "\r\n" + one + "\r\n", []uint32{2, 1}},
		"comments":           {"# made in May\n" + one + " # the old one\n\n#" + two, []uint32{1}},
		"blank around colon": {strings.Replace(two, ":", " : ", 1), []uint32{2}},
		"largest version":    {entry(1<<32-1, "one"), []uint32{1<<32 - 1}},
	} {
		r, err := ParseRing(c.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, r.Versions()); diff != "" || r.Current() != c.want[0] {
			t.Errorf("%s: versions (-want +got)\n%s", name, diff)
		}
		if !r.Has(c.want[0]) || r.Has(77) {
			t.Errorf("%s: Has is wrong", name)
		}
	}
}

func TestParseRingRefusesAndShowsNoKey(t *testing.T) {
	t.Parallel()
	one, two := entry(1, "one"), entry(2, "two")
	_, bare, _ := strings.Cut(one, ":")
	zero := strings.Repeat("0", 64)
	for name, c := range map[string]struct{ in, says string }{
		"nothing":            {"", "no key"},
		"only a comment":     {"# " + one, "no key"},
		"bare zeros":         {zero, "zeros"},
		"zeros":              {two + ",3:" + zero, "entry 2: version 3"},
		"bare among others":  {two + "," + bare, "entry 2"},
		"version 0":          {"0:" + bare, "entry 1"},
		"version below 0":    {"-1:" + bare, "entry 1"},
		"version too large":  {"4294967296:" + bare, "entry 1"},
		"no version":         {":" + bare, "entry 1"},
		"key before colon":   {bare + ":" + bare, "entry 1"},
		"short key":          {two + ",7:" + bare[:60], "entry 2: version 7: the key has 60 characters"},
		"long key":           {"7:" + bare + "00", "version 7: the key has 66 characters"},
		"not hexadecimal":    {"7:" + bare[:63] + "g", "version 7: the key is not hexadecimal"},
		"version twice":      {one + "," + entry(1, "two"), "entry 2: version 1 comes twice"},
		"key twice":          {one + "," + entry(9, "one"), "version 9 has the same key as version 1"},
		"two colons":         {"1:" + one, "entry 1"},
		"semicolon":          {one + ";" + two, "entry 1"},
		"key cut by a blank": {"1:" + bare[:32] + " " + bare[32:], "version 1"},
		"not UTF-8":          {"1:\xff\xfe" + bare[:62], "version 1"},
	} {
		_, err := ParseRing(c.in)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
			continue
		}
		for i := 0; i+6 <= len(bare); i++ {
			if strings.Contains(strings.ToLower(err.Error()), bare[i:i+6]) {
				t.Errorf("%s: the error shows a piece of the key: %v", name, err)
				break
			}
		}
	}
}

func TestGenerateMaster(t *testing.T) {
	t.Parallel()
	a, err := GenerateMaster(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := GenerateMaster(nil)
	if err != nil || a == b {
		t.Errorf("two master keys are equal, error %v", err)
	}
	r := mustRing(t, FormatEntry(MasterKey{5, a})+"\n"+FormatEntry(MasterKey{4, b}))
	if r.keys()[0].Key != a || r.keys()[1].Key != b {
		t.Error("FormatEntry does not read back")
	}
	if k, err := GenerateMaster(bytes.NewReader(bytes.Repeat([]byte{7}, 32))); err != nil || k[31] != 7 {
		t.Errorf("given randomness: %v", err)
	}
	if _, err := GenerateMaster(strings.NewReader("short")); err == nil {
		t.Error("a random source that ends gives a key")
	}
	if _, err := GenerateMaster(bytes.NewReader(make([]byte, 32))); !errors.Is(err, ErrInvalid) {
		t.Errorf("zeros: error %v", err)
	}
}

func FuzzParseRing(f *testing.F) {
	bare := hex.EncodeToString(bytes.Repeat([]byte{0xcd}, 32))
	for _, s := range []string{"", bare, "2:" + bare, "# c\n2:" + bare + ",1:" + strings.ToUpper(bare), ":::,,,\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRing(s)
		if err != nil {
			if r != nil || !errors.Is(err, ErrInvalid) {
				t.Errorf("ring %v, error %v", r, err)
			}
			return
		}
		var entries []string
		for _, k := range r.keys() {
			entries = append(entries, FormatEntry(k))
		}
		if again := mustRing(t, strings.Join(entries, ",")); !cmp.Equal(again.keys(), r.keys()) {
			t.Error("the ring does not read back")
		}
	})
}
