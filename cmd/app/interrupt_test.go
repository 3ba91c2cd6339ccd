package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// interrupts runs a command and presses Ctrl-C at a random moment of the first so
// many milliseconds. It must end well or as interrupted.
func (o operator) interrupts(t *testing.T, within time.Duration, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rand.N(within))
	defer cancel()
	interrupted, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	context.AfterFunc(ctx, interrupt)
	var out, errs safeBuffer
	code := run(interrupted, args, o.env, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	if code != exitOK && code != exitInterrupted {
		t.Errorf("app %v: exit %d\n%s%s", args, code, out.String(), errs.String())
	}
	if code == exitInterrupted && !strings.Contains(errs.String(), "app: interrupted") {
		t.Errorf("app %v: %s", args, errs.String())
	}
}

// TestCtrlCLeavesNothingHalfDone interrupts what changes something at many
// moments. Each change is there whole or not at all, or goes on when it is asked
// for again.
func TestCtrlCLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	const times = 15
	for name, try := range map[string]func(t *testing.T, o operator, i int){
		"account create": func(t *testing.T, o operator, i int) {
			email := fmt.Sprintf("a%d@example.com", i)
			o.interrupts(t, 100*time.Millisecond, "account", "create", email, "--name", "A", "--quota", "5GiB", "--token", "laptop")
			if code, out, _ := call(t, o.env, "account", "show", email, "--json"); code == exitOK {
				var v accountView
				if err := json.Unmarshal([]byte(out), &v); err != nil || v.Quota == nil || *v.Quota != 5<<30 || v.Holds == nil || v.Holds.Tokens != 1 {
					t.Errorf("half an account: %s, %v", out, err)
				}
			}
		},
		"account delete": func(t *testing.T, o operator, i int) {
			email := fmt.Sprintf("b%d@example.com", i)
			o.does(t, exitOK, "seed", "--email", email, "--slug", fmt.Sprintf("slug-%d", i))
			id := o.shows(t, email).ID
			o.interrupts(t, 150*time.Millisecond, "account", "delete", email, "--yes")
			if v := o.shows(t, id); (v.State == "deleted") != (v.Used == 0) {
				t.Errorf("half a delete: %+v", v)
			}
		},
		"seed": func(t *testing.T, o operator, i int) {
			args := []string{"seed", "--email", fmt.Sprintf("c%d@example.com", i), "--slug", fmt.Sprintf("slug-%d", i)}
			o.interrupts(t, 300*time.Millisecond, args...)
			o.does(t, exitOK, args...)
			if v := o.shows(t, args[2]); v.Holds.Links != 1 || v.Holds.Transfers != 1 || v.Holds.Files != 3 || v.Holds.Tokens != 1 || v.Reserved != 0 {
				t.Errorf("a seed that was cut, and its repeat: %+v", v.Holds)
			}
		},
		"keys rotate account": func(t *testing.T, o operator, i int) {
			o.interrupts(t, 150*time.Millisecond, "keys", "rotate", "account", "--all")
			o.does(t, exitOK, "scrub", "--older", "0s")
			if i == times-1 {
				o.does(t, exitOK, "keys", "rotate", "account", "--all")
				if said := o.does(t, exitOK, "keys", "status"); strings.Contains(said, "retires") {
					t.Error(said)
				}
			}
		},
		"backup and restore": func(t *testing.T, o operator, i int) {
			folder := t.TempDir()
			backup := filepath.Join(folder, "lenzeye.db")
			o.interrupts(t, 150*time.Millisecond, "backup", backup)
			wantOnly(t, folder, "lenzeye.db")
			o.does(t, exitOK, "backup", "--yes", backup)
			o.interrupts(t, 200*time.Millisecond, "restore", "--yes", backup)
			o.shows(t, "studio@example.com")
			for _, left := range hidden(t, filepath.Dir(o.opts.Path)) {
				t.Errorf("left: %s", left)
			}
		},
	} {
		for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
			if engine == db.EnginePostgres && name == "backup and restore" {
				continue
			}
			t.Run(name+", "+string(engine), func(t *testing.T) {
				t.Parallel()
				o := newOperator(t, engine)
				o.env = append(o.env, "APP_DB_AUTO_MIGRATE=true")
				o.does(t, exitOK, "seed")
				for i := range times {
					try(t, o, i)
				}
				o.does(t, exitOK, "scrub")
				o.does(t, exitOK, "reconcile")
			})
		}
	}
}

// wantOnly allows a folder one file, or none.
func wantOnly(t *testing.T, folder, name string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("left: %s", e.Name())
		}
	}
}

// hidden are the files of a folder whose names begin with a dot.
func hidden(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
