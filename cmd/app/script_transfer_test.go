package main

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdGrab sets a variable from what the last command printed: grab LINK '"url":"([^"]+)"'.
func cmdGrab(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: grab VARIABLE PATTERN")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%s is not in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// cmdFill makes a file of so many bytes that do not repeat: fill W/a.mov 1000 [SEED].
func cmdFill(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	var seed [32]byte
	if len(args) > 2 {
		copy(seed[:], args[2])
	}
	body := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(body) // never fails
	at := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(at), 0o755))
	ts.Check(os.WriteFile(at, body, 0o644))
}

// cmdArrived waits until a folder holds so many files of a pattern and at least
// of a size, at any depth: arrived 2 data/blobs '*' 10485760.
func cmdArrived(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	size, err := strconv.ParseInt(args[3], 10, 64)
	ts.Check(err)
	deadline := time.NewTimer(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n := 0
		err := filepath.WalkDir(ts.MkAbs(args[1]), func(_ string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // not there yet, or gone while we look
			}
			if ok, _ := filepath.Match(args[2], d.Name()); ok && !d.IsDir() {
				if info, err := d.Info(); err == nil && info.Size() >= size {
					n++
				}
			}
			return err
		})
		ts.Check(err)
		if n >= want {
			return
		}
		select {
		case <-deadline.C:
			ts.Fatalf("%d files %s in %s, want %d", n, args[2], args[1], want)
		case <-tick.C:
		}
	}
}

// cmdFixedAddr sets ADDR to an address below those that the system hands to
// outgoing connections, so that it stays free while a server is down.
func cmdFixedAddr(ts *testscript.TestScript, _ bool, _ []string) {
	for range 100 {
		addr := "127.0.0.1:" + strconv.Itoa(10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			ts.Setenv("ADDR", addr)
			ts.Check(l.Close())
			return
		}
	}
	ts.Fatalf("no free port")
}

// cmdSmallDisk runs a command twice with a folder on a disk of nine megabytes, which
// has to be too small the first time, with exit code 1, and has grown by the second,
// which has to succeed: smalldisk DIR COMMAND …. What the folder held between the
// two is in DIR.between, and in the end in DIR.after. Where nobody may mount a disk,
// the largest file is as small instead.
func cmdSmallDisk(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	const mount = `mount -t tmpfs -o size=9m none "$0"`
	sandbox, small, grow := []string{"unshare", "-rm", "sh", "-c"}, mount+` && "$@"`, `mount -o remount,size=64m "$0"`
	if exec.Command(sandbox[0], append(sandbox[1:], mount, dir)...).Run() != nil {
		sandbox, small, grow = []string{"sh", "-c"}, `prlimit --fsize=9437184 "$@"`, "true"
	}
	story := small + `; code=$?; [ $code = 1 ] || { echo "exit code $code on a small disk" >&2; exit 1; }
		cp -r "$0" "$0.between" && ` + grow + ` && "$@" && cp -r "$0" "$0.after"`
	command := append(append(sandbox, story, dir), args[1:]...)
	ts.Check(ts.Exec(command[0], command[1:]...))
}

// cmdOrdinary is exits for a user who feels permissions, as root does not: without
// the right to read everything.
func cmdOrdinary(ts *testscript.TestScript, neg bool, args []string) {
	if os.Geteuid() == 0 {
		args = append([]string{args[0], "setpriv", "--bounding-set", "-dac_override,-dac_read_search"}, args[1:]...)
	}
	cmdExits(ts, neg, args)
}
