package ship_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/lenzeye/lenzeye/internal/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestProcfileIsTheBlueprint: both start the same commands.
func TestProcfileIsTheBlueprint(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for line := range strings.Lines(read(t, "Procfile")) {
		name, command, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found || name != strings.ToLower(name) {
			t.Errorf("%q is no line of a Procfile", line)
		}
		got[name] = command
	}
	want := map[string]string{}
	for _, s := range readBlueprint(t).Services {
		if s.Runtime != "" {
			want[s.Type], want["release"] = s.DockerCommand, s.PreDeployCommand
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Procfile (-render.yaml +Procfile):\n%s", diff)
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	release := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	for _, want := range []string{
		"\nFROM golang:" + release[1] + "-", "./scripts/build --root /image\n", "\nFROM scratch\n",
		"\nUSER 65532:65532\n", "\nENV APP_DATA_DIR=/data\n", "\nCMD [\"app\", \"serve\"]\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	if strings.Contains(text, "ADD ") || strings.Count(text, "\nRUN ") != 2 {
		t.Error("a step of the Dockerfile is not one of scripts/build")
	}
	for _, kept := range []string{"*.env", "data", ".git"} {
		if !slices.Contains(strings.Split(read(t, ".dockerignore"), "\n"), kept) {
			t.Errorf("%s gets into the build", kept)
		}
	}
}

// TestUnit holds the systemd unit to the program and to what keeps it in.
func TestUnit(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z]\w+)=(.*)$`).FindAllStringSubmatch(read(t, "configs/lenzeye.service"), -1) {
		got[m[1]] = m[2]
	}
	for name, want := range map[string]string{
		"ExecStartPre": "/usr/local/bin/app migrate up", "ExecStart": "/usr/local/bin/app serve",
		"KillSignal": "SIGTERM", "RestartPreventExitStatus": "2", "User": "lenzeye", "StateDirectory": "lenzeye",
		"StateDirectoryMode": "0700", "UMask": "0077", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
		"ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "CapabilityBoundingSet": "",
		"MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "SystemCallArchitectures": "native",
	} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	c, err := config.Load(config.Source{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.Atoi(got["TimeoutStopSec"])
	if err != nil || time.Duration(seconds)*time.Second <= c.HTTP.DrainDelay+2*c.HTTP.DrainTimeout {
		t.Errorf("TimeoutStopSec is %q, and a stop takes up to %s", got["TimeoutStopSec"], 2*c.HTTP.DrainTimeout)
	}
	if open, err := strconv.Atoi(got["LimitNOFILE"]); err != nil || open < 4*c.HTTP.MaxConns {
		t.Errorf("LimitNOFILE is %q with %d connections", got["LimitNOFILE"], c.HTTP.MaxConns)
	}
}

type workflow struct {
	On          any               `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		If      string `yaml:"if"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []struct {
			Uses string `yaml:"uses"`
			Run  string `yaml:"run"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// TestWorkflowsRunTheProjectsScripts: what a workflow does, everybody can do by
// hand.
func TestWorkflowsRunTheProjectsScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) != 3 {
		t.Fatalf("found %v: %v", files, err)
	}
	actions := []string{"actions/checkout@v4", "actions/setup-go@v5"}
	for _, name := range files {
		var w workflow
		if err := yaml.Unmarshal([]byte(read(t, strings.TrimPrefix(name, "../../"))), &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(w.Permissions) == 0 || len(w.Jobs) == 0 {
			t.Errorf("%s: %d permissions, %d jobs", name, len(w.Permissions), len(w.Jobs))
		}
		for job, j := range w.Jobs {
			if j.Timeout == 0 {
				t.Errorf("%s: %s has no end", name, job)
			}
			for _, step := range j.Steps {
				if step.Uses != "" && !slices.Contains(actions, step.Uses) {
					t.Errorf("%s uses %s", name, step.Uses)
				}
				if step.Run != "" {
					wantScript(t, name, strings.Fields(step.Run)[0])
				}
			}
		}
	}
}

func wantScript(t *testing.T, workflow, program string) {
	t.Helper()
	info, err := os.Stat(filepath.Join("../..", program))
	if err != nil || !strings.HasPrefix(program, "./") || info.Mode()&0o111 == 0 {
		t.Errorf("%s runs %s, which is no script of the project: %v", workflow, program, err)
	}
}

// TestDeployFollowsGreenCIOnMain holds the conditions under which a deploy begins.
func TestDeployFollowsGreenCIOnMain(t *testing.T) {
	t.Parallel()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/deploy.yml")), &w); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"workflow_run": map[string]any{
		"workflows": []any{"CI"}, "types": []any{"completed"}, "branches": []any{"main"},
	}}
	if diff := cmp.Diff(any(want), w.On); diff != "" {
		t.Errorf("deploy begins on (-want +got):\n%s", diff)
	}
	for _, part := range []string{"conclusion == 'success'", "event == 'push'", "vars.DEPLOY_URL != ''"} {
		if !strings.Contains(w.Jobs["deploy"].If, part) {
			t.Errorf("deploy does not ask for %s", part)
		}
	}
}

// TestScriptsRefuseNonsense: a mistake is exit code 2 and a sentence.
func TestScriptsRefuseNonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"build", "--nope"}, {"build", "--root"}, {"release"}, {"release", "1.2.3"}, {"release", "v1.2.3;ls"},
		{"deploy"}, {"deploy", "main"}, {"deploy", strings.Repeat("a", 40)}, {"dev", "--nope"}, {"dev", "--stores", "x"},
	} {
		cmd := exec.CommandContext(t.Context(), "../"+args[0], args[1:]...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 2 || errs.Len() == 0 {
			t.Errorf("scripts/%s: %v, and it said %q", strings.Join(args, " "), err, errs.String())
		}
	}
}
