package ship_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRelease makes a release for this system, publishes it to a gh that only
// writes down what it was told, and uses it as somebody who downloaded it.
func TestRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dist := filepath.Join(dir, "dist")
	tools := playGitHub(t, dir, "in_progress ", "completed failure\nin_progress ", "completed cancelled\ncompleted success")
	system := runtime.GOOS + "/" + runtime.GOARCH
	name := "lenzeye_1.2.3-rc.1_" + runtime.GOOS + "_" + runtime.GOARCH
	release := exec.CommandContext(t.Context(), "../release", "--publish", "v1.2.3-rc.1", system)
	release.Env = append(os.Environ(), "DIST="+dist, "PATH="+tools+":"+os.Getenv("PATH"), "GOFLAGS=-buildvcs=false",
		"COMMIT="+strings.Repeat("ab", 20), "CI_PAUSE=0.1")
	if out, err := release.CombinedOutput(); err != nil {
		t.Fatalf("scripts/release: %v\n%s", err, out)
	}
	told, err := os.ReadFile(filepath.Join(dir, "told"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"release", "create", "v1.2.3-rc.1", "--verify-tag", dist + "/SHA256SUMS", dist + "/" + name + ".tar.gz", dist + "/" + name + ".cdx.json"} {
		if !strings.Contains(string(told), word+"\n") {
			t.Errorf("gh was not told %s, but:\n%s", word, told)
		}
	}

	shell(t, dist, "sha256sum --check --strict SHA256SUMS && tar xzf "+name+".tar.gz")
	files := strings.Fields(shell(t, filepath.Join(dist, name), "ls"))
	if diff := cmp.Diff([]string{"CHANGELOG.md", "LICENSE", "README.md", "app", "configs"}, files); diff != "" {
		t.Errorf("the archive (-want +got):\n%s", diff)
	}
	if said := shell(t, filepath.Join(dist, name), "./app version"); !strings.HasPrefix(said, "lenzeye v1.2.3-rc.1 (") {
		t.Errorf("app version says %s", said)
	}
	wantParts(t, filepath.Join(dist, name+".cdx.json"))
}

// playGitHub makes a gh that writes down what it was told to do, and answers one
// question after the other about the runs of CI on a commit.
func playGitHub(t *testing.T, dir string, runs ...string) (tools string) {
	t.Helper()
	tools = filepath.Join(dir, "tools")
	if err := os.Mkdir(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, said := range runs {
		if err := os.WriteFile(filepath.Join(dir, "runs"+strconv.Itoa(i+1)), []byte(said+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gh := `#!/bin/bash
cd "` + dir + `"
case "$1 $2" in
"run list")
  [[ " $* " == *" --workflow CI --commit abab"* ]] || exit 9
  echo >>asked
  n=$(wc -l <asked)
  [ "$n" -le ` + strconv.Itoa(len(runs)) + ` ] || n=` + strconv.Itoa(len(runs)) + `
  [ "$n" -eq 0 ] || cat "runs$n" ;;
*) printf '%s\n' "$@" >told ;;
esac
`
	if err := os.WriteFile(filepath.Join(tools, "gh"), []byte(gh), 0o755); err != nil {
		t.Fatal(err)
	}
	return tools
}

// A release of a commit that CI did not find green is none, and nothing is built
// for it.
func TestReleaseWantsGreenCI(t *testing.T) {
	t.Parallel()
	for name, runs := range map[string][]string{
		"red": {"in_progress ", "completed failure\ncompleted cancelled"}, "never": nil, "cancelled": {"completed cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			dist := filepath.Join(dir, "dist")
			tools := playGitHub(t, dir, runs...)
			release := exec.CommandContext(t.Context(), "../release", "--publish", "v1.2.3", "linux/amd64")
			release.Env = append(os.Environ(), "DIST="+dist, "PATH="+tools+":"+os.Getenv("PATH"),
				"COMMIT="+strings.Repeat("ab", 20), "CI_PAUSE=0.1", "CI_WAIT=1")
			out, err := release.CombinedOutput()
			if err == nil || release.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "CI ") {
				t.Errorf("%v: %s", err, out)
			}
			if made, _ := os.ReadDir(dist); len(made) != 0 {
				t.Errorf("it built %v", made)
			}
			if _, err := os.Stat(filepath.Join(dir, "told")); err == nil {
				t.Error("it was published")
			}
		})
	}
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// wantParts holds the list of what is in the program to go.mod.
func wantParts(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Format     string `json:"bomFormat"`
		Spec       string `json:"specVersion"`
		Components []struct{ Name, Version, PURL string }
		Metadata   struct {
			Component struct{ Name, Version string }
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	program := list.Metadata.Component
	if list.Format != "CycloneDX" || list.Spec != "1.5" || program.Name != "github.com/lenzeye/lenzeye" || program.Version != "v1.2.3-rc.1" {
		t.Errorf("it is %s %s of %+v", list.Format, list.Spec, program)
	}
	versions := map[string]string{}
	for _, c := range list.Components {
		versions[c.Name] = c.Version
		if c.PURL == "" || c.Version == "" {
			t.Errorf("%+v has gaps", c)
		}
	}
	modules := read(t, "go.mod")
	for _, name := range []string{"github.com/jackc/pgx/v5", "github.com/spf13/cobra", "modernc.org/sqlite"} {
		if versions[name] == "" || !strings.Contains(modules, name+" "+versions[name]+"\n") {
			t.Errorf("%s is listed with version %q", name, versions[name])
		}
	}
	if versions["stdlib"] != strings.TrimPrefix(runtime.Version(), "go") {
		t.Errorf("the list has Go %q", versions["stdlib"])
	}
}
