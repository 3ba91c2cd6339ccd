package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/web"
)

func newServe(inv *invocation) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve guests and studios, and do the work behind it",
		Long: `Serve guests and studios, and do the work behind it: complete files, send mail,
purge what has ended. With REDIS_URL that work is handed to app worker, unless
--with-worker keeps it here as well.

Without any setting it keeps everything in the folder data: a SQLite database,
the sealed files and the master key that opens them. The first start makes a
studio with an upload link and an API token and prints both, but not under systemd,
whose journal would keep the token: make the studio with app account create.
Elsewhere each start prints an address that signs the studio in, once; in
production none does.

SIGTERM or Ctrl-C drains: parts in flight finish, then it ends. A second signal
ends at once.`,
		Example: "  app serve\n  app serve --http.addr 127.0.0.1:9000 --data.dir /var/lib/lenzeye\n  APP_ENVIRONMENT=production app serve",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := inv.settings(cmd, append(needsOfServer(), config.NeedPublicURL)...)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), inv, cfg, f)
		},
	}
	cmd.Flags().BoolVar(&f.withWorker, "with-worker", false, "with REDIS_URL, do the jobs of app worker in this process too")
	addSettings(cmd)
	return cmd
}

// serveFlags are the words of one `app serve`.
type serveFlags struct {
	withWorker bool
}

// serve listens when everything is open, so that nobody waits at a door that
// does not open; only a port that the system chooses has to be taken first, since
// it is part of every link.
func serve(ctx context.Context, inv *invocation, cfg *config.Config, f serveFlags) (err error) {
	log := newLogger(inv.io.err, cfg.Log)
	limit := memoryLimit(inv.env, log)
	address := cfg.ListenAddr()
	var listener net.Listener
	if strings.HasSuffix(address, ":0") {
		if listener, err = listen(cfg, address); err != nil {
			return err
		}
		defer func() { _ = listener.Close() }()
		address = listener.Addr().String()
	}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	r := role{
		serves: true, hints: true, works: f.withWorker || !cfg.UsesRedis(),
		listens: address, memory: limit,
	}
	p, err := open(starting, cfg, log, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	server, err := p.newServer(inv, address, limit)
	if err != nil {
		return err
	}
	if err := p.serveMetrics(server.Probes()); err != nil {
		return err
	}
	if listener == nil {
		if listener, err = listen(cfg, address); err != nil {
			return err
		}
		defer func() { _ = listener.Close() }()
	}
	if err := p.greet(starting, inv, address); err != nil {
		return err
	}
	releaseMemory()
	return p.run(ctx, server, listener, r)
}

func listen(cfg *config.Config, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, userError{fmt.Errorf("%s: %w", cfg.NameOf("http.addr"), err)}
	}
	return l, nil
}

// run serves until ctx ends, then drains, and stops the queue last.
func (p *parts) run(ctx context.Context, server *web.Server, listener net.Listener, r role) error {
	if r.works {
		if err := p.queue.Start(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("start the queue: %w", err)
		}
	} else {
		p.log.Info("jobs are handed to app worker")
	}
	defer p.rests(func() bool {
		now := server.Stats()
		return now.Streams+now.Downloads+p.queue.Stats().Running > 0
	})()
	err := server.Serve(ctx, listener, p.cfg.HTTP.DrainTimeout)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.HTTP.DrainTimeout)
	defer cancel()
	return errors.Join(err, p.queue.Shutdown(stopping))
}

func (p *parts) newServer(inv *invocation, address string, memory int64) (*web.Server, error) {
	build := readBuild(inv.env)
	o := web.Options{
		Transfers: p.transfers, Accounts: p.accounts, SignIn: p.signIn, Catalog: p.catalog,
		PublicURL:   p.cfg.PublicURL(address),
		MailToFiles: p.cfg.MailDriver() == config.MailFile, NoMail: p.cfg.MailDriver() == config.MailNone,
		Greets: p.greets(inv), KeyFile: !p.hasGivenKeys(),
		Checks: p.checks(), MailEvents: p.mailEvents(),
		Observe: p.observeWeb(), Log: p.log,
		Build:          api.Version{Version: build.Version, Commit: build.Commit, BuiltAt: build.BuiltAt, Go: build.Go},
		Limits:         webLimits(p.cfg, memory),
		TrustedProxies: p.cfg.HTTP.TrustedProxies, CORSOrigins: p.cfg.HTTP.CORSOrigins,
	}
	if p.cfg.MetricsOnMainListener() {
		o.Metrics = p.metrics.handler()
	}
	s, err := web.New(o)
	if err != nil {
		return nil, userError{err}
	}
	p.metrics.watch(s)
	p.metrics.watchQueue(p.queue)
	p.metrics.watchProbes(s.Probes())
	return s, nil
}

