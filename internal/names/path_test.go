package names

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"a", "a/b", ".hidden", "...", "a..b", "..a/b..", " ", " a ", "a.", "-", "~", `C:\Users\x`, `a\..\b`,
		"CON", "Straße/Prüfung.jpg", "e\u0301", "写真/家族 📷.cr3", "a\u00a0b", "a\u200db", "\u202etxt.exe", "\ufffd",
		strings.Repeat("n", MaxSegment),
		strings.Repeat("é", MaxSegment/2),
		strings.TrimSuffix(strings.Repeat("a/", MaxPath/2), "/") + "a",
	} {
		if err := Check(path); err != nil {
			t.Errorf("Check(%q) = %v, want nil", path, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path string
		want Reason
	}{
		{"", ReasonEmpty},
		{strings.Repeat("abc/", 256) + "a", ReasonTooLong},
		{"a\xff", ReasonNotUTF8},
		{"a\xed\xa0\x80", ReasonNotUTF8}, // a lone surrogate
		{"a\xc0\xaf", ReasonNotUTF8},     // an overlong slash
		{"a\x00b", ReasonControl},
		{"a\nb", ReasonControl},
		{"\x1f", ReasonControl},
		{"a\x7f", ReasonControl},
		{"a\u0080", ReasonControl},
		{"a\u009f", ReasonControl},
		{"/", ReasonEmptySegment},
		{"/etc/passwd", ReasonEmptySegment},
		{"a/", ReasonEmptySegment},
		{"a//b", ReasonEmptySegment},
		{".", ReasonDotSegment},
		{"..", ReasonDotSegment},
		{"a/../b", ReasonDotSegment},
		{"a/./b", ReasonDotSegment},
		{"../a", ReasonDotSegment},
		{strings.Repeat("n", MaxSegment+1), ReasonSegmentTooLong},
		{"a/" + strings.Repeat("é", MaxSegment/2+1), ReasonSegmentTooLong},
	}
	for _, test := range tests {
		err := Check(test.path)
		var refused *PathError
		if !errors.As(err, &refused) || refused.Reason != test.want {
			t.Errorf("Check(%.40q) = %v, want %q", test.path, err, test.want)
		}
		if !errors.Is(err, ErrPath) {
			t.Errorf("Check(%.40q) = %v, which is not ErrPath", test.path, err)
		}
	}
}

func TestKeyJoinsEqualSpellings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		same bool
	}{
		{"caf\u00e9/x", "cafe\u0301/x", true},
		{"\u212bngstr\u00f6m", "A\u030angstro\u0308m", true},
		{"\uac00", "\u1100\u1161", true},
		{"q\u0307\u0323", "q\u0323\u0307", true},
		{"a", "A", false},
		{"ﬁ", "fi", false},
		{"a/b", `a\b`, false},
	}
	for _, test := range tests {
		if got := bytes.Equal(Key(test.a), Key(test.b)); got != test.same {
			t.Errorf("Key(%q) equals Key(%q): %v, want %v", test.a, test.b, got, test.same)
		}
	}
}

func TestAncestors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path string
		want []string
	}{
		{"a", nil},
		{"a/b", []string{"a"}},
		{"a/b/c.txt", []string{"a", "a/b"}},
		{"cafe\u0301/b", []string{"caf\u00e9"}},
	}
	for _, test := range tests {
		var got []string
		for _, ancestor := range ancestors(Key(test.path)) {
			got = append(got, string(ancestor))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("ancestors of %q (-want +got):\n%s", test.path, diff)
		}
	}
}

// ancestors are the keys of the folders that a key lies in, outermost first: a and a/b for a/b/c, none for a.
// No composition crosses a slash, so they equal the keys of the folders' own paths.
func ancestors(key []byte) [][]byte {
	var found [][]byte
	for end := 0; ; end++ {
		next := bytes.IndexByte(key[end:], '/')
		if next < 0 {
			return found
		}
		end += next
		found = append(found, key[:end:end])
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a", "a/b/c", "cafe\u0301/x", "/\u0338", "a/\u0301b", "\u037e", "a\x00", strings.Repeat("a\u0301", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if Check(path) != nil {
			return
		}
		key := Key(path)
		if again := Key(string(key)); !bytes.Equal(again, key) {
			t.Fatalf("Key is not idempotent: %q, then %q", key, again)
		}
		if len(key) > 3*len(path) {
			t.Fatalf("key of %d bytes has %d", len(path), len(key))
		}
		folders := ancestors(key)
		segments := strings.Split(path, "/")
		if len(folders) != len(segments)-1 {
			t.Fatalf("%d ancestors for %d segments", len(folders), len(segments))
		}
		for i, ancestor := range folders {
			folder := strings.Join(segments[:i+1], "/")
			if !bytes.Equal(Key(folder), ancestor) {
				t.Fatalf("ancestor %d is %q, but the folder's own key %q", i, ancestor, Key(folder))
			}
		}
	})
}
