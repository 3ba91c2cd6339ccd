package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// call runs the program as a function and returns what it did.
func call(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	return code, out.String(), errs.String()
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, _ := call(t, []string{"RENDER_GIT_COMMIT=abc123"}, "version", "--json")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	var b buildInfo
	if err := json.Unmarshal([]byte(out), &b); err != nil {
		t.Fatal(err)
	}
	if b.Version == "" || b.Commit == "" || b.Go == "" {
		t.Fatalf("version has gaps: %+v", b)
	}
}

func TestUsersMistakesExit2(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version", "--nope"}, {"version", "stray"}, {"nonsense"}} {
		if code, _, stderr := call(t, nil, args...); code != exitUser || stderr == "" {
			t.Errorf("app %v: exit %d, stderr %q", args, code, stderr)
		}
	}
}

func TestEveryCommandHasExamplesAndNamesItsHelp(t *testing.T) {
	t.Parallel()
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		seen++
		path := cmd.CommandPath()
		if !strings.Contains(cmd.Example, path) {
			t.Errorf("the help of %s has no example of it: %q", path, cmd.Example)
		}
		args := append(strings.Fields(path)[1:], "--nonsense")
		code, _, stderr := call(t, nil, args...)
		if code != exitUser || !strings.Contains(stderr, "--nonsense") || !strings.Contains(stderr, "(see "+path+" --help)") {
			t.Errorf("app %v: exit %d, %q", args, code, stderr)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&invocation{}))
	if seen < 20 {
		t.Errorf("%d commands were looked at", seen)
	}
}

// prompted calls a function when a question is asked.
type prompted func()

func (p prompted) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("[yes/no]")) {
		p()
	}
	return len(b), nil
}

func TestCtrlCEndsAQuestion(t *testing.T) {
	t.Parallel()
	nobody, hold := io.Pipe()
	t.Cleanup(func() { _ = hold.Close() })
	ctx, interrupt := context.WithCancel(t.Context())
	code := run(ctx, []string{"jobs", "delete", "mail/1"}, nil, stdio{in: nobody, out: io.Discard, err: prompted(interrupt)})
	if code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
}
