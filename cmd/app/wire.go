package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// role is what a command wants of the parts that it opens.
type role struct {
	serves  bool          // holds the serve lock for life
	hints   bool          // gives hints to the queue
	works   bool          // runs jobs and chores
	listens string        // the address of the listener
	stores  bool          // a command that reads or changes what is stored
	memory  int64         // of the container, in bytes; 0: no limit
	anyKeys bool          // works with the master keys that there are, none too; it tells itself what they do not open
	needs   []config.Need // beside those of the server
}

// isServer tells a process that runs on from a command.
func (r role) isServer() bool { return r.serves || r.works }

// parts are the opened parts of the program. This file is the one place where
// database, blob store, queue and mail driver are chosen.
type parts struct {
	cfg       *config.Config
	log       *slog.Logger
	metrics   *metrics
	traces    *traces
	db        *db.DB
	blobs     *blob.Store
	keys      *masterKeys
	catalog   *catalog.Catalog
	accounts  *account.Service
	mail      *mail.Outbox
	signIn    *account.SignIn
	queue     *jobs.Queue
	transfers *transfer.Service

	closers []func() error // in the order of opening
}

// open opens everything a role needs, or gives back what it had opened.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger, r role) (p *parts, err error) {
	p = &parts{cfg: cfg, log: log, metrics: newMetrics()}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
			p = nil
		}
	}()
	if err := p.openTraces(ctx, r); err != nil { // first, so that it is closed last
		return p, err
	}
	if err := p.openFolder(ctx, r); err != nil {
		return p, err
	}
	if err := p.openDatabase(ctx, r); err != nil {
		return p, err
	}
	if err := p.openBlobs(r); err != nil {
		return p, err
	}
	p.metrics.watchStore(ctx, p.blobs)
	if err := p.openServices(r); err != nil {
		return p, err
	}
	if err := p.checkStores(ctx, r); err != nil { // before anything is made
		return p, err
	}
	if err := p.openKeys(ctx, r); err != nil {
		return p, err
	}
	if r.serves && p.usesSQLite() { // the serve lock says that no other process works
		return p, p.transfers.TakeOver(ctx)
	}
	return p, nil
}

// close gives back in reverse order.
func (p *parts) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

func (p *parts) onClose(f func() error) { p.closers = append(p.closers, f) }

// usesFolder tells whether anything is kept in the data directory. In production
// with a database and a bucket nothing is, and it may be read-only.
func (p *parts) usesFolder() bool {
	return p.usesSQLite() || !p.cfg.UsesBucket() || p.cfg.MailDriver() == config.MailFile || !p.hasGivenKeys()
}

func (p *parts) usesSQLite() bool { return p.cfg.Database().Engine == config.SQLite }

func (p *parts) hasGivenKeys() bool { return givenKeys(p.cfg) != "" }

// openFolder makes the data directory and takes the serve lock where one
// process at a time is a condition.
func (p *parts) openFolder(ctx context.Context, r role) error {
	if !p.usesFolder() {
		return nil
	}
	if err := os.MkdirAll(p.cfg.Data.Dir, 0o700); err != nil {
		return userError{fmt.Errorf("%s: make the folder: %w", p.cfg.NameOf("data.dir"), err)}
	}
	if !r.serves || !p.usesSQLite() {
		return nil
	}
	lock, err := db.LockServe(ctx, p.cfg.Data.Dir)
	if errors.Is(err, db.ErrLocked) {
		return userError{err}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", p.cfg.Data.Dir, err)
	}
	p.onClose(lock.Unlock)
	return nil
}

