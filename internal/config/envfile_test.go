package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnvFile(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, wantName, wantValue string }{
		{"plain", "A=b", "A", "b"},
		{"export", "export A=b", "A", "b"},
		{"export as a name", "export=b", "export", "b"},
		{"blanks", "  A =  b c  ", "A", "b c"},
		{"carriage return", "A=b\r", "A", "b"},
		{"byte order mark", "\ufeffA=b", "A", "b"},
		{"empty", "A=", "A", ""},
		{"only a comment", "A= # b", "A", ""},
		{"equals signs", "URL=postgres://h/d?a=b&c=d==", "URL", "postgres://h/d?a=b&c=d=="},
		{"comment", "A=b # c", "A", "b"},
		{"hash inside", "A=b#c", "A", "b#c"},
		{"hash first", "A=#b", "A", "#b"},
		{"double quotes", `A="b # c" # d`, "A", "b # c"},
		{"escapes", `A="x\ny\t\"q\"\\\$\z\é"`, "A", "x\ny\t\"q\"\\$\\z\\é"},
		{"single quotes", `A='b "c" \n # $d'`, "A", `b "c" \n # $d`},
		{"quote inside", `A=it's`, "A", "it's"},
		{"dollar", "A=$B${C}", "A", "$B${C}"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, bad := parseEnvFile([]byte(test.line))
			want := []assignment{{name: test.wantName, value: test.wantValue, line: 1}}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(assignment{})); diff != "" || bad != nil {
				t.Errorf("parseEnvFile(%q) bad lines %v (-want +got):\n%s", test.line, bad, diff)
			}
		})
	}
}

func TestParseEnvFileLines(t *testing.T) {
	t.Parallel()
	file := "# comment\n\nA=1\n  # more\nno assignment\n=x\n1A=x\nA-B=x\nA B=x\nexport\nB=\"open\nC='open\nD=\"x\" y\nE=5\nA=2"
	got, bad := parseEnvFile([]byte(file))
	want := []assignment{{"A", "1", 3}, {"E", "5", 14}, {"A", "2", 15}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(assignment{})); diff != "" {
		t.Errorf("assignments (-want +got):\n%s", diff)
	}
	wantBad := map[int]error{
		5: errNoAssignment, 6: errNoAssignment, 7: errNoAssignment, 8: errNoAssignment, 9: errNoAssignment, 10: errNoAssignment,
		11: errOpenQuote, 12: errOpenQuote, 13: errAfterQuote,
	}
	if len(bad) != len(wantBad) {
		t.Errorf("%d bad lines, want %d: %v", len(bad), len(wantBad), bad)
	}
	for _, line := range bad {
		if wantBad[line.line] != line.reason {
			t.Errorf("line %d: %v, want %v", line.line, line.reason, wantBad[line.line])
		}
	}
}

func FuzzEnvFile(f *testing.F) {
	for _, seed := range []string{"A=b\n", "export A='b'\r\n#c\n", `A="\`, "\ufeffA=\"x\\n\"", "=\n\n=", "A=b #"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, bad := parseEnvFile(data)
		lines := strings.Count(string(data), "\n") + 1
		if len(found)+len(bad) > lines {
			t.Fatalf("%d assignments and %d bad lines in %d lines", len(found), len(bad), lines)
		}
		for _, a := range found {
			if !isVariable(a.name) || a.line < 1 || a.line > lines {
				t.Fatalf("assignment %+v", a)
			}
			// What was read can be written so that it is read again.
			if strings.ContainsAny(a.value, "\r\n'") || a.value != strings.ToValidUTF8(a.value, "") {
				continue
			}
			again, badAgain := parseEnvFile([]byte(a.name + "='" + a.value + "'"))
			if len(badAgain) != 0 || len(again) != 1 || again[0].value != a.value {
				t.Fatalf("%q in single quotes is read as %+v, %v", a.value, again, badAgain)
			}
		}
	})
}
