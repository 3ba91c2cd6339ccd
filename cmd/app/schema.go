package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
)

// schemaChange is one command under `app migrate` at work.
type schemaChange struct {
	inv   *invocation
	db    *db.DB
	m     *db.Migrator // nil while nothing may change
	where string       // the database, as its operator knows it
	asks  bool         // before anything changes
}

// withSchema opens the database as it is.
func (inv *invocation) withSchema(cmd *cobra.Command, do func(context.Context, *schemaChange) error) error {
	cfg, err := inv.settings(cmd, config.NeedDatabase)
	if err != nil {
		return err
	}
	return inv.openSchema(cmd.Context(), cfg, do)
}

func (inv *invocation) openSchema(ctx context.Context, cfg *config.Config, do func(context.Context, *schemaChange) error) (err error) {
	chosen := cfg.Database()
	o := databaseOptions(cfg)
	o.Log = newLogger(inv.io.err, cfg.Log)
	d, err := db.Open(ctx, o)
	if err != nil {
		return wrongDatabase(ctx, cfg, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	s := &schemaChange{inv: inv, db: d, where: "the PostgreSQL database of " + chosen.Variable}
	if chosen.Engine == config.SQLite {
		s.where = "the SQLite database " + chosen.Path
	}
	return schemaError(do(ctx, s))
}

// migrate is withSchema with the locks that a change needs: with SQLite that of
// the one process that serves, and on both engines that of the migrations.
func (inv *invocation) migrate(cmd *cobra.Command, do func(context.Context, *schemaChange) error) (err error) {
	cfg, err := inv.settings(cmd, config.NeedDatabase)
	if err != nil {
		return err
	}
	if cfg.Database().Engine == config.SQLite {
		lock, err := db.LockServe(cmd.Context(), cfg.Data.Dir)
		if err != nil {
			return schemaError(err)
		}
		defer func() { err = errors.Join(err, lock.Unlock()) }()
	}
	return inv.openSchema(cmd.Context(), cfg, func(ctx context.Context, s *schemaChange) (err error) {
		if s.m, err = s.db.Migrator(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.m.Close()) }()
		return do(ctx, s)
	})
}

// run says what will run, asks where it must, runs it and says where that led.
func (s *schemaChange) run(ctx context.Context, steps []db.Step) error {
	out := s.inv.io.out
	if len(steps) == 0 {
		_, err := fmt.Fprintln(out, "no change")
		return err
	}
	now, err := s.db.Schema(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Running on %s, which is at version %d:\n", s.where, now.Version)
	for _, step := range steps {
		fmt.Fprintf(out, "  %s\n", step)
	}
	lost, err := s.m.Losses(ctx, steps)
	if err != nil {
		return err
	}
	s.name(lost)
	if err := s.confirm(ctx); err != nil {
		return err
	}
	if err := s.m.Run(ctx, steps); err != nil {
		return s.explain(ctx, err)
	}
	return s.report(ctx)
}

// explain says where a failure left the database.
func (s *schemaChange) explain(ctx context.Context, err error) error {
	ctx = context.WithoutCancel(ctx) // which may be what stopped it
	dirty := s.db.CheckClean(ctx)
	if errors.Is(dirty, db.ErrDirty) {
		return fmt.Errorf("%w\n%v", err, dirty) // its kind would make this failure the caller's
	}
	return errors.Join(err, dirty, s.report(ctx))
}

func (s *schemaChange) report(ctx context.Context) error {
	now, err := s.db.Schema(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.inv.io.out, "The database is at version %d.\n", now.Version)
	return err
}

// confirm asks where something of weight goes.
func (s *schemaChange) confirm(ctx context.Context) error {
	if !s.asks {
		return nil
	}
	return s.inv.confirm(ctx, "What is stored there is lost. Are you sure?", "nothing was changed")
}

// name says what goes with all that is in it.
func (s *schemaChange) name(lost []db.Loss) {
	if len(lost) == 0 {
		return
	}
	fmt.Fprintln(s.inv.io.out, "With it goes, for good:")
	for _, l := range lost {
		fmt.Fprintf(s.inv.io.out, "  %s\n", l)
	}
}

// printVersion prints a number for scripts, and to people what it means.
func (s *schemaChange) printVersion(ctx context.Context, asJSON bool) error {
	now, err := s.db.Schema(ctx)
	if err != nil {
		return err
	}
	all, err := s.db.Migrations()
	if err != nil {
		return err
	}
	v := schemaVersion{Version: now.Version, Latest: now.Latest, Dirty: now.Dirty, Pending: []string{}}
	for _, m := range all {
		if m.Version > now.Version {
			v.Pending = append(v.Pending, m.String())
		}
	}
	if asJSON {
		return json.NewEncoder(s.inv.io.out).Encode(v)
	}
	switch dirty := s.db.CheckClean(ctx); {
	case now.Dirty && dirty != nil:
		fmt.Fprintln(s.inv.io.err, dirty)
		_, err = fmt.Fprintf(s.inv.io.out, "%d (dirty)\n", v.Version)
		return err
	case v.Version > v.Latest:
		fmt.Fprintf(s.inv.io.err, "The database is ahead: this program knows migrations up to %d.\n", v.Latest)
	case len(v.Pending) > 0:
		fmt.Fprintf(s.inv.io.err, "To apply with app migrate up: %s\n", strings.Join(v.Pending, ", "))
	}
	_, err = fmt.Fprintln(s.inv.io.out, v.Version)
	return err
}
