package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

// Migration is one numbered change of the schema.
type Migration struct {
	Version uint   // its number, from 1
	Name    string // what follows the number in its files' names
}

// String is how its two files begin, such as 000002_links.
func (m Migration) String() string { return fmt.Sprintf("%06d_%s", m.Version, m.Name) }

// Step is one file of a migration that is to run.
type Step struct {
	Migration
	Back bool // the down file, which takes the migration back
}

// String is the name of its file without .sql, such as 000002_links.down.
func (s Step) String() string {
	if s.Back {
		return s.Migration.String() + ".down"
	}
	return s.Migration.String() + ".up"
}

// Migrations lists what this binary knows, lowest version first.
func (d *DB) Migrations() ([]Migration, error) { return listMigrations(d.source) }

// CheckClean is ErrDirty after a migration that stopped half-way, with the
// commands that mend it. It changes nothing.
func (d *DB) CheckClean(ctx context.Context) error {
	s, err := d.Schema(ctx)
	if err != nil || !s.Dirty {
		return err
	}
	all, err := d.Migrations()
	if err != nil {
		return err
	}
	return dirty(s.Version, all)
}

// dirty explains. A version is written before its file runs: upwards that of the
// file itself, downwards that of the migration before it. So there is no telling
// which of two files it was, nor whether a killed process had come to its end.
func dirty(version uint, all []Migration) error {
	at, err := find(all, version)
	if err != nil {
		return fmt.Errorf("%w: at version %d, which this program does not know: use the release that ran it", ErrDirty, version)
	}
	var files, cures []string
	before := uint(0)
	if at > 1 {
		before = all[at-2].Version
	}
	if at > 0 {
		files = append(files, Step{all[at-1], false}.String())
		cures = append(cures, fmt.Sprintf("app migrate force %d if the changes of %s are not there", before, all[at-1]))
	}
	cures = append(cures, fmt.Sprintf("app migrate force %d if no later ones are", version))
	if at < len(all) {
		files = append(files, Step{all[at], true}.String())
		cures = append(cures, fmt.Sprintf("app migrate force %d if those of %s are there too", all[at].Version, all[at]))
	}
	return fmt.Errorf("%w: at version %d, in %s; look at the tables, mend what is half done, and run %s",
		ErrDirty, version, strings.Join(files, " or "), strings.Join(cures, ", "))
}

// PlanUp gives the next steps up, all that are left for 0 steps. A database that
// is ahead of this binary has none. It is ErrNoMigration if some are left, but
// fewer, and ErrDirty after a migration that stopped half-way.
func (m *Migrator) PlanUp(ctx context.Context, steps int) ([]Step, error) {
	s, err := m.db.Schema(ctx)
	if err != nil {
		return nil, err
	}
	if s.Version > s.Latest && !s.Dirty {
		m.db.opts.Log.Info("database is ahead of this binary", "version", s.Version, "latest", s.Latest)
		return nil, nil
	}
	all, at, err := m.position(ctx)
	if err != nil {
		return nil, err
	}
	left := len(all) - at
	if steps == 0 || left == 0 {
		return between(all, at, len(all)), nil
	}
	if steps < 0 || steps > left {
		return nil, fmt.Errorf("up %d: %w: only %d left to apply", steps, ErrNoMigration, left)
	}
	return between(all, at, at+steps), nil
}

// PlanDown gives the steps that take back the last migrations, every one for 0
// steps. Its errors are those of PlanUp, and ErrNoMigration for a database that
// is ahead.
func (m *Migrator) PlanDown(ctx context.Context, steps int) ([]Step, error) {
	all, at, err := m.position(ctx)
	if err != nil {
		return nil, err
	}
	if steps == 0 || at == 0 {
		return between(all, at, 0), nil
	}
	if steps < 0 || steps > at {
		return nil, fmt.Errorf("down %d: %w: only %d applied", steps, ErrNoMigration, at)
	}
	return between(all, at, at-steps), nil
}

// PlanGoto gives the steps up or down to a version, none if it is there. It is
// ErrNoMigration for a version that this binary does not know, also where the
// database is at one.
func (m *Migrator) PlanGoto(ctx context.Context, version uint) ([]Step, error) {
	all, at, err := m.position(ctx)
	if err != nil {
		return nil, err
	}
	to, err := find(all, version)
	if err != nil {
		return nil, fmt.Errorf("goto %d: %w", version, err)
	}
	return between(all, at, to), nil
}

// position gives all migrations and how many of them are applied.
func (m *Migrator) position(ctx context.Context) (all []Migration, at int, err error) {
	s, err := m.db.Schema(ctx)
	if err != nil {
		return nil, 0, err
	}
	if all, err = m.db.Migrations(); err != nil {
		return nil, 0, err
	}
	if s.Dirty {
		return nil, 0, dirty(s.Version, all)
	}
	if at, err = find(all, s.Version); err != nil {
		return nil, 0, fmt.Errorf("the database is at version %d, of another release of this program: %w", s.Version, err)
	}
	return all, at, nil
}

// find gives how many migrations are applied at a version.
func find(all []Migration, version uint) (int, error) {
	if version == 0 {
		return 0, nil
	}
	i := slices.IndexFunc(all, func(m Migration) bool { return m.Version == version })
	if i < 0 && len(all) > 0 {
		return 0, fmt.Errorf("%w: the last one here is %s", ErrNoMigration, all[len(all)-1])
	}
	if i < 0 {
		return 0, ErrNoMigration
	}
	return i + 1, nil
}

// between gives the steps from so many applied migrations to so many.
func between(all []Migration, from, to int) (steps []Step) {
	for ; from < to; from++ {
		steps = append(steps, Step{all[from], false})
	}
	for ; from > to; from-- {
		steps = append(steps, Step{all[from-1], true})
	}
	return steps
}

func listMigrations(files fs.FS) ([]Migration, error) {
	from, err := iofs.New(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	defer from.Close() // an fs.FS has nothing to lose
	var all []Migration
	version, err := from.First()
	for err == nil {
		var name string
		if name, err = nameOf(from, version); err != nil {
			break
		}
		all = append(all, Migration{version, name})
		version, err = from.Next(version)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	return nil, fmt.Errorf("read migrations: %w", err)
}

// nameOf reads the name off the up file: every migration has one.
func nameOf(from source.Driver, version uint) (string, error) {
	body, name, err := from.ReadUp(version)
	if err != nil {
		return "", fmt.Errorf("migration %d has no file to apply: %v", version, err) // not ErrNotExist, which ends the list
	}
	return name, body.Close()
}
