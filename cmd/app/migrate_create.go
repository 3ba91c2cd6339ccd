package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"
)

func newMigrateCreate(inv *invocation) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Begin a migration: make its two files in a checkout of the source",
		Long: `Begin a migration: make its two files in a checkout of the source, with the next
number. The program holds them once it is built again.

Write what works on PostgreSQL and on SQLite (docs/architecture.md), and only add
to the schema: the release before this one goes on using it for a while.`,
		Example: "  app migrate create link_colours",
		Args:    oneWord,
		RunE: func(_ *cobra.Command, words []string) error {
			made, err := createMigration(dir, words[0])
			if err != nil {
				return userError{err}
			}
			for _, path := range made {
				fmt.Fprintln(inv.io.out, path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "migrations", "folder of the migrations")
	return cmd
}

var (
	migrationName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	migrationFile = regexp.MustCompile(`^([0-9]+)_.*\.(?:up|down)\.sql$`)
)

// createMigration makes the pair after the last one in dir, or none.
func createMigration(dir, name string) (made []string, err error) {
	if !migrationName.MatchString(name) {
		return nil, fmt.Errorf("%q is not the name of a migration: lower-case letters, digits and _, such as link_colours", name)
	}
	last, err := lastMigration(dir)
	if err != nil {
		return nil, err
	}
	stem := fmt.Sprintf("%06d_%s", last+1, name)
	for _, f := range []struct{ way, text string }{
		{"up", "-- %s: one text for PostgreSQL and SQLite, which only adds to the schema.\n"},
		{"down", "-- %s: takes back all that the up file does, in reverse order.\n"},
	} {
		path := filepath.Join(dir, stem+"."+f.way+".sql")
		if err := writeNew(path, fmt.Sprintf(f.text, stem)); err != nil {
			for _, half := range made {
				err = errors.Join(err, os.Remove(half))
			}
			return nil, err
		}
		made = append(made, path)
	}
	return made, nil
}

// lastMigration gives the highest number in dir.
func lastMigration(dir string) (last uint64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("there is no folder %s: run this in a checkout of the source, or name the folder with --dir", dir)
	}
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	for _, e := range entries {
		if m := migrationFile.FindStringSubmatch(e.Name()); m != nil {
			n, err := strconv.ParseUint(m[1], 10, 32)
			if err != nil {
				return 0, fmt.Errorf("read migrations: %s: %w", e.Name(), err)
			}
			last = max(last, n)
		}
	}
	return last, nil
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("make migration: %w", err)
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("make migration: %w", err), f.Close(), os.Remove(path))
	}
	return f.Close()
}
