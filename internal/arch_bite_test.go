package internal

import (
	"strings"
	"testing"
)

// TestRulesBite plants one violation at a time and wants its rule to find it,
// and the text beside it that is allowed to pass.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\n", maxFileLines)
	for name, tc := range map[string]struct {
		rule, path, text string
		want             string // part of the finding; empty: none
	}{
		"upward arrow":       {"imports", "internal/names/x.go", `import _ "` + module + `internal/web"`, "must not import internal/web"},
		"downward arrow":     {"imports", "internal/web/x.go", `import _ "` + module + `internal/api"`, ""},
		"testenv in a test":  {"imports", "internal/web/x_test.go", `import _ "` + module + `internal/testenv"`, ""},
		"testenv elsewhere":  {"imports", "internal/web/x.go", `import _ "` + module + `internal/testenv"`, "must not import internal/testenv"},
		"the command itself": {"imports", "internal/web/x_test.go", `import _ "` + module + `cmd/app"`, "imports a command"},
		"third party":        {"imports", "internal/seal/x.go", `import _ "github.com/spf13/viper"`, "must not import github.com/spf13/viper"},
		"like an allowed":    {"imports", "internal/config/x.go", `import _ "github.com/spf13/viper2"`, "must not import"},
		"below an allowed":   {"imports", "internal/names/x.go", `import _ "golang.org/x/text/unicode/norm"`, ""},
		"unknown package":    {"imports", "internal/extra/x.go", ``, "not in the import table"},
		"catch-all":          {"package names", "internal/utils/x.go", ``, "says nothing"},
		"no doc":             {"package docs", "internal/seal/x.go", ``, "0 package docs"},
		"init":               {"no init", "internal/seal/x.go", `func init() {}`, "func init"},
		"method init":        {"no init", "internal/seal/x.go", `type t int; func (t) init() {}`, ""},
		"map variable":       {"no mutable variable", "internal/seal/x.go", `var m = map[int]int{}`, "variable m"},
		"plain variable":     {"no mutable variable", "internal/seal/x.go", `var a, b int`, "variable b"},
		"sentinel":           {"no mutable variable", "internal/seal/x.go", "import \"errors\"\nvar ErrX = errors.New(\"x\")", ""},
		"error misnamed":     {"no mutable variable", "internal/seal/x.go", "import \"errors\"\nvar failure = errors.New(\"x\")", "variable failure"},
		"embedded":           {"no mutable variable", "internal/seal/x.go", "import \"embed\"\n//go:embed x\nvar files embed.FS", ""},
		"linker's":           {"no mutable variable", "cmd/app/version.go", "var buildVersion string", ""},
		"long file":          {"file size", "internal/seal/x.go", long, "401 lines"},
		"file at its limit":  {"file size", "internal/seal/x.go", long[1:], ""},
		"long function":      {"function size", "internal/seal/x.go", "func f() {" + long + "}", "f has"},
		"wide interface":     {"interfaces", "internal/seal/x.go", "type i interface{a();b();c();d();e();f();g();h();i()}", "9 methods"},
		"environment":        {"environment", "internal/seal/x.go", "import \"os\"\nfunc f() { os.Getenv(\"X\") }", "os.Getenv"},
		"skip":               {"honest tests", "internal/seal/x_test.go", "import \"testing\"\nfunc f(t *testing.T) { t.Skip() }", "t.Skip"},
		"sleep":              {"honest tests", "internal/seal/x_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }", "real clock"},
		"sleep, fake clock":  {"honest tests", "internal/seal/x_test.go", "import (\"time\"; _ \"testing/synctest\")\nfunc f() { time.Sleep(1) }", ""},
		"note":               {"nothing left over", "internal/seal/x.go", "// TO" + "DO later", "a comment with"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := parseSource(tc.path, "package x\n"+tc.text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Join(ruleNamed(t, tc.rule).find([]source{s}), "\n")
			if tc.want == "" && found != "" || !strings.Contains(found, tc.want) {
				t.Errorf("found %q, want %q", found, tc.want)
			}
		})
	}
}

func ruleNamed(t *testing.T, name string) rule {
	t.Helper()
	for _, r := range rules() {
		if r.name == name {
			return r
		}
	}
	t.Fatalf("there is no rule %q", name)
	return rule{}
}
