package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// ringOf keeps wire.go free of the format's package.
type ringOf = *seal.Ring

// openDatabase opens the chosen database and brings its schema up to date, or
// refuses one that is behind.
func (p *parts) openDatabase(ctx context.Context, r role) error {
	o := databaseOptions(p.cfg)
	o.Log, o.Observe = p.log, p.observe("database")
	d, err := db.Open(ctx, o)
	if err != nil {
		return wrongDatabase(ctx, p.cfg, err)
	}
	p.db = d
	p.onClose(d.Close)
	if p.cfg.IsProduction() {
		if err := d.CheckDurability(ctx); errors.Is(err, db.ErrNoFlush) {
			p.log.Warn("what was acknowledged may be lost when the database's machine loses power", "error", err)
		} else if err != nil {
			return wrongDatabase(ctx, p.cfg, err)
		}
	}
	if err := p.bringUp(ctx, r); errors.Is(err, db.ErrRefused) { // a login that may do less than it must
		return wrongDatabase(ctx, p.cfg, err)
	} else if err != nil {
		return err
	}
	return nil
}

// wrongDatabase is a database that cannot be used, as its operator knows it.
func wrongDatabase(ctx context.Context, cfg *config.Config, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, db.ErrLocked) { // the setting is right
		return userError{err}
	}
	return userError{fmt.Errorf("%s: %w", cfg.Database().Variable, err)}
}

// databaseOptions are those of the chosen database.
func databaseOptions(cfg *config.Config) db.Options {
	chosen := cfg.Database()
	return db.Options{
		URL: chosen.URL.Reveal(), Path: chosen.Path, PingBeforeUse: cfg.DB.PingBeforeUse,
		MaxConnLifetime: cfg.DB.MaxConnLifetime, AcquireTimeout: cfg.DB.AcquireTimeout,
		ConnectTimeout: cfg.DB.ConnectTimeout, ReadTimeout: cfg.DB.ReadTimeout, MaxConns: cfg.DB.MaxConns,
	}
}

// bringUp migrates if this process may, and refuses a schema that is behind.
func (p *parts) bringUp(ctx context.Context, r role) error {
	if p.cfg.DB.AutoMigrate {
		done, err := p.whileAlone(r, func() error { return p.db.Migrate(ctx) })
		if err != nil || done {
			return schemaError(err)
		}
	}
	if err := p.db.CheckClean(ctx); err != nil {
		return schemaError(err)
	}
	s, err := p.db.Schema(ctx)
	if err != nil {
		return err
	}
	if s.Version < s.Latest {
		return userError{fmt.Errorf("the database is at version %d and this program needs %d: run app migrate up", s.Version, s.Latest)}
	}
	return nil
}

// schemaError gives what somebody has to mend to the user.
func schemaError(err error) error {
	if errors.Is(err, db.ErrDirty) || errors.Is(err, db.ErrLocked) || errors.Is(err, db.ErrNoMigration) {
		return userError{err}
	}
	return err
}

// whileAlone runs step if no other process serves on the same SQLite database:
// a serve has migrated and made keys already. On PostgreSQL step locks for
// itself. done tells whether step ran.
func (p *parts) whileAlone(r role, step func() error) (done bool, err error) {
	if r.serves || !p.usesSQLite() {
		return true, step()
	}
	lock, ok, err := db.TryLockServe(p.cfg.Data.Dir)
	if err != nil || !ok {
		return false, err
	}
	err = step()
	return true, errors.Join(err, lock.Unlock())
}

// openKeys reads the master keys and proves that they open what the database
// holds. Only a database without any key may have its first one made.
func (p *parts) openKeys(ctx context.Context, r role) error {
	m, err := openMasterKeys(p.cfg)
	if r.anyKeys && (err == nil || errors.Is(err, errNoMasterKeys)) {
		p.keys = m
		return nil
	}
	if errors.Is(err, errNoMasterKeys) {
		if err := p.makeKeys(ctx, m, r); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	p.keys = m
	if err := p.accounts.VerifyKeys(ctx); err != nil {
		if errors.Is(err, account.ErrKeyUnavailable) {
			return userError{fmt.Errorf("%s: these master keys do not open this database's keys: %w", p.keysName(), err)}
		}
		return err
	}
	return nil
}

// keysName is how the user knows where the keys come from.
func (p *parts) keysName() string {
	if name := givenKeys(p.cfg); name != "" {
		return name
	}
	return p.keys.path
}

func (p *parts) makeKeys(ctx context.Context, m *masterKeys, r role) error {
	used, err := p.accounts.HasKeys(ctx)
	if err != nil {
		return err
	}
	if used {
		return userError{fmt.Errorf("%s is missing, and without it no stored file can be opened: put it back from your copy", m.path)}
	}
	if p.cfg.IsProduction() {
		return userError{errors.New(p.cfg.NameOf("master_keys") + " is not set: make a key with app keys generate and keep a copy elsewhere")}
	}
	done, err := p.whileAlone(r, m.make)
	if err != nil {
		return err
	}
	if !done { // a running serve is about to, or lost it
		return fmt.Errorf("%s: %w", m.path, errNoMasterKeys)
	}
	p.log.Warn("made "+m.path+": LOSING THIS FILE LOSES EVERY FILE THAT IS SENT. Keep a copy where this machine is not.", "file", m.path)
	return nil
}

// firstStudio is what a first start makes, so that there is something to try.
type firstStudio struct {
	account account.Account
	link    transfer.Link
	token   string // API token; empty when the studio was there already
}

// ensureStudio finds the first account and its newest link, and makes what there
// is not yet: account, link and token. A start that was cut short is made up for
// by the next.
func (p *parts) ensureStudio(ctx context.Context) (firstStudio, error) {
	var f firstStudio
	accounts, _, err := p.accounts.List(ctx, account.Page{Limit: 1000})
	if err != nil {
		return f, err
	}
	if len(accounts) > 0 {
		f.account = accounts[len(accounts)-1]
	} else if f.account, err = p.accounts.Create(ctx, p.firstAccount()); err != nil {
		return f, fmt.Errorf("make the first account: %w", err)
	}
	begun, err := p.transfers.HasLinks(ctx, f.account.ID)
	if err != nil {
		return f, err
	}
	if begun {
		links, _, err := p.transfers.Links(ctx, f.account.ID, transfer.Page{Limit: 1})
		if err == nil && len(links) > 0 {
			f.link = links[0]
		}
		return f, err
	}
	if _, f.token, err = p.accounts.ReplaceToken(ctx, f.account.ID, "first start", account.Origin{}); err != nil {
		return f, fmt.Errorf("make the first token: %w", err)
	}
	// The link comes last: with it the first start is done.
	if f.link, err = p.transfers.CreateLink(ctx, f.account.ID, transfer.LinkFields{}, transfer.Client{}); err != nil {
		return f, fmt.Errorf("make the first link: %w", err)
	}
	return f, nil
}

func (p *parts) firstAccount() account.NewAccount {
	email := p.cfg.Mail.AdminEmail
	if email == "" {
		email = "studio@example.com"
	}
	return account.NewAccount{Email: email, Name: "My studio"}
}

// startTimeout bounds what happens before a server listens.
const startTimeout = 2 * time.Minute

// needsOfServer are what production cannot do without.
func needsOfServer() []config.Need {
	return []config.Need{config.NeedMasterKey, config.NeedDatabase, config.NeedBucket}
}
