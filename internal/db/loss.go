package db

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Loss is a table, or a column of one, that a change of the schema takes away.
type Loss struct {
	Table  string
	Column string // "": the whole table
	Values int64  // rows of the table, or such in which the column holds something; counted up to mostCounted
}

// mostCounted bounds the counting in a large table.
const mostCounted = 1_000_000

// String is the loss as an operator reads it.
func (l Loss) String() string {
	count := fmt.Sprint(l.Values)
	if l.Values == mostCounted {
		count += " or more"
	}
	if l.Column == "" {
		return fmt.Sprintf("table %s, %s rows", l.Table, count)
	}
	return fmt.Sprintf("column %s.%s, %s values", l.Table, l.Column, count)
}

// Losses tells what the steps of a plan take away that is there now.
func (m *Migrator) Losses(ctx context.Context, steps []Step) ([]Loss, error) {
	var lost []Loss
	for _, s := range steps {
		if !s.Back {
			continue
		}
		text, err := fs.ReadFile(m.db.source, s.String()+".sql")
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		lost = append(lost, droppedBy(string(text))...)
	}
	lost = slices.DeleteFunc(lost, func(l Loss) bool { // it goes with its table
		return l.Column != "" && slices.ContainsFunc(lost, func(o Loss) bool { return o == Loss{Table: l.Table} })
	})
	return lost, m.db.countLosses(ctx, lost)
}

// droppedBy finds what the text of a migration drops.
func droppedBy(text string) (lost []Loss) {
	text = regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(text, "")
	for statement := range strings.SplitSeq(text, ";") {
		statement = strings.TrimSpace(statement)
		if found := regexp.MustCompile(`(?i)^DROP TABLE (\w+)$`).FindStringSubmatch(statement); found != nil {
			lost = append(lost, Loss{Table: found[1]})
		}
		if found := regexp.MustCompile(`(?i)^ALTER TABLE (\w+) DROP COLUMN (\w+)$`).FindStringSubmatch(statement); found != nil {
			lost = append(lost, Loss{Table: found[1], Column: found[2]})
		}
	}
	return lost
}

// AllLosses tells what Drop takes away.
func (m *Migrator) AllLosses(ctx context.Context) ([]Loss, error) {
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
	if m.db.engine == EnginePostgres {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name"
	}
	rows, err := m.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var lost []Loss
	for rows.Next() {
		var l Loss
		if err := rows.Scan(&l.Table); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		lost = append(lost, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return lost, m.db.countLosses(ctx, lost)
}

func (d *DB) countLosses(ctx context.Context, lost []Loss) error {
	quoted := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
	for i := range lost {
		filled := ""
		if lost[i].Column != "" {
			filled = " WHERE " + quoted(lost[i].Column) + " IS NOT NULL"
		}
		query := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s%s LIMIT %d) counted", quoted(lost[i].Table), filled, mostCounted)
		if err := d.QueryRowContext(ctx, query).Scan(&lost[i].Values); err != nil {
			return fmt.Errorf("count what is in %s: %w", lost[i].Table, err)
		}
	}
	return nil
}
