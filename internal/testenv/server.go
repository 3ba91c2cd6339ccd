package testenv

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const readyWithin = 60 * time.Second

// supervise runs a server beside a pipe from the test process. A signal's name
// on the pipe ends the server and starts it again. The end of the test process
// closes the pipe, and the shell then ends the server and removes its folder.
// Arguments: folder, signal, command.
const supervise = `dir=$1; sig=$2; shift 2
"$@" & pid=$!
while read -r again; do
  kill -"$again" "$pid"
  wait "$pid"
  "$@" & pid=$!
done
kill -"$sig" "$pid"
wait "$pid"
rm -rf "$dir"`

// server is a process that this test binary started.
type server struct {
	dir  string
	pipe io.WriteCloser // its other end keeps the server alive
}

// newFolder makes a folder that the user of the server may enter.
func newFolder(owner account) (string, error) {
	dir, err := os.MkdirTemp("", "lenzeye-test-")
	if err != nil {
		return "", err
	}
	return dir, owner.give(dir)
}

// start runs a command as owner in dir until the test process ends, and writes
// what it says to dir/log.
func start(owner account, dir, signal string, env []string, command ...string) (*server, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervise, "sh", dir, signal}, command...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.SysProcAttr = owner.attributes()
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", command[0], err), pipe.Close())
	}
	return &server{dir: dir, pipe: pipe}, nil
}

// untilReady asks until the server answers, and fails with its log.
func (s *server) untilReady(ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log")) // an empty log says enough
			return errors.Join(fmt.Errorf("server not ready: %w\n%s", err, log), s.pipe.Close())
		case <-tick.C:
		}
	}
}

// freePort finds a port that was free a moment ago. Servers prove with a secret
// of their own that it is them who took it.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func secret() string { return strings.ToLower(rand.Text()) }

// program finds a command, or fails with the Debian packages that have it.
func program(packages string, names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install -y --no-install-recommends %s", names[0], packages)
}

// root is the folder of this module.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/lenzeye/lenzeye\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("testenv: not run from inside the module")
		}
		dir = parent
	}
}

// Chromium returns the path of a Chromium to drive.
func Chromium(t testing.TB) string {
	t.Helper()
	path, err := program("chromium fonts-noto-core", "chromium", "chromium-browser", "google-chrome")
	if err != nil && runtime.GOOS == "darwin" {
		path, err = program("chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Checker returns the path of a file that scripts/install fetched from npm, like
// "axe-core/axe.min.js".
func Checker(t testing.TB, name string) string {
	t.Helper()
	path, err := checker(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func checker(name string) (string, error) {
	top, err := root()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(top, "scripts", "tools", "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	folder := fmt.Sprintf("checkers-%.6x", sha256.Sum256(lock))
	path := filepath.Join(cache, "lenzeye", folder, "node_modules", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("testenv: %w: run scripts/install", err)
	}
	return path, nil
}
