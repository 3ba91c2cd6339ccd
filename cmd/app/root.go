package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

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
		fmt.Fprintln(std.err, "app: "+printableLines(interruption(err)))
		return exitInterrupted
	}
	fmt.Fprintf(std.err, "app: %s\n", printableLines(err.Error()))
	if isMistake(err) {
		return exitUser
	}
	return exitOurs
}

// interruption says what was interrupted, where the command says more than that
// it was.
func interruption(err error) string {
	if err.Error() == context.Canceled.Error() {
		return "interrupted"
	}
	return "interrupted: " + err.Error()
}

func isMistake(err error) bool {
	_, is := errors.AsType[userError](err)
	return is
}

// together is the outcome of several things that were tried one after another:
// the caller's to mend only where every failure is.
func together(errs []error) error {
	mistakes := 0
	for _, err := range errs {
		if isMistake(err) {
			mistakes++
		}
	}
	if mistakes == 0 || mistakes == len(errs) {
		return errors.Join(errs...)
	}
	plain := make([]error, len(errs))
	for i, err := range errs {
		plain[i] = err
		if isMistake(err) {
			plain[i] = errors.New(err.Error())
		}
	}
	return errors.Join(plain...)
}

// endingGrace is how long after Ctrl-C a step goes on that must not stop half-way.
const endingGrace = 20 * time.Second

// outlive is a context for such a step: it ends so long after ctx.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-long.Done():
		}
	})
	return long, func() { stop(); cancel() }
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
	addCompletion(root)
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
