package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

func names(steps []db.Step) []string {
	out := []string{}
	for _, s := range steps {
		out = append(out, s.String())
	}
	return out
}

func TestPlanNamesTheFilesInTheirOrder(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		d.UseMigrations(files(three...))
		err := with(t, d, func(m *db.Migrator) error {
			if err := up(t.Context(), m, 2); err != nil {
				return err
			}
			for _, c := range []struct {
				plan func(context.Context, *db.Migrator) ([]db.Step, error)
				want []string
			}{
				{func(ctx context.Context, m *db.Migrator) ([]db.Step, error) { return m.PlanUp(ctx, 0) }, []string{"000003_step.up"}},
				{func(ctx context.Context, m *db.Migrator) ([]db.Step, error) { return m.PlanDown(ctx, 0) }, []string{"000002_step.down", "000001_step.down"}},
				{func(ctx context.Context, m *db.Migrator) ([]db.Step, error) { return m.PlanGoto(ctx, 1) }, []string{"000002_step.down"}},
				{func(ctx context.Context, m *db.Migrator) ([]db.Step, error) { return m.PlanGoto(ctx, 0) }, []string{"000002_step.down", "000001_step.down"}},
				{func(ctx context.Context, m *db.Migrator) ([]db.Step, error) { return m.PlanGoto(ctx, 2) }, []string{}},
			} {
				steps, err := c.plan(t.Context(), m)
				if diff := cmp.Diff(c.want, names(steps)); err != nil || diff != "" {
					t.Errorf("%v, wanted (-) and planned (+):\n%s", err, diff)
				}
			}
			_, err := m.PlanUp(t.Context(), 2)
			if !errors.Is(err, db.ErrNoMigration) || !strings.Contains(err.Error(), "only 1 left") {
				t.Errorf("more than there are: %v", err)
			}
			_, err = m.PlanGoto(t.Context(), 7)
			if !errors.Is(err, db.ErrNoMigration) || !strings.Contains(err.Error(), "000003_step") {
				t.Errorf("an unknown version: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if s := schema(t, d); s.Version != 2 {
			t.Errorf("planning changed the schema: %+v", s)
		}
	})
}

func TestDatabaseThatIsAheadGoesNowhere(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		d.UseMigrations(files(three...))
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.UseMigrations(files(three[:1]...))
		for name, run := range map[string]func(m *db.Migrator) error{
			"down": func(m *db.Migrator) error { return down(t.Context(), m, 1) },
			"goto": func(m *db.Migrator) error { return goTo(t.Context(), m, 1) },
		} {
			if err := with(t, d, run); !errors.Is(err, db.ErrNoMigration) || !strings.Contains(err.Error(), "at version 3") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s := schema(t, d); s.Version != 3 || s.Dirty {
			t.Errorf("%+v", s)
		}
	})
}

