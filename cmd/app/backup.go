package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
)

// backupFlags are the words of `app backup` and `app restore`.
type backupFlags struct{ json, yes bool }

// backedUp is what both print with --json.
type backedUp struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Version uint   `json:"schema_version"`
}

func newBackup(inv *invocation) *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the SQLite database into a file, also while app serve runs",
		Long: `Copy the SQLite database into a file, as it is at one moment, also while app
serve runs. The copy is read through and checked before it gets its name.

It is one of three things to keep. Copy in this order:

  1. app backup FILE: the database.
  2. data/blobs, after it and without deleting, such as: rsync -a data/blobs/ …
     A stored file never changes, so that later runs copy what is new.
  3. data/master.keys, once, and apart from the others: it opens them. The
     backup never holds it.

With PostgreSQL use pg_dump; docs/operations.md has the steps.`,
		Example: "  app backup /backup/lenzeye.db\n  app backup --yes /backup/lenzeye.db --json",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			cfg, err := inv.settings(cmd)
			if err != nil {
				return err
			}
			if err := onlySQLite(cfg, "backup", "pg_dump --format=custom"); err != nil {
				return err
			}
			return inv.backup(cmd.Context(), cfg, words[0], f)
		},
	}
	return f.add(cmd, "replace a file that is there")
}

func (f *backupFlags) add(cmd *cobra.Command, yes string) *cobra.Command {
	cmd.Flags().BoolVar(&f.yes, "yes", false, yes)
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func onlySQLite(cfg *config.Config, command, instead string) error {
	if chosen := cfg.Database(); chosen.Engine != config.SQLite {
		return userError{fmt.Errorf("%s is set, and app %s is for SQLite: with PostgreSQL use %s", chosen.Variable, command, instead)}
	}
	return nil
}

func (inv *invocation) backup(ctx context.Context, cfg *config.Config, file string, f backupFlags) (err error) {
	source := cfg.Database().Path
	if _, err := os.Stat(source); err != nil {
		return userError{fmt.Errorf("there is no database to back up: %w (see --data.dir)", err)}
	}
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return userError{fmt.Errorf("%s is a folder: name a file in it, such as %s", file, filepath.Join(file, "lenzeye.db"))}
	case err == nil && isSameFile(source, info):
		return userError{fmt.Errorf("%s is the database itself: name another file", file)}
	case err == nil && !isDatabase(file, info):
		return userError{fmt.Errorf("%s is there already, and is no backup: name another file", file)}
	case err == nil && !f.yes:
		return userError{fmt.Errorf("%s is there already: say --yes to replace it", file)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return userError{err}
	}
	o := databaseOptions(cfg)
	o.Log = newLogger(inv.io.err, cfg.Log)
	d, err := db.Open(ctx, o)
	if err != nil {
		return wrongDatabase(ctx, cfg, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.CheckClean(ctx); err != nil {
		return schemaError(err)
	}
	made, err := d.Backup(ctx, file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return userError{err}
	}
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(inv.io.out).Encode(backedUp{file, made.Bytes, made.Version})
	}
	_, err = fmt.Fprintf(inv.io.out, "The database is in %s, %s, checked. Now copy %s, and keep the master keys apart.\n",
		file, bytesText(made.Bytes), filepath.Join(cfg.Data.Dir, "blobs"))
	return err
}

// isDatabase tells whether a file may be replaced by a backup: it is one, whole or
// not, or empty and no lock. Anything else, such as master.keys, was named by
// mistake.
func isDatabase(path string, info os.FileInfo) bool {
	if info.Size() == 0 {
		return info.Mode().IsRegular() && filepath.Ext(path) != ".lock"
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	const magic = "SQLite format 3\x00"
	begin := make([]byte, len(magic))
	_, err = io.ReadFull(f, begin)
	return err == nil && string(begin) == magic
}

func isSameFile(path string, info os.FileInfo) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(other, info)
}

func newRestore(inv *invocation) *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup of the SQLite database in its place",
		Long: `Put a backup of the SQLite database in its place, after it was read through and
checked: its pages, the version of its schema, and whether the master keys here
open it. app serve must be stopped, and no other command may be at work on the
database: it is refused beside one, and one beside it.

Put data/blobs and data/master.keys back first, from the same time or later. What
came after the backup is lost. Stored files that the backup does not know are
reported by app reconcile, and deleted by a running server when they are older
than sweep.grace and it has looked twice, an hour apart.`,
		Example: "  app restore /backup/lenzeye.db\n  app restore --yes --data.dir /var/lib/lenzeye /backup/lenzeye.db",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			cfg, err := inv.settings(cmd)
			if err != nil {
				return err
			}
			if err := onlySQLite(cfg, "restore", "pg_restore"); err != nil {
				return err
			}
			return inv.restore(cmd.Context(), cfg, words[0], f)
		},
	}
	return f.add(cmd, "replace the database that is there without asking")
}

