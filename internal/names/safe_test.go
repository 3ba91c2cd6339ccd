package names

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSafe(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxSegment-4)
	tests := []struct{ path, want string }{
		{"a/b.jpg", "a/b.jpg"},
		{"Hochzeit – Zoë/ .1.CR3", "Hochzeit – Zoë/ .1.CR3"},
		{`a<b>c:d"e|f?g*h\i`, "a_b_c_d_e_f_g_h_i"},
		{"a\x00b\u0085c", "a_b_c"},
		{"a\xff\xfe", "a_"},
		{"trailing. . ", "trailing____"},
		{"folder./file ", "folder_/file_"},
		{"", "_"},
		{"/abs//x/", "_/abs/_/x/_"},
		{"../..", "__/__"},
		{"./.../a", "_/___/a"},
		{"CON", "_CON"},
		{"con.txt", "_con.txt"},
		{"Nul .tar.gz", "_Nul .tar.gz"},
		{"AUX.", "_AUX_"},
		{"prn/x", "_prn/x"},
		{"COM1", "_COM1"},
		{"lpt9.log", "_lpt9.log"},
		{"COM¹", "_COM¹"},
		{"CONIN$", "_CONIN$"},
		{"COM", "COM"},
		{"COM10", "COM10"},
		{"CONSOLE", "CONSOLE"},
		{"xCON", "xCON"},
		{".CON", ".CON"},
		{"CON." + long, "_CON." + long[:MaxSegment-5]},
		{strings.Repeat("é", 200) + ".jpeg", strings.Repeat("é", 125) + ".jpeg"},
		{strings.Repeat("y", 254) + ".z", strings.Repeat("y", 253) + ".z"},
	}
	for _, test := range tests {
		if got := Safe(test.path); got != test.want {
			t.Errorf("Safe(%.60q) = %.60q, want %.60q", test.path, got, test.want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	for _, seed := range []string{"a", "CON/nul.txt", "a./b ", "../..", "\xff", "/", "CON." + strings.Repeat(". ", 126), strings.Repeat("é", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		safe := Safe(path)
		if again := Safe(safe); again != safe {
			t.Fatalf("not idempotent: %q, then %q", safe, again)
		}
		if !utf8.ValidString(safe) || strings.ContainsFunc(safe, isControl) || strings.ContainsAny(safe, `<>:"|?*\`) {
			t.Fatalf("unsafe characters in %q", safe)
		}
		segments := strings.Split(safe, "/")
		if len(segments) != strings.Count(path, "/")+1 {
			t.Fatalf("%q has another number of segments than %q", safe, path)
		}
		for _, segment := range segments {
			if err := Check(segment); err != nil {
				t.Fatalf("segment %q: %v", segment, err)
			}
			if strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") || isDevice(segment) {
				t.Fatalf("Windows would not store %q", segment)
			}
		}
	})
}
