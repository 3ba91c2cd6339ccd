package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestMain makes the test binary the program itself for the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"app": func() { os.Exit(execute()) }})
}

// TestScripts runs the stories of testdata/script: each is what a person types
// and what the program must answer.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": cmdExits,
			"addr":  cmdFreeAddr,
			"ready": cmdReady,
			"mode":  cmdMode,

			"bucket":    cmdBucket(t),
			"stores":    cmdStores(t),
			"grab":      cmdGrab,
			"fill":      cmdFill,
			"arrived":   cmdArrived,
			"fixedaddr": cmdFixedAddr,
			"smalldisk": cmdSmallDisk,
			"ordinary":  cmdOrdinary,
		},
	})
}

// cmdStores gives the script a database of PostgreSQL and a Redis of its own.
func cmdStores(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("DATABASE_URL", testenv.Postgres(t))
		ts.Setenv("REDIS_URL", testenv.Redis(t))
	}
}

// cmdExits runs a command and checks its exit code: exits 2 app nonsense.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND …")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s: exit code %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// cmdFreeAddr sets ADDR to an address that nobody listens on.
func cmdFreeAddr(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("ADDR", l.Addr().String())
	ts.Check(l.Close())
}

// cmdReady waits until a server in the background answers: ready $ADDR.
func cmdReady(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.NewTimer(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := http.Get("http://" + args[0] + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-deadline.C:
			ts.Fatalf("the server did not get ready")
		case <-tick.C:
		}
	}
}

// cmdMode checks a file's permissions: mode 0600 data/master.keys.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}
