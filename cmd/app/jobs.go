package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// maxListed bounds what `app jobs list` reads of each sort.
const maxListed = 1_000_000

// jobsFlags are the words of the commands under `app jobs`.
type jobsFlags struct {
	limit     int
	json, yes bool
}

func newJobs(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use: "jobs", Short: "See and mend work that waits",
		Example: "  app jobs list\n  app jobs retry mail/0193b5a0-0000-7000-8000-000000000001",
		Args:    cobra.ArbitraryArgs, RunE: helpOrUnknown,
	}
	cmd.AddCommand(newJobsList(inv), newJobsRetry(inv), newJobsDelete(inv))
	return cmd
}

func newJobsList(inv *invocation) *cobra.Command {
	var f jobsFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List work that waits: files, purges, mail, and hints that were given up",
		Long: `List work that waits: files whose object is not made yet, deleted files and
transfers that are not purged yet, mail that was not sent, and with Redis the
hints that were given up.

Work is rows in the database; a hint only makes it sooner. A hint that was given
up is a reason to look, and the row it names waits all the same.

Of each sort the first --limit are listed: of rows those that are due first, of
hints those that were given up last. Where there are more it says "and more".`,
		Example: "  app jobs list\n  app jobs list --json | jq '.[] | select(.state == \"failed\")'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 1 || f.limit > maxListed {
				return userError{fmt.Errorf("--limit %d: 1 to %d", f.limit, maxListed)}
			}
			return inv.withBacklog(cmd, func(ctx context.Context, w *backlog) error { return w.list(ctx, inv.io.out, inv.io.err, f) })
		},
	}
	cmd.Flags().IntVar(&f.limit, "limit", 200, "how many of each sort to list")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newJobsRetry(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "retry ID…",
		Short:   "Make work due at once, with all its tries before it",
		Example: "  app jobs retry mail/0193b5a0-0000-7000-8000-000000000001",
		Args:    someIDs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			return inv.withBacklog(cmd, func(ctx context.Context, w *backlog) error { return w.each(ctx, inv.io.out, ids, w.retry) })
		},
	}
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newJobsDelete(inv *invocation) *cobra.Command {
	var f jobsFlags
	cmd := &cobra.Command{
		Use:   "delete ID…",
		Short: "Forget mail that was not sent, or hints that were given up",
		Long: `Forget mail that was not sent, or hints that were given up. The work of a file
or transfer cannot be forgotten: delete the transfer, and it is purged.`,
		Example: "  app jobs delete mail/0193b5a0-0000-7000-8000-000000000001\n  app jobs delete --yes default/7be1c8f4-41c5-4d2c-9a52-0d6d4d1c9a11",
		Args:    someIDs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if !f.yes {
				if err := inv.confirm(cmd.Context(), fmt.Sprintf("Forget %s for good?", strings.Join(ids, ", ")), "nothing was deleted"); err != nil {
					return err
				}
			}
			return inv.withBacklog(cmd, func(ctx context.Context, w *backlog) error { return w.each(ctx, inv.io.out, ids, w.delete) })
		},
	}
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// someIDs wants at least one ID.
func someIDs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return userError{fmt.Errorf("which one? app jobs list shows the IDs (see %s --help)", cmd.CommandPath())}
	}
	return nil
}