// What stopped, and each of the commands that may be right, stand in the error.
func TestDirtyNamesWhatMendsIt(t *testing.T) {
	t.Parallel()
	const bad = "INSERT INTO nowhere (id) VALUES (1)"
	for _, c := range []struct {
		name  string
		pairs [][2]string
		run   func(ctx context.Context, m *db.Migrator) error
		want  []string
		not   string
	}{
		{"first up", [][2]string{{bad, ""}},
			func(ctx context.Context, m *db.Migrator) error { return up(ctx, m, 0) },
			[]string{"version 1", "000001_step.up", "force 0 if the changes of 000001_step are not there", "force 1"}, ".down"},
		{"up", [][2]string{three[0], {bad, ""}, three[2]},
			func(ctx context.Context, m *db.Migrator) error { return up(ctx, m, 0) },
			[]string{"version 2", "000002_step.up or 000003_step.down", "force 1", "force 2", "force 3"}, "force 0"},
		{"down", [][2]string{three[0], {three[1][0], bad}},
			func(ctx context.Context, m *db.Migrator) error { return errors.Join(up(ctx, m, 0), down(ctx, m, 1)) },
			[]string{"version 1", "000001_step.up or 000002_step.down", "force 2 if those of 000002_step are there too"}, "force 3"},
		{"first down", [][2]string{{three[0][0], bad}},
			func(ctx context.Context, m *db.Migrator) error { return errors.Join(up(ctx, m, 0), down(ctx, m, 1)) },
			[]string{"version 0", "in 000001_step.down", "force 0", "force 1"}, ".up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachEmpty(t, func(t *testing.T, d *db.DB) {
				d.UseMigrations(files(c.pairs...))
				if err := d.CheckClean(t.Context()); err != nil {
					t.Errorf("before: %v", err)
				}
				if err := with(t, d, func(m *db.Migrator) error { return c.run(t.Context(), m) }); err == nil || errors.Is(err, db.ErrDirty) {
					t.Errorf("the bad file: %v", err)
				}
				err := d.CheckClean(t.Context())
				if !errors.Is(err, db.ErrDirty) || strings.Contains(err.Error(), c.not) {
					t.Errorf("after: %v", err)
				}
				for _, want := range c.want {
					if !strings.Contains(fmt.Sprint(err), want) {
						t.Errorf("%q is not in: %v", want, err)
					}
				}
			})
		})
	}
}

func TestRunStopsBetweenSteps(t *testing.T) {
	t.Parallel()
	eachEmpty(t, func(t *testing.T, d *db.DB) {
		d.UseMigrations(files(three...))
		ctx, cancel := context.WithCancel(t.Context())
		err := with(t, d, func(m *db.Migrator) error {
			if err := up(ctx, m, 1); err != nil {
				return err
			}
			rest, err := m.PlanUp(ctx, 0)
			cancel()
			return errors.Join(err, m.Run(ctx, rest))
		})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "before 000002_step.up") {
			t.Errorf("cancelled: %v", err)
		}
		if diff := cmp.Diff(db.Schema{Version: 1, Latest: 3}, schema(t, d)); diff != "" {
			t.Error(diff)
		}
	})
}

// Between planning and running nobody else may change the schema.
func TestMigratorHoldsTheLockUntilClosed(t *testing.T) {
	t.Parallel()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			opts := emptyOptions(t, engine)
			opts.MigrateTimeout = 100 * time.Millisecond
			first, second := testenv.Open(t, opts), testenv.Open(t, opts)
			m, err := first.Migrator(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := up(t.Context(), m, 0); err != nil {
				t.Error(err)
			}
			if _, err := second.Migrator(t.Context()); !errors.Is(err, db.ErrLocked) {
				t.Errorf("beside one that is open: %v", err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if err := with(t, second, func(m *db.Migrator) error { return down(t.Context(), m, 0) }); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestWaitForAnotherMigratorCanBeLeft(t *testing.T) {
	t.Parallel()
	opts := emptyOptions(t, db.EngineSQLite)
	m, err := testenv.Open(t, opts).Migrator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := testenv.Open(t, opts)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := d.Migrator(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, db.ErrLocked) {
		t.Errorf("left: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestMigrationsAreLoggedOnALine(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	opts := emptyOptions(t, db.EngineSQLite)
	opts.Log = slog.New(slog.NewJSONHandler(&said, nil))
	d := testenv.Open(t, opts)
	d.UseMigrations(files(three[0]))
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := said.String(); !strings.Contains(got, "1/u step") || strings.Contains(got, `\n`) {
		t.Errorf("logged %s", got)
	}
}

func TestMigrationWithoutUpFileIsRefused(t *testing.T) {
	t.Parallel()
	d := empty(t, db.EngineSQLite)
	lame := files(three...)
	delete(lame, "000002_step.up.sql")
	d.UseMigrations(lame)
	if err := d.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "migration 2") {
		t.Errorf("migrate: %v", err)
	}
	if s, err := d.Migrations(); err == nil {
		t.Errorf("listed %v", s)
	}
}
