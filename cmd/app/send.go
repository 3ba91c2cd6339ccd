package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/names"
)

// sendFlags are the words of one `app send`.
type sendFlags struct {
	to, from, message, password string
	name, size, limit, receipt  string
	parallel                    int
	patience                    time.Duration
	firstPatience               time.Duration // 0 unless asked for
	all, json                   bool
}

func newSend(inv *invocation) *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send PATH… --to URL",
		Short: "Send files and folders to an upload link",
		Long: `Send files and folders to an upload link, and print a download link and its code.

Interrupted, by Ctrl-C, a crash or a lost line, it goes on when it is run again
with the same link and paths: what has arrived is compared with the files, part
by part, and not sent again. A file that changes meanwhile is named and sent
anew. What cannot be read, also a PATH of several, is named, left out, and makes
the exit code 1.

What cannot be asked again (the transfer and its token) is kept until the end in
$XDG_STATE_HOME/lenzeye, else ~/.local/state/lenzeye, readable by you only.

A PATH of - sends the standard input under --name: with --size as it comes, which
cannot go on in a second run; without it through a temporary file first.

--receipt writes every path, size, CRC-32, SHA-256 and time as JSON. Its SHA-256
reads all files once more after sending, some 1 GB a second from a fast disk.`,
		Example: `  app send ~/Wedding --to https://send.example.com/u/demo --from anna@example.com
  app send a.mov b.mov --to https://send.example.com/u/demo --limit 20MB/s --receipt sent.json
  tar c Cards | app send - --name cards.tar --to https://send.example.com/u/demo`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return userError{fmt.Errorf("name the files and folders to send (see %s --help)", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.firstPatience = patienceAsked(cmd)
			return send(cmd.Context(), inv, f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "the upload link, `URL`")
	flags.StringVar(&f.from, "from", "", "your email address, `MAIL` or \"Name <mail>\"")
	flags.StringVar(&f.message, "message", "", "a message to the studio")
	flags.StringVar(&f.password, "password", "", "the link's password; asked for on a terminal, which keeps it out of lists of processes")
	flags.StringVar(&f.name, "name", "", "what the standard input is called there")
	flags.StringVar(&f.size, "size", "", "the exact size of the standard input, like 1048576 or 20GB")
	flags.StringVar(&f.limit, "limit", "", "at most so much a second, like 20MB/s")
	flags.IntVar(&f.parallel, "parallel", 6, "parts in flight, 1 to 32")
	flags.DurationVar(&f.patience, "patience", 5*time.Minute, patienceHelp)
	flags.StringVar(&f.receipt, "receipt", "", "write a receipt to this `FILE`")
	flags.BoolVar(&f.all, "all", false, "also what operating systems leave behind, like .DS_Store")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// send checks the words, looks at the files, and sends them.
func send(ctx context.Context, inv *invocation, f sendFlags, paths []string) error {
	if f.to == "" {
		return userError{errors.New("--to is missing: give the upload link")}
	}
	link, err := client.ParseLink(f.to)
	if err != nil {
		return userError{fmt.Errorf("--to: %w", err)}
	}
	if err := checkCrew(f.parallel, f.patience); err != nil {
		return err
	}
	rate, err := parseLimit(f.limit)
	if err != nil {
		return err
	}
	if err := checkReceipt(f.receipt); err != nil {
		return err
	}
	r := &sendRun{inv: inv, flags: f, link: link, pace: client.NewPace(rate), now: time.Now}
	input, err := r.readInput(ctx, paths)
	if err != nil {
		return err
	}
	defer input.close()
	if input.isInput {
		r.plan = input.plan()
	} else if r.plan, err = planSend(ctx, paths, f.all); err != nil {
		r.plan.close()
		return err
	}
	defer r.plan.close()
	roots := slices.Clone(r.plan.roots)
	slices.Sort(roots)
	r.state = inv.state("send", append([]string{link.Base, link.Slug}, roots...)...)
	r.state = r.state.orNone(r.say, "if this ends early, it cannot go on in a second run.")
	if r.client, err = inv.newClient(link.Base, client.Options{Patience: f.patience, FirstPatience: f.firstPatience, Retrying: r.retrying}); err != nil {
		return err
	}
	if link.TransferID == "" { // else several may send to the one transfer, each its own
		unlock, err := r.state.lock("sends the same to this link")
		if err != nil {
			return err
		}
		defer unlock()
	}
	defer inv.collectOften()()
	return r.run(ctx, input)
}

// gcPercent lets the heap grow to so much more than what is in use. What is in use
// is a little for each file, so that many files shall not take twice that.
const gcPercent = 40

// collectOften sets gcPercent, unless the user chose, and returns what takes it
// back.
func (inv *invocation) collectOften() (undo func()) {
	if inv.getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(gcPercent)
	return func() { debug.SetGCPercent(before) }
}

const patienceHelp = "how long to try again while nothing moves; before the server's first answer 10s, unless this is given"

// patienceAsked is the --patience that was typed, 0 if none was: then an address
// on which nobody ever answers is soon given up.
func patienceAsked(cmd *cobra.Command) time.Duration {
	if d, err := cmd.Flags().GetDuration("patience"); err == nil && cmd.Flags().Changed("patience") {
		return d
	}
	return 0
}

// checkCrew holds --parallel and --patience to what is possible.
func checkCrew(parallel int, patience time.Duration) error {
	if parallel < 1 || parallel > 32 {
		return userError{fmt.Errorf("--parallel %d: 1 to 32 are possible", parallel)}
	}
	if patience <= 0 {
		return userError{fmt.Errorf("--patience %s: it has to be more than nothing, like 30s", patience)}
	}
	return nil
}

// parseLimit reads 20MB/s as bytes a second; empty is 0, no limit.
func parseLimit(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := config.ParseByteSize(strings.TrimSuffix(strings.TrimSpace(text), "/s"))
	if err == nil && n <= 0 {
		err = errors.New("it has to be more than nothing")
	}
	if err != nil {
		return 0, userError{fmt.Errorf("--limit %s: %w", text, err)}
	}
	return int64(n), nil
}

// checkInputName holds --name to what a path may be.
func checkInputName(name string) error {
	if name == "" {
		return userError{errors.New("--name is missing: say what the standard input is called there")}
	}
	if err := names.Check(name); err != nil {
		return userError{fmt.Errorf("--name: %w", err)}
	}
	return nil
}
