package web

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// sources reads files of a folder, by name.
func sources(t *testing.T, files fs.FS, pattern string) map[string]string {
	t.Helper()
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	out := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(text)
	}
	return out
}

func english(t *testing.T) catalog.Language {
	t.Helper()
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c.Match("en")
}

// prefixesOf says which keys the scripts of a page are given.
func prefixesOf(script string) []string {
	switch filepath.Base(script) {
	case "download.js", "sharerows.js":
		return []string{"fetch.", "error."}
	case "signin.js":
		return []string{"login.", "error."}
	case "studio.js", "signout.js", "transfers.js", "transfer.js", "links.js", "settings.js", "plain.js":
		return []string{"studio.", "fetch.", "error."}
	}
	return []string{"send.", "error."}
}

// TestEveryTextThatPagesUseExists holds templates and scripts to the catalogue.
func TestEveryTextThatPagesUseExists(t *testing.T) {
	t.Parallel()
	texts := english(t)
	used := map[string]bool{}
	calls := regexp.MustCompile(`\.T "([^"]+)"`)
	for name, source := range sources(t, templateFiles, "templates/*.html") {
		for _, found := range calls.FindAllStringSubmatch(source, -1) {
			used[found[1]] = true
			if !texts.Has(found[1]) {
				t.Errorf("%s uses %s, which is not in the catalogue", name, found[1])
			}
		}
	}
	keys := regexp.MustCompile(`["'\x60]((?:send|fetch|login|studio|error)\.[a-z_.]+)["'\x60]`)
	for name, source := range sources(t, staticFiles, "static/js/*.js") {
		for _, found := range keys.FindAllStringSubmatch(source, -1) {
			used[found[1]] = true
			given := slices.ContainsFunc(prefixesOf(name), func(prefix string) bool { return strings.HasPrefix(found[1], prefix) })
			if !given || !texts.Has(found[1]) {
				t.Errorf("%s uses %s, which its page does not have", name, found[1])
			}
		}
	}
	inGo := regexp.MustCompile(`"((?:transfers|transfer|links|settings|welcome)\.[a-z_]*[a-z])"`)
	for name, source := range sources(t, os.DirFS("."), "pages_*.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, found := range inGo.FindAllStringSubmatch(source, -1) {
			if used[found[1]] = true; !texts.Has(found[1]) && !strings.HasSuffix(found[1], ".js") {
				t.Errorf("%s uses %s, which is not in the catalogue", name, found[1])
			}
		}
	}
	if len(used) < 150 {
		t.Errorf("only %d keys were found in the sources", len(used))
	}
	for key := range texts.Messages(ownWords) {
		if other := strings.TrimPrefix(key, ownWords); !used[strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")] && len(texts.Messages(other)) == 0 {
			t.Errorf("%s stands for no other text", key)
		}
	}
	// Keys that are put together from a state or a code.
	made := regexp.MustCompile(`^(error\.|problem\.|send\.(row|said|why)\.|send\.(battery|metered)$|login\.error\.|studio\.error\.|studio\.field\.|transfers\.show_|links\.state_|links\.about_|transfers\.(complete|aborted|expired|deleted)$|transfer\.share_|mail\.)`)
	for _, prefix := range []string{"send.", "fetch.", "login.", "upload.", "download.", "home.", "signin.", "nav.", "usage.", "transfers.", "transfer.", "studio.", "studio_page.", "links.", "settings.", "welcome."} {
		for key := range texts.Messages(prefix) {
			base := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
			if !used[base] && !made.MatchString(base) {
				t.Errorf("%s is used nowhere", base)
			}
		}
	}
}

func TestEveryCodeHasASentence(t *testing.T) {
	t.Parallel()
	texts := english(t)
	for _, info := range api.Codes() {
		if !texts.Has("error." + string(info.Code)) {
			t.Errorf("%s has no sentence", info.Code)
		}
	}
	for _, kind := range account.EventKinds() {
		if !texts.Has("event." + string(kind)) {
			t.Errorf("%s has no sentence", kind)
		}
	}
	for _, state := range []string{"waiting", "checking", "sent"} {
		if !texts.Has("send.row." + state) {
			t.Errorf("the state %s has no word", state)
		}
	}
}

// TestTemplatesAreQuietAboutStyle finds what the content policy would refuse.
func TestTemplatesAreQuietAboutStyle(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?i)\sstyle=|\son\w+=|<style|javascript:|<script(?: type="module"[^>]* src=| type="application/json")?`)
	for name, source := range sources(t, templateFiles, "templates/*.html") {
		for _, found := range inline.FindAllString(source, -1) {
			if !strings.HasPrefix(found, "<script ") {
				t.Errorf("%s has %q", name, found)
			}
		}
	}
	for name, source := range sources(t, staticFiles, "static/*/*") {
		if strings.Contains(source, "//cdn") || strings.Contains(source, "@import") || strings.Contains(source, "eval(") {
			t.Errorf("%s loads or runs what is not its own", name)
		}
	}
}

// TestScriptsAreServedWithoutTheirComments holds what is left to the source: every
// line that is no comment as a whole stays, where it was.
func TestScriptsAreServedWithoutTheirComments(t *testing.T) {
	t.Parallel()
	const source = "// A.\nlet a = 1; // stays\n  /** @type {x} */\n\t/** @type {y} */ let b = `//c`;\n/**\n * D\n */\nlet e = a / b;\n"
	const want = "\nlet a = 1; // stays\n\n\t/** @type {y} */ let b = `//c`;\n\n\n\nlet e = a / b;\n"
	if got := string(slim([]byte(source))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, source := range sources(t, staticFiles, "static/js/*.js") {
		got := string(slim([]byte(source)))
		if strings.Count(got, "\n") != strings.Count(source, "\n") {
			t.Errorf("%s lost lines", name)
		}
		if strings.Contains(got, "\n * ") || strings.HasPrefix(strings.TrimSpace(got), "//") {
			t.Errorf("%s keeps comments", name)
		}
		checkScript(t, name, got)
	}
}

// checkScript lets node read a module without running it.
func checkScript(t *testing.T, name, source string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "module.mjs")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "node", "--check", file).CombinedOutput(); err != nil {
		t.Errorf("%s as served: %v\n%s", name, err, out)
	}
}

// TestScriptModules runs the scripts' own tests, which need no browser.
func TestScriptModules(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: apt-get install -y --no-install-recommends nodejs")
	}
	files, err := filepath.Glob("jstest/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d test files, %v", len(files), err)
	}
	command := exec.CommandContext(t.Context(), node, append([]string{"--test"}, files...)...)
	command.Env = os.Environ()
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "# fail 0") && !strings.Contains(string(out), "fail 0") {
		t.Errorf("node did not say that nothing failed:\n%s", out)
	}
}

// TestScriptTypes holds the scripts to the types that their comments tell, as far as
// TypeScript sees without asking for all of them.
func TestScriptTypes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("static/js/*.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	args := []string{
		testenv.Checker(t, "typescript/bin/tsc"), "--noEmit", "--allowJs", "--checkJs", "--strict", "false", "--types", "",
		"--target", "esnext", "--module", "esnext", "--lib", "esnext,dom,dom.iterable,dom.asynciterable", "jstest/browsers.d.ts",
	}
	if out, err := exec.CommandContext(t.Context(), "node", append(args, files...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
