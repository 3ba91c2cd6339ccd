package testenv

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Ending is how a server ends before it is started again.
type Ending string

// The endings of PostgreSQL: its fast shutdown breaks every connection off in
// good order; a crash leaves the log to recover from.
const (
	EndFast  Ending = "INT"
	EndCrash Ending = "QUIT"
)

// RestartPostgres ends the PostgreSQL server of this test binary and returns
// when it answers again. Every test of the binary feels it, so only those may
// share a binary that expect it. It is an error when no test has started it.
func RestartPostgres(ctx context.Context, how Ending) error {
	pg, err := postgresServer()
	if err != nil {
		return err
	}
	pg.up.Lock()
	defer pg.up.Unlock()
	pg.admin.SetMaxIdleConns(0) // what was kept is dead afterwards
	before, err := pg.started(ctx)
	if err != nil {
		return fmt.Errorf("ask PostgreSQL when it started: %w", err)
	}
	if _, err := io.WriteString(pg.pipe, string(how)+"\n"); err != nil {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	return pg.untilReady(func(ctx context.Context) error {
		now, err := pg.started(ctx)
		if err == nil && now.Equal(before) {
			err = fmt.Errorf("it still runs since %v", before)
		}
		return err
	})
}

func (p *postgres) started(ctx context.Context) (at time.Time, err error) {
	err = p.admin.QueryRowContext(ctx, "SELECT pg_postmaster_start_time()").Scan(&at)
	return at, err
}