func (inv *invocation) restore(ctx context.Context, cfg *config.Config, file string, f backupFlags) (err error) {
	info, err := db.InspectBackup(ctx, file)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return userError{err}
	}
	if log, err := os.Stat(file + "-wal"); err == nil && log.Size() > 0 {
		return userError{fmt.Errorf("beside %s lies a log of changes that it lacks: it was copied by hand from a running server; use one that app backup made", file)}
	}
	path := cfg.Database().Path
	lock, err := db.LockServe(ctx, cfg.Data.Dir)
	if err != nil {
		return schemaError(err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if old, err := os.Stat(path); err == nil {
		if isSameFile(file, old) {
			return userError{fmt.Errorf("%s is the database itself: name a backup", file)}
		}
		question := fmt.Sprintf("%s, %s, last changed %s, is lost. Put the backup in its place?",
			path, bytesText(old.Size()), old.ModTime().Format("2006-01-02 15:04"))
		if !f.yes {
			if err := inv.confirm(ctx, question, "nothing was changed"); err != nil {
				return err
			}
		}
	}
	alone, err := db.LockAlone(path)
	if err != nil {
		return schemaError(err)
	}
	defer func() { err = errors.Join(err, alone.Unlock()) }()
	staged, err := db.StageBackup(ctx, file, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.DropStaged(staged)) }()
	if err := inv.prepareStaged(ctx, cfg, staged); err != nil {
		return err
	}
	if err := db.Restore(ctx, staged, path); err != nil {
		return schemaError(err)
	}
	if f.json {
		return json.NewEncoder(inv.io.out).Encode(backedUp{path, info.Bytes, info.Version})
	}
	_, err = fmt.Fprintf(inv.io.out, "%s is the backup now. Start app serve, and look with app reconcile whether every stored file is there.\n", path)
	return err
}

// prepareStaged holds the copy to this program and to the master keys here, and
// lets the sweep begin anew with looking only.
func (inv *invocation) prepareStaged(ctx context.Context, cfg *config.Config, staged string) (err error) {
	p := &parts{cfg: cfg, log: newLogger(inv.io.err, cfg.Log), metrics: newMetrics()}
	o := databaseOptions(cfg)
	o.Path, o.Log = staged, p.log
	if p.db, err = db.Open(ctx, o); err != nil {
		return err
	}
	p.onClose(p.db.Close)
	defer func() { err = errors.Join(err, p.close()) }()
	s, err := p.db.Schema(ctx)
	if err != nil {
		return err
	}
	if s.Version > s.Latest {
		return userError{fmt.Errorf("the backup has a schema of version %d, and this program knows up to %d: restore it with the program that made it, or a later one", s.Version, s.Latest)}
	}
	if err := p.openBlobs(role{}); err != nil {
		return err
	}
	if err := p.openServices(role{listens: cfg.ListenAddr()}); err != nil {
		return err
	}
	if err := p.transfers.LookOnly(ctx); err != nil {
		return err
	}
	return p.openBackupKeys(ctx)
}

// openBackupKeys refuses master keys that do not open the backup. Without any
// there is nothing to compare: serve refuses to start without them.
func (p *parts) openBackupKeys(ctx context.Context) error {
	m, err := openMasterKeys(p.cfg)
	if errors.Is(err, errNoMasterKeys) {
		p.log.Warn("there are no master keys here: put them back before app serve starts", "file", m.path)
		return nil
	}
	if err != nil {
		return err
	}
	p.keys = m
	if err := p.accounts.VerifyKeys(ctx); errors.Is(err, account.ErrKeyUnavailable) {
		return userError{fmt.Errorf("%s: these master keys do not open the backup, put back those of its time: %w", p.keysName(), err)}
	} else if err != nil {
		return err
	}
	return nil
}
