package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newTerminal is a terminal, and the end of it where a person would sit.
func newTerminal(t *testing.T) (terminal, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return terminal, person
}

func TestCtrlCEndsAQuestion(t *testing.T) {
	t.Parallel()
	terminal, person := newTerminal(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() { // ends with the terminal
		var seen strings.Builder
		page := make([]byte, 1024)
		for {
			n, err := person.Read(page)
			if seen.Write(page[:n]); strings.Contains(seen.String(), "[y/N]") {
				interrupt()
			}
			if err != nil {
				return
			}
		}
	}()
	code := run(ctx, []string{"jobs", "delete", "mail/1"}, nil, stdio{in: terminal, out: io.Discard, err: terminal})
	if code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
}
