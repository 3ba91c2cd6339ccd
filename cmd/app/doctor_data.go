package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
)

// slowDatabase is a latency at which every page and part is felt to wait.
const slowDatabase = 20 * time.Millisecond

// database checks login, version, schema, durability and latency.
func (d *doctor) database(ctx context.Context) {
	chosen := d.cfg.Database()
	if chosen.Engine == config.SQLite {
		if _, err := os.Stat(chosen.Path); errors.Is(err, os.ErrNotExist) {
			if err := canMake(filepath.Dir(chosen.Path)); err != nil {
				d.wrong("database", fmt.Sprintf("%s: %s cannot be made: %v", chosen.Variable, chosen.Path, err), "look at "+chosen.Variable+" and at who may write there")
			} else {
				d.ok("database", chosen.Path+" is made by the first app serve")
			}
			return
		}
	}
	opened, err := db.Open(ctx, databaseOptions(d.cfg))
	if err != nil {
		d.lost = true
		d.wrong("database", fmt.Sprintf("%s: %v", chosen.Variable, err), "look at "+chosen.Variable+", and whether the server runs and lets this machine in")
		return
	}
	d.parts.db = opened
	d.parts.onClose(opened.Close)
	server, err := opened.Ask(ctx)
	if err != nil {
		d.fail("database", err.Error(), "look at the database's own log")
		return
	}
	detail := fmt.Sprintf("%s %s, answers in %s", chosen.Engine, server.Version, server.Latency.Round(10*time.Microsecond))
	if server.Latency > slowDatabase {
		d.warn("database", detail, "run it in the same region as this program")
	} else {
		d.ok("database", detail)
	}
	d.schema(ctx)
	if err := opened.CheckDurability(ctx); errors.Is(err, db.ErrNoFlush) {
		d.warn("durability", err.Error(), "set it to on: what was acknowledged must outlive a loss of power")
	} else if err != nil {
		d.wrong("durability", err.Error(), "set it to on: what was acknowledged must outlive a crash")
	} else {
		d.ok("durability", "commits are on disk before they are acknowledged")
	}
}

// canMake tries whether a folder can be made, or written to, and leaves nothing.
func canMake(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	_, err = os.Stat(folder)
	for errors.Is(err, os.ErrNotExist) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		_, err = os.Stat(folder)
	}
	if err != nil {
		return err
	}
	made, err := os.MkdirTemp(folder, ".lenzeye-*")
	if err != nil {
		return err
	}
	return os.Remove(made)
}

func (d *doctor) schema(ctx context.Context) {
	s, err := d.parts.db.Schema(ctx)
	switch dirty := d.parts.db.CheckClean(ctx); {
	case err != nil:
		d.fail("schema", err.Error(), "look whether the login may read every table")
	case dirty != nil:
		d.wrong("schema", dirty.Error(), "see docs/operations.md, Migrations")
	case s.Version < s.Latest:
		d.wrong("schema", fmt.Sprintf("version %d, and this program needs %d", s.Version, s.Latest), "app migrate up")
	case s.Version > s.Latest:
		d.ok("schema", fmt.Sprintf("version %d, of a later program than this", s.Version))
	default:
		d.ok("schema", fmt.Sprintf("version %d", s.Version))
	}
}

// keys opens every key of the database.
func (d *doctor) keys(ctx context.Context) {
	const lost = "put the right master keys back from your copy: nothing else opens the files"
	m, err := openMasterKeys(d.cfg)
	d.parts.keys = m
	missing := errors.Is(err, errNoMasterKeys)
	switch {
	case err != nil && !missing:
		d.wrong("master keys", err.Error(), lost)
		return
	case d.lost && missing:
		d.wrong("master keys", d.parts.keysName()+" is missing, and without the database nobody knows whether anything was sealed under it",
			"mend the database first; if files were sent, put the right master keys back from your copy")
		return
	case d.parts.db == nil && missing:
		d.ok("master keys", d.parts.keysName()+" is made by the first app serve")
		return
	case d.parts.db == nil:
		d.warn("master keys", "they can be read, and without a database not be tried", "")
		return
	}
	accounts := account.New(account.Options{DB: d.parts.db, Ring: d.parts.ring})
	used, err := accounts.HasKeys(ctx)
	if err != nil {
		d.fail("master keys", err.Error(), "app migrate up, if the schema is behind")
		return
	}
	if missing {
		if used {
			d.wrong("master keys", d.parts.keysName()+" is missing, and the database holds keys that it sealed", lost)
		} else {
			d.ok("master keys", d.parts.keysName()+" is made by the first app serve")
		}
		return
	}
	d.tryKeys(ctx, accounts, lost)
}

func (d *doctor) tryKeys(ctx context.Context, accounts *account.Service, todo string) {
	uses, err := accounts.MasterUses(ctx)
	if err != nil {
		d.fail("master keys", err.Error(), todo)
		return
	}
	var keys, old int64
	for _, u := range uses {
		keys += u.Keys
		if u.Failed > 0 {
			d.wrong("master keys", fmt.Sprintf("%s: %d of %d keys under version %d do not open: %v", d.parts.keysName(), u.Failed, u.Keys, u.Version, u.Reason), todo)
			return
		}
		if !u.Seals {
			old += u.Keys
		}
	}
	if old > 0 {
		d.warn("master keys", fmt.Sprintf("all %d keys open, %d of them lie under an old version", keys, old), "app keys rotate master, then app keys status")
		return
	}
	d.ok("master keys", fmt.Sprintf("all %d keys open", keys))
}
