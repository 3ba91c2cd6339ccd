package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func newMigrate(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Change the schema of the database",
		Long: `Change the schema of the database, in numbered steps that this program holds.

In production run app migrate up before each release starts; app serve and app
worker refuse a database that is behind. What is about to run is printed first.
One migration at a time changes a database: on PostgreSQL the others wait, with
SQLite app serve has to be stopped.`,
		Example: "  app migrate up\n  app migrate version --json\n  app migrate down 1",
		Args:    cobra.ArbitraryArgs,
		RunE:    helpOrUnknown,
	}
	cmd.AddCommand(newMigrateUp(inv), newMigrateDown(inv), newMigrateGoto(inv), newMigrateForce(inv),
		newMigrateVersion(inv), newMigrateDrop(inv), newMigrateCreate(inv))
	return cmd
}

func newMigrateUp(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "up [N]",
		Short:   "Apply all migrations that are left, or the next N",
		Example: "  app migrate up\n  app migrate up 1",
		Args:    oneWordAtMost,
		RunE: func(cmd *cobra.Command, words []string) error {
			n := 0
			if len(words) == 1 {
				var err error
				if n, err = readSteps(words[0]); err != nil {
					return err
				}
			}
			return inv.migrate(cmd, func(ctx context.Context, s *schemaChange) error {
				steps, err := s.m.PlanUp(ctx, n)
				if err != nil {
					return err
				}
				return s.run(ctx, steps)
			})
		},
	}
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newMigrateDown(inv *invocation) *cobra.Command {
	var all, yes bool
	cmd := &cobra.Command{
		Use:   "down N | --all",
		Short: "Take back the last N migrations, or every one",
		Long: `Take back the last N migrations, or every one. What was stored in their tables
and columns is lost; it says in which, and how much that is. Stop the programs that
need them first.`,
		Example: "  app migrate down 1\n  app migrate down --all --yes",
		Args:    oneWordAtMost,
		RunE: func(cmd *cobra.Command, words []string) error {
			n := 0
			switch {
			case all == (len(words) == 1):
				return userError{errors.New("how many? app migrate down 1 takes back the last one, app migrate down --all every one")}
			case !all:
				var err error
				if n, err = readSteps(words[0]); err != nil {
					return err
				}
			}
			return inv.migrate(cmd, func(ctx context.Context, s *schemaChange) error {
				s.asks = all && !yes
				steps, err := s.m.PlanDown(ctx, n)
				if err != nil {
					return err
				}
				return s.run(ctx, steps)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every migration; asks first")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newMigrateGoto(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "goto V",
		Short: "Go up or down to version V",
		Long: `Go up or down to version V. On the way down what was stored in the tables and
columns that go is lost; it says in which, and how much that is.`,
		Example: "  app migrate goto 1",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			v, err := readVersion(words[0])
			if err != nil {
				return err
			}
			if v == 0 {
				return userError{errors.New("goto 0: to take back every migration say app migrate down --all")}
			}
			return inv.migrate(cmd, func(ctx context.Context, s *schemaChange) error {
				steps, err := s.m.PlanGoto(ctx, v)
				if err != nil {
					return err
				}
				return s.run(ctx, steps)
			})
		},
	}
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newMigrateForce(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "force V",
		Short: "Write down version V and run nothing",
		Long: `Write down version V and run nothing: the end of mending a database after a
migration stopped half-way. Until then every other command refuses it. 0 means
that no migration is applied.`,
		Example: "  app migrate force 1",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			v, err := readVersion(words[0])
			if err != nil {
				return err
			}
			return inv.migrate(cmd, func(ctx context.Context, s *schemaChange) error {
				fmt.Fprintf(inv.io.out, "Writing version %d into %s; nothing is run.\n", v, s.where)
				if err := s.m.Force(ctx, v); err != nil {
					return err
				}
				return s.report(ctx)
			})
		},
	}
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newMigrateDrop(inv *invocation) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "drop",
		Short: "Delete every table of the database, with all that is in them",
		Long: `Delete every table of the database, with all that is in them. The keys of all
stored files are among it: without a backup no file can be opened afterwards.`,
		Example: "  app migrate drop\n  app migrate drop --yes",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.migrate(cmd, func(ctx context.Context, s *schemaChange) error {
				s.asks = !yes
				lost, err := s.m.AllLosses(ctx)
				if err != nil {
					return err
				}
				fmt.Fprintf(inv.io.out, "Deleting every table of %s, and with them the keys of all stored files.\n", s.where)
				s.name(lost)
				if err := s.confirm(ctx); err != nil {
					return err
				}
				if err := s.m.Drop(ctx); err != nil {
					return err
				}
				_, err = fmt.Fprintln(inv.io.out, "Every table is deleted.")
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "f", false, "do not ask")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// schemaVersion is what `app migrate version --json` prints.
type schemaVersion struct {
	Version uint     `json:"version"` // 0: none is applied
	Latest  uint     `json:"latest"`  // that this program knows
	Dirty   bool     `json:"dirty"`
	Pending []string `json:"pending"` // what app migrate up would apply
}

func newMigrateVersion(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the schema",
		Example: "  app migrate version\n  app migrate version --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withSchema(cmd, func(ctx context.Context, s *schemaChange) error { return s.printVersion(ctx, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// oneWord wants exactly one word.
func oneWord(cmd *cobra.Command, words []string) error {
	return wrongWords(cmd, cobra.ExactArgs(1)(cmd, words))
}

// oneWordAtMost wants a word or none.
func oneWordAtMost(cmd *cobra.Command, words []string) error {
	return wrongWords(cmd, cobra.MaximumNArgs(1)(cmd, words))
}

func wrongWords(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return userError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
}

// readSteps reads a number of migrations.
func readSteps(word string) (int, error) {
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil || n < 1 {
		return 0, userError{fmt.Errorf("%q is not a number of migrations, at least 1", word)}
	}
	return int(n), nil
}

// readVersion reads a version; 0, and -1 as other tools write it, is none.
func readVersion(word string) (uint, error) {
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil || n < -1 {
		return 0, userError{fmt.Errorf("%q is not the version of a migration, such as 1", word)}
	}
	return uint(max(n, 0)), nil
}