// webLimits are the settings that keep serve bounded, in a container with so many
// bytes of memory.
func webLimits(cfg *config.Config, memory int64) web.Limits {
	h := cfg.HTTP
	return web.Limits{
		MaxStreams: cfg.MaxStreams(memory), StreamWait: orNone(h.StreamWait), MaxWaiting: orNone(h.MaxWaiting), MaxConns: h.MaxConns,
		IdleTimeout: h.IdleTimeout, MinRate: orNone(int64(h.MinRate)), KeepAlive: h.KeepAlive,
		DrainDelay:     h.DrainDelay,
		MaxRequests:    jittered(h.MaxRequests, h.MaxRequestsJitter),
		MaxRequestLine: int(h.MaxRequestLine), MaxHeaderField: int(h.MaxHeaderField), MaxHeaderBytes: int(h.MaxHeaderBytes),
	}
}

// orNone keeps a setting of zero apart from one that was left out.
func orNone[T int | int64 | time.Duration](v T) T {
	if v == 0 {
		return web.None
	}
	return v
}

// jittered spreads the ends of several instances, so that they do not come at
// once. 0 is no end.
func jittered(requests, jitter int) int {
	if requests == 0 || jitter == 0 {
		return requests
	}
	return max(1, requests-jitter+rand.IntN(2*jitter+1))
}

// checks are what /readyz asks.
func (p *parts) checks() []web.Check {
	checks := []web.Check{{Name: "database", Run: p.db.Ping}, {Name: "bucket", Run: p.blobs.Check}}
	if p.cfg.UsesRedis() {
		checks = append(checks, web.Check{Name: "queue", Run: p.queue.Check})
	}
	return checks
}

// memoryLimit takes Go's limit from the container unless GOMEMLIMIT is set, and
// gives the container's own in bytes, 0 without one.
func memoryLimit(env []string, log *slog.Logger) int64 {
	container, err := memlimit.FromCgroup()
	if err != nil {
		return 0
	}
	l := limitsOf(container, env)
	if l.forGo > 0 {
		debug.SetMemoryLimit(l.forGo)
		log.Info("memory limit taken from the container", "bytes", l.container)
	}
	return l.container
}

// memoryLimits are in bytes; 0 is none, or nothing to set.
type memoryLimits struct{ container, forGo int64 }

// limitsOf leaves a tenth of a container's memory to what Go does not count.
func limitsOf(container uint64, env []string) memoryLimits {
	if container == 0 || container > math.MaxInt64 {
		return memoryLimits{}
	}
	l := memoryLimits{container: int64(container), forGo: int64(float64(container) * 0.9)}
	if slices.ContainsFunc(env, setsMemoryLimit) {
		l.forGo = 0
	}
	return l
}

// setsMemoryLimit tells whether a variable is GOMEMLIMIT with a value; Go takes
// an empty one for none.
func setsMemoryLimit(kv string) bool {
	value, ok := strings.CutPrefix(kv, "GOMEMLIMIT=")
	return ok && value != ""
}

// speaksToJournal says that systemd keeps what is printed, for whoever may read
// its journal.
func (inv *invocation) speaksToJournal() bool {
	return slices.ContainsFunc(inv.env, func(kv string) bool { return strings.HasPrefix(kv, "JOURNAL_STREAM=") })
}

// greets tells whether a start says on the terminal where to go.
func (p *parts) greets(inv *invocation) bool { return !p.cfg.IsProduction() && !inv.speaksToJournal() }

// greet says on the terminal where to go. In production, and where a journal would
// keep the token, nothing is made and nothing is printed.
func (p *parts) greet(ctx context.Context, inv *invocation, listens string) error {
	address := p.cfg.PublicURL(listens)
	p.log.Info("listening", "address", listens, "public_url", address, "pid", os.Getpid())
	if !p.greets(inv) {
		return nil
	}
	first, err := p.ensureStudio(ctx)
	if err != nil {
		return err
	}
	begin, _, err := p.signIn.Link(ctx, first.account.ID)
	if err != nil && !errors.Is(err, account.ErrNotActive) {
		return err
	}
	out := inv.io.out
	fmt.Fprintf(out, "\n  Lenzeye is ready at %s\n\n", address)
	if begin != "" {
		fmt.Fprintf(out, "  Open this to begin:\n\n    %s\n\n", strings.Replace(begin, "#", "?next=/welcome#", 1))
		fmt.Fprintf(out, "  It signs you in once, within %d minutes; app account signin %s prints another.\n\n",
			account.LoginLife/time.Minute, first.account.Email)
	}
	if first.link.Slug != "" {
		fmt.Fprintf(out, "  Guests send with this link:      %s/u/%s\n", address, first.link.Slug)
	}
	if first.token != "" {
		fmt.Fprintf(out, "  API token of %s: %s\n", first.account.Email, first.token)
		fmt.Fprintf(out, "  The token is shown this once; app seed makes another.\n")
	}
	if !p.hasGivenKeys() {
		fmt.Fprintf(out, "\n  %s opens every stored file. Losing it loses the files: keep a copy elsewhere.\n", p.keys.path)
	}
	fmt.Fprintln(out)
	return nil
}