// openBlobs opens the bucket if one is named, else a folder of data.dir. A
// bucket is not asked here: /readyz tells whether it answers.
func (p *parts) openBlobs(r role) (err error) {
	if p.cfg.UsesBucket() {
		o := bucketOptions(p.cfg, r.memory)
		o.Observe, o.Log = p.observe("blob"), p.log
		p.blobs, err = blob.OpenS3(o)
	} else {
		p.blobs, err = blob.OpenDir(blob.DirOptions{
			Root: filepath.Join(p.cfg.Data.Dir, "blobs"), MinFree: int64(p.cfg.Storage.MinFree),
			Observe: p.observe("blob"), Log: p.log,
		})
	}
	if err != nil {
		return userError{fmt.Errorf("open the blob store: %w", err)}
	}
	p.onClose(p.blobs.Close)
	return nil
}

// bucketOptions are those of the chosen bucket, in a container with so many bytes
// of memory.
func bucketOptions(cfg *config.Config, memory int64) blob.S3Options {
	c := cfg.S3
	return blob.S3Options{
		Bucket: c.Bucket, Endpoint: cfg.S3Endpoint(), Region: c.Region,
		AccessKey: c.AccessKey.Reveal(), SecretKey: c.SecretKey.Reveal(), VirtualHost: !c.PathStyle,
		PoolSize: c.Pool, MaxStreams: cfg.MaxStreams(memory), Attempts: c.Attempts,
		ConnectTimeout: c.ConnectTimeout, ReadTimeout: c.ReadTimeout,
	}
}

// openServices joins the services. Queue and transfers know each other, so the
// queue is given as a function that works once it is open.
func (p *parts) openServices(r role) (err error) {
	if p.catalog, err = catalog.Load(); err != nil {
		return fmt.Errorf("load messages: %w", err)
	}
	p.keys = &masterKeys{}
	o := accountOptions(p.cfg)
	o.DB, o.Ring, o.Log = p.db, p.ring, p.log
	p.accounts = account.New(o)
	if err := p.openMail(); err != nil {
		return err
	}
	var hint func(context.Context, jobs.Hint) error
	if r.hints || r.works {
		hint = p.hint
	}
	p.transfers = transfer.New(transfer.Options{
		DB: p.db, Blobs: p.blobs, Accounts: p.accounts, Mail: p.mail, Hint: hint, Log: p.log,
		Settings: transferSettings(p.cfg, r.listens),
		Observe:  p.metrics.upkeep(),
	})
	p.openSignIn(r)
	if !r.hints && !r.works {
		return nil
	}
	return p.openQueue(r)
}

func accountOptions(cfg *config.Config) account.Options {
	o := account.Options{KeepEvents: cfg.Retention.Events}
	if q := int64(cfg.Account.Quota); q > 0 {
		o.Quota = &q
	}
	return o
}

// transferSettings are the times and bounds of transfers, with links that begin
// at the configured address or else at the listener's.
func transferSettings(cfg *config.Config, listens string) transfer.Settings {
	kept := cfg.Retention
	return transfer.Settings{
		Unfinished: kept.Unfinished, Complete: kept.Complete, Undo: atOnce(kept.Undo), WarnBefore: kept.WarnBefore,
		MaxAge: cfg.Transfer.MaxAge, Grace: atOnce(cfg.Sweep.Grace), MaxFiles: int64(cfg.Limits.MaxFiles),
		PublicURL: cfg.PublicURL(listens), OperatorEmail: cfg.Mail.AdminEmail,
		ScrubBytes: int64(cfg.Scrub.BytesPerDay), ScrubAgain: cfg.Scrub.AgainAfter,
	}
}

func (p *parts) openSignIn(r role) {
	o := account.SignInOptions{Accounts: p.accounts, Mail: p.mail, PublicURL: p.cfg.PublicURL(r.listens)}
	if r.hints || r.works {
		o.Hint = func(ctx context.Context, kind, id string) error { return p.hint(ctx, jobs.Hint{Kind: kind, ID: id}) }
	}
	p.signIn = account.NewSignIn(o)
}

// atOnce keeps a setting of zero apart from one that was left out.
func atOnce(d time.Duration) time.Duration { return max(d, 1) }

