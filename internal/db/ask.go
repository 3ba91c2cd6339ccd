package db

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Server is what an operator wants to know of a database.
type Server struct {
	Version string        // of the engine, as it says
	Latency time.Duration // the median of some small questions
}

// Ask asks the database what it is and how soon it answers.
func (d *DB) Ask(ctx context.Context) (Server, error) {
	query := "SELECT sqlite_version()"
	if d.engine == EnginePostgres {
		query = "SHOW server_version"
	}
	var s Server
	took := make([]time.Duration, 5)
	for i := range took {
		began := time.Now()
		if err := d.QueryRowContext(ctx, query).Scan(&s.Version); err != nil {
			return s, fmt.Errorf("ask the database: %w", d.afterClose(err))
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	s.Latency = took[len(took)/2]
	return s, nil
}
