package testenv

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

// Databases with the schema, which tests get a copy of.
var (
	sqliteTemplate   = sync.OnceValues(makeSQLiteTemplate)
	postgresTemplate = sync.OnceValues(makePostgresTemplate)
)

// EachEngine runs fn on SQLite and on PostgreSQL, in parallel. Each call of open
// gives a new, migrated, empty database, which ends with its test.
func EachEngine(t *testing.T, fn func(t *testing.T, open func(t testing.TB) *db.DB)) {
	t.Helper()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			fn(t, func(t testing.TB) *db.DB {
				t.Helper()
				return Open(t, Database(t, engine))
			})
		})
	}
}

// Database makes a migrated, empty database and says how to open it, as often as
// a test wants to.
func Database(t testing.TB, engine db.Engine) db.Options {
	t.Helper()
	if engine == db.EnginePostgres {
		name, err := postgresTemplate()
		if err != nil {
			t.Fatal(err)
		}
		return db.Options{URL: newPostgres(t, name)}
	}
	image, err := sqliteTemplate()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return db.Options{Path: path}
}

// Open opens a database until the end of the test.
func Open(t testing.TB, opts db.Options) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func makeSQLiteTemplate() (image []byte, err error) {
	dir, err := os.MkdirTemp("", "lenzeye-test-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "app.db")
	if err := migrate(db.Options{Path: path}); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // whole, since the last handle folded the WAL in
}

func makePostgresTemplate() (name string, err error) {
	pg, err := postgresServer()
	if err != nil {
		return "", err
	}
	name = "template_" + secret()
	if err := pg.administer(context.Background(), "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return name, migrate(db.Options{URL: pg.url(name)})
}

func migrate(opts db.Options) error {
	ctx := context.Background()
	d, err := db.Open(ctx, opts)
	if err != nil {
		return err
	}
	return errors.Join(d.Migrate(ctx), d.Close())
}
