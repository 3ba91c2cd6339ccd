package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres makes the pool, and one connection to know that the login holds.
func (d *DB) openPostgres(ctx context.Context) error {
	config, err := d.poolConfig()
	if err != nil {
		return err
	}
	d.pool, err = pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	inner := stdlib.GetPoolConnector(d.pool)
	d.write = sql.OpenDB(connector{Connector: inner, limit: d.opts.AcquireTimeout})
	d.write.SetMaxIdleConns(-1) // pgxpool keeps them
	d.read = d.write
	if err := d.Ping(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && (!classified(err) || errors.Is(err, ErrUnreachable)) {
			err = fmt.Errorf("%w: no answer within %v from %s", ErrUnreachable, d.opts.ConnectTimeout, config.ConnConfig.Host)
		}
		return errors.Join(err, d.Close())
	}
	return nil
}

func (d *DB) poolConfig() (*pgxpool.Config, error) {
	if err := checkURL(d.opts.URL); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(d.opts.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err) // pgx leaves the password out
	}
	config.MaxConns = int32(min(d.opts.MaxConns, 1000))
	config.MaxConnLifetime = d.opts.MaxConnLifetime
	config.MaxConnLifetimeJitter = d.opts.MaxConnLifetime / 10
	config.ConnConfig.ConnectTimeout = d.opts.ConnectTimeout
	config.PingTimeout = d.opts.ConnectTimeout
	d.dial = config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = bounded(d.dial, d.opts.ReadTimeout)
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "lenzeye"
	}
	if !d.opts.PingBeforeUse {
		config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	}
	return config, nil
}

// checkURL refuses what is no PostgreSQL URL without repeating it, since it holds
// a password.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%w: the database URL cannot be read", ErrRefused)
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("%w: the database URL begins with %.20q, not with postgres://", ErrRefused, u.Scheme)
	}
	if strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "" {
		return fmt.Errorf("%w: the database URL names no database", ErrRefused)
	}
	return nil
}

// CheckDurability fails with ErrNotDurable where an acknowledged commit may be
// lost when the server stops, and with ErrNoFlush where only when the machine does.
func (d *DB) CheckDurability(ctx context.Context) error {
	query, want := "PRAGMA synchronous", "2"
	handle := d.write
	if d.engine == EnginePostgres {
		query, want = "SHOW synchronous_commit", ""
	}
	var got string
	if err := handle.QueryRowContext(ctx, query).Scan(&got); err != nil {
		return fmt.Errorf("check durability: %w", err)
	}
	if got == "off" || (want != "" && got != want) {
		return fmt.Errorf("%w: %s is %q", ErrNotDurable, strings.TrimPrefix(strings.TrimPrefix(query, "SHOW "), "PRAGMA "), got)
	}
	if d.engine != EnginePostgres {
		return nil
	}
	if err := handle.QueryRowContext(ctx, "SHOW fsync").Scan(&got); err != nil {
		return fmt.Errorf("check durability: %w", err)
	}
	if got != "on" {
		return fmt.Errorf("%w: fsync is %q", ErrNoFlush, got)
	}
	return nil
}
