package seal

import (
	"bytes"
	"fmt"
	"testing"
)

// A key printed by mistake, inside whatever holds it, must not show.
func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	o := sealFile(t, 250, 100)
	key := Key(bytes.Repeat([]byte{0xab}, 32))
	ring := mustRing(t, FormatEntry(MasterKey{1, key}))
	opener := NewOpener(t.Context(), key, o.file, nil, OpenerOptions{})
	part, err := NewPartReader(key, o.file.Part(1), bytes.NewReader(nil), PartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ held any }
	for _, v := range []any{key, &key, MasterKey{1, key}, []Key{key}, ring, *ring, opener, part, holder{ring}, &holder{opener}, holder{part}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%o"} {
			got := fmt.Sprintf(verb, v)
			for _, leak := range []string{"abab", "ABAB", "171 171", "171, 171", "0xab, 0xab", "253 253", "\xab\xab", `\xab\xab`} {
				if bytes.Contains([]byte(got), []byte(leak)) {
					t.Errorf("%s of a %T shows the key: %s", verb, v, got)
				}
			}
		}
	}
	if key.String() != redacted || key.GoString() != redacted {
		t.Error("String or GoString shows something")
	}
	for _, v := range []any{key, MasterKey{1, key}, ring} {
		if got := mustJSON(t, v); bytes.Contains(got, []byte("171")) {
			t.Errorf("JSON of a %T shows the key: %s", v, got)
		}
	}
}
