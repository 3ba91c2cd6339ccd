package db_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

// roles are what a test runs in a process of its own: this binary again, with
// DB_TEST_ROLE and DB_TEST_PATH set. It prints one line, and a role that returned
// nil waits until its input ends.
var roles = map[string]func(path string) error{
	"serve": func(path string) error {
		_, err := db.LockServe(context.Background(), path)
		return err
	},
	"migrate": func(path string) (err error) {
		d, err := db.Open(context.Background(), db.Options{Path: path})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		return d.Migrate(context.Background())
	},
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv("DB_TEST_ROLE")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv("DB_TEST_PATH")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process runs a role elsewhere.
type process struct {
	cmd   *exec.Cmd
	input io.Closer
	said  *bufio.Reader
}

func begin(t testing.TB, role, path string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DB_TEST_ROLE="+role, "DB_TEST_PATH="+path)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, input: input, said: bufio.NewReader(output)}
	t.Cleanup(func() {
		input.Close()
		_ = cmd.Wait() // its line was judged before
	})
	return p
}

// line is what the role came to.
func (p *process) line(t testing.TB) string {
	t.Helper()
	line, err := p.said.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
