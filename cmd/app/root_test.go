package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

func TestTogether(t *testing.T) {
	t.Parallel()
	mistake, ours := userError{errors.New("theirs")}, errors.New("ours")
	for name, c := range map[string]struct {
		errs []error
		want bool
	}{
		"nothing": {nil, false}, "mistakes": {[]error{mistake, mistake}, true},
		"ours": {[]error{ours}, false}, "both": {[]error{mistake, ours}, false},
	} {
		err := together(c.errs)
		if isMistake(err) != c.want || (err == nil) != (len(c.errs) == 0) {
			t.Errorf("%s: %v, a mistake: %v", name, err, isMistake(err))
		}
		if len(c.errs) == 2 && strings.Count(err.Error(), "\n") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInterruptionIsExplained: what a command says of where it stopped is said.
func TestInterruptionIsExplained(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		context.Canceled: "interrupted",
		fmt.Errorf("the keys are destroyed: %w", context.Canceled): "interrupted: the keys are destroyed: context canceled",
	} {
		if got := interruption(err); got != want {
			t.Errorf("%v: %q", err, got)
		}
	}
}

func TestOutliveEndsAfterItsGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		long, stop := outlive(ctx, time.Minute)
		defer stop()
		interrupt()
		began := time.Now()
		synctest.Wait()
		if long.Err() != nil {
			t.Error("it ended at once")
		}
		<-long.Done()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it ended after %s", took)
		}
	})
}
