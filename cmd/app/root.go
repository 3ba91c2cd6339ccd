package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes, the same for every command.
const (
	exitOK          = 0   // all done
	exitOurs        = 1   // ours or the server's fault, or not everything is there
	exitUser        = 2   // the user's: flags, configuration, credentials
	exitInterrupted = 130 // after Ctrl-C; state is kept
)

// stdio is what a command reads and writes, so that tests can call run.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// invocation is what every command needs of the call that started it.
type invocation struct {
	env []string // KEY=value
	io  stdio
}

// userError is a mistake that the caller can mend: exit code 2.
type userError struct{ err error }

func (e userError) Error() string { return e.err.Error() }
func (e userError) Unwrap() error { return e.err }

// run is the whole program as a function: it parses args, does the command and
// returns the exit code. Nothing below it reads the process's environment.
func run(ctx context.Context, args, env []string, std stdio) int {
	root := newRoot(&invocation{env: env, io: std})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(std.err, "app: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(std.err, "app: %v\n", err)
	var mistake userError
	if errors.As(err, &mistake) {
		return exitUser
	}
	return exitOurs
}

func newRoot(inv *invocation) *cobra.Command {
	root := &cobra.Command{
		Use:   "app",
		Short: "Receive and hand out large transfers of files",
		Example: "  app serve\n  app send \"Card A\" --to http://127.0.0.1:8080/u/wedding --from anna@example.com\n  app get http://127.0.0.1:8080/d/TOKEN\n" +
			"  app account create anna@example.com --name \"Anna's Studio\"",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE:          helpOrUnknown,
	}
	root.SetIn(inv.io.in)
	root.SetOut(inv.io.out)
	root.SetErr(inv.io.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return userError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	root.AddCommand(newServe(inv), newSeed(inv), newConfig(inv), newKeys(inv), newVersion(inv), newSend(inv), newGet(inv))
	root.AddCommand(newWorker(inv), newJobs(inv), newMigrate(inv), newReconcile(inv), newScrub(inv))
	root.AddCommand(newAccount(inv), newBackup(inv), newRestore(inv))
	root.AddCommand(newS3Check(inv), newDoctor(inv))
	return root
}

// helpOrUnknown is the root itself: alone it prints help, with a word that is
// no command it names the nearest one.
func helpOrUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	msg := fmt.Sprintf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		msg += fmt.Sprintf(", did you mean %q?", near[0])
	}
	return userError{errors.New(msg + " (see app --help)")}
}

// noArgs refuses stray words with a hint, as a user's mistake.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return userError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	}
	return nil
}
