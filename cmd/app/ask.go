package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// isAttended tells whether somebody sits at a terminal who can be asked.
func (inv *invocation) isAttended() bool {
	f, ok := inv.io.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && isTerminal(inv.io.err)
}

// ask asks a person for a line, with what is typed shown.
func (inv *invocation) ask(ctx context.Context, question string) (string, error) {
	return inv.question(ctx, question, func(f *os.File) (string, error) {
		line, err := bufio.NewReader(f).ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return line, err
	})
}

// askSecret asks for a line that is not shown.
func (inv *invocation) askSecret(ctx context.Context, question string) (string, error) {
	return inv.question(ctx, question, func(f *os.File) (string, error) {
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(inv.io.err)
		return string(line), err
	})
}

// question lets Ctrl-C end the waiting, and gives the terminal back as it was.
func (inv *invocation) question(ctx context.Context, text string, read func(*os.File) (string, error)) (string, error) {
	f := inv.io.in.(*os.File) // isAttended said so
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	fmt.Fprint(inv.io.err, text+" ")
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the process, since a read from a terminal cannot be ended
		line, err := read(f)
		answers <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", userError{fmt.Errorf("ask on the terminal: %w", a.err)}
		}
		return a.line, nil
	case <-ctx.Done():
		fmt.Fprintln(inv.io.err)
		return "", errors.Join(ctx.Err(), term.Restore(int(f.Fd()), before))
	}
}

// confirm asks about something that cannot be undone, at a terminal; elsewhere
// --yes has to say it. Anything but yes is the caller's, and refused says what was
// not done.
func (inv *invocation) confirm(ctx context.Context, question, refused string) error {
	if !inv.isAttended() {
		return userError{fmt.Errorf("%s There is no terminal to ask at: say --yes to do it; %s", question, refused)}
	}
	answer, err := inv.ask(ctx, question+" [y/N]")
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return userError{errors.New(refused)}
	}
	return nil
}

// newClient makes the client that send and get use.
func (inv *invocation) newClient(base string, o client.Options) (*client.Client, error) {
	o.UserAgent = "lenzeye/" + readBuild(inv.env).Version
	c, err := client.New(base, o)
	if err != nil {
		return nil, userError{err}
	}
	return c, nil
}

// blame makes what the server refuses for reasons of the caller the caller's to
// mend: statuses from 300 to 499, but for files that are not all there yet.
func blame(err error) error {
	if client.IsCode(err, api.TransferIncomplete, api.StillSealing, api.FileNotReady) {
		return err
	}
	var p *api.Problem
	var s *client.StatusError
	status := 0
	switch {
	case errors.As(err, &p):
		status = p.Status
	case errors.As(err, &s):
		status = s.Status
	}
	if status >= 300 && status < 500 {
		return userError{err}
	}
	return err
}
