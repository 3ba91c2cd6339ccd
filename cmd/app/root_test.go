package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
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