// ring is where accounts find master keys; openKeys sets them.
func (p *parts) ring(ctx context.Context, version uint32) (ringOf, error) {
	return p.keys.get(ctx, version)
}

// hint gives a hint to the queue. One at a message that nobody can send is none.
func (p *parts) hint(ctx context.Context, h jobs.Hint) error {
	if h.Kind == mail.JobDeliver && !p.sendsMail() {
		return nil
	}
	return p.queue.Enqueue(ctx, h)
}

// openQueue opens the queue with everybody's jobs and, where they are done, the
// chores.
func (p *parts) openQueue(r role) (err error) {
	o := queueOptions(p.cfg)
	o.Jobs, o.Log, o.Observe, o.Trace = p.jobs(), p.log, p.metrics.job, p.traces.queue()
	if r.works {
		o.Chores = p.chores()
	}
	if p.cfg.UsesRedis() {
		p.queue, err = jobs.OpenRedis(o, redisOptions(p.cfg))
		if err != nil {
			return wrongQueue(p.cfg, err)
		}
	} else if p.queue, err = jobs.OpenInProcess(o); err != nil {
		return err
	}
	p.onClose(func() error { // those who started it have shut it down before
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return p.queue.Shutdown(ctx)
	})
	return nil
}

func queueOptions(cfg *config.Config) jobs.Options {
	return jobs.Options{Concurrency: cfg.Worker.Concurrency}
}

func redisOptions(cfg *config.Config) jobs.RedisOptions {
	return jobs.RedisOptions{URL: cfg.Redis.URL.Reveal(), Queues: cfg.Worker.Queues}
}

func (p *parts) jobs() []jobs.Job {
	work := p.transfers.Jobs()
	others := p.signIn.Jobs()
	if p.sendsMail() {
		others = append(others, p.mail.Jobs()...)
	}
	for _, j := range others {
		work = append(work, jobs.Job{Kind: j.Kind, Run: j.Run})
	}
	return work
}

func (p *parts) chores() []jobs.Chore {
	chores := []jobs.Chore{
		{Name: "transfer.sweep", Every: p.cfg.Sweep.Every, Timeout: 10 * time.Minute, Run: p.transfers.Sweep},
		{Name: "transfer.scrub", Every: p.cfg.Sweep.Every, Timeout: time.Hour, Run: p.transfers.Scrub},
		{Name: "account.sweep", Every: p.cfg.Sweep.Every, Run: p.accounts.Sweep},
		{Name: "signin.sweep", Every: p.cfg.Sweep.Every, Run: p.signIn.Sweep},
	}
	if keep := p.cfg.Retention.Mail; keep > 0 {
		chores = append(chores, jobs.Chore{Name: "mail.prune", Every: time.Hour, Run: func(ctx context.Context) error {
			return p.mail.Prune(ctx, keep)
		}})
	}
	if p.sendsMail() {
		return append(chores, jobs.Chore{Name: "mail.sweep", Every: p.cfg.Sweep.Every, Run: p.sweepMail})
	}
	p.log.Warn("no mail can be sent: messages wait in the database", "driver", p.cfg.MailDriver())
	return chores
}

// sweepMail lets one of all processes hint at mail, within a period.
func (p *parts) sweepMail(ctx context.Context) error {
	return p.transfers.Alone(ctx, "mail.sweep", p.cfg.Sweep.Every*3/4, p.hintMail) // periods vary by a tenth
}

// hintMail hints at messages that wait for a try.
func (p *parts) hintMail(ctx context.Context) error {
	ids, err := p.mail.Due(ctx, 500)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := p.queue.Enqueue(ctx, jobs.Hint{Kind: mail.JobDeliver, ID: id, Repeat: true}); err != nil {
			return err
		}
	}
	return nil
}

// closeTimeout is for giving back a queue that runs nothing.
const closeTimeout = 5 * time.Second
