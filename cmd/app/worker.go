package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/web"
)

func newWorker(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Do the work behind app serve, in a process of its own",
		Long: `Do the work behind app serve, in a process of its own: complete files, send
mail, purge what has ended. Any number of workers may run. They need PostgreSQL,
and Redis to be told of work at once; what Redis loses, their sweep finds.

It needs no port. With --http.metrics-addr it answers /metrics, /healthz and
/readyz there.

SIGTERM or Ctrl-C drains: jobs under way finish within http.drain_timeout, then
it ends. A second signal ends at once.`,
		Example: "  REDIS_URL=redis://localhost DATABASE_URL=postgres://localhost/lenzeye app worker\n  app worker --http.metrics-addr 127.0.0.1:9090\n  app worker --worker.concurrency 16 --worker.queues critical=1",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := inv.settings(cmd, append(needsOfServer(), config.NeedPublicURL)...)
			if err != nil {
				return err
			}
			if err := checkWorker(cfg); err != nil {
				return userError{err}
			}
			return work(cmd.Context(), inv, cfg)
		},
	}
	addSettings(cmd)
	return cmd
}

// checkWorker refuses what a second process cannot work with.
func checkWorker(cfg *config.Config) error {
	if !cfg.UsesRedis() {
		return errors.New(cfg.NameOf("redis.url") + " is not set: a worker is told of its work through Redis. " +
			"Without it app serve does the work itself; with it app serve --with-worker does both in one process")
	}
	if cfg.Database().Engine == config.SQLite {
		return errors.New(cfg.NameOf("db.url") + " is not set: PostgreSQL is needed, since a SQLite database serves one process. " +
			"Use app serve --with-worker with SQLite")
	}
	return nil
}

// work does jobs and chores until ctx ends, then drains.
func work(ctx context.Context, inv *invocation, cfg *config.Config) (err error) {
	log := newLogger(inv.io.err, cfg.Log)
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p, err := open(starting, cfg, log, role{
		hints: true, works: true, listens: cfg.ListenAddr(), memory: memoryLimit(inv.env, log),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	probes := web.NewProbes(p.checks(), log)
	p.metrics.watchQueue(p.queue)
	p.metrics.watchProbes(probes)
	if err := p.serveMetrics(probes); err != nil {
		return err
	}
	if err := p.queue.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	releaseMemory()
	defer p.rests(func() bool { return p.queue.Stats().Running > 0 })()
	log.Info("working", "pid", os.Getpid(), "concurrency", cfg.Worker.Concurrency)
	<-ctx.Done()
	probes.Drain()
	log.Info("draining", "timeout", cfg.HTTP.DrainTimeout)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.HTTP.DrainTimeout)
	defer cancel()
	return p.queue.Shutdown(stopping)
}
