package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestWaitForAMigrationEndsWithItsCaller: Ctrl-C must not last until another
// process has migrated, or until the wait is over by itself.
func TestWaitForAMigrationEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			o := emptyOptions(t, engine)
			o.MigrateTimeout = 10 * time.Minute
			first, second := testenv.Open(t, o), testenv.Open(t, o)
			holder, err := first.Migrator(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			if m, err := second.Migrator(ctx); !errors.Is(err, context.DeadlineExceeded) || m != nil {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			if err := holder.Close(); err != nil {
				t.Fatal(err)
			}
			if err := second.Migrate(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
