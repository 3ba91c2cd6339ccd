package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFileBecomesPipe opens a file that is a pipe by then: nobody writes to it,
// and nobody is waited for.
func TestFileBecomesPipe(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "W")
	tree(t, dir, "a.jpg")
	p, _, _ := planned(t, dir)
	if err := errors.Join(os.Remove(filepath.Join(dir, "a.jpg")), syscall.Mkfifo(filepath.Join(dir, "a.jpg"), 0o600)); err != nil {
		t.Fatal(err)
	}
	within(t, "opening a pipe", func() {
		f, err := p.sources[0].Open("W/a.jpg")
		if err != nil {
			t.Error(err)
			return
		}
		if info, err := f.Stat(); err != nil || info.Mode().IsRegular() {
			t.Errorf("%v %v", info, err)
		}
		_ = f.Close()
	})
}

// TestInterruptedInput ends by Ctrl-C while the standard input is silent, with
// and without --size, and nothing of it is left in the folder of temporary files.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	defer feed.Close()
	ctx, stop := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"send", "-", "--name", "interrupted.tar", "--to", "http://127.0.0.1:1/u/x"}, nil, stdio{in: in, out: &out, err: &errs})
	}()
	if _, err := feed.Write([]byte("the first bytes")); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, fd := range open {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name()) // some are closed by now
		if found = found || strings.Contains(to, "lenzeye-send-"); strings.Contains(to, "lenzeye-send-") && !strings.HasSuffix(to, " (deleted)") {
			t.Errorf("%s is there for others to find", to)
		}
	}
	if !found {
		t.Error("the temporary file is not open")
	}
	stop()
	within(t, "the interrupted program", func() {
		if got := <-code; got != exitInterrupted {
			t.Errorf("exit code %d: %s", got, errs.String())
		}
	})
}
