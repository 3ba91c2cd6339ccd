package faults_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// settle waits for two sweeps after all that had to be finished is, compares
// everything, waits for mail, ends the program well, and reads what it left.
func (r *run) settle(ctx context.Context, end func() error) error {
	steady().RLock()
	defer steady().RUnlock()
	if r.fleet == nil {
		if err := r.app.ready(ctx); err != nil {
			return err
		}
	}
	if err := end(); err != nil {
		return err
	}
	stop, err := r.resume(ctx)
	if err != nil {
		return err
	}
	if err := r.sweeps(ctx); err != nil {
		return err
	}
	for _, s := range r.kept {
		if err := s.fetchAll(ctx); err != nil {
			return fmt.Errorf("fetch at the end: %w", err)
		}
	}
	if err := r.mailsGo(ctx); err != nil {
		return fmt.Errorf("wait for mails: %w", err)
	}
	if err := stop(); err != nil {
		return err
	}
	return r.audit(ctx)
}

// settleLimit is how long all may take that has to be finished at the end.
const settleLimit = 5 * time.Minute

// resume starts the program once more, when all is well.
func (r *run) resume(ctx context.Context) (stop func() error, err error) {
	const soon = "APP_SWEEP_GRACE=2s"
	if r.fleet == nil {
		calm, err := r.app.start(serve, soon)
		if err != nil {
			return nil, err
		}
		return calm.stop, r.app.ready(ctx)
	}
	for _, role := range []string{serve, worker} {
		if _, err := r.fleet.begin(role, r.app.addr, false, soon); err != nil {
			return nil, err
		}
	}
	return r.fleet.stop, r.app.ready(ctx)
}

// sweeps waits until the program has walked through the store twice from its
// beginning, with nothing younger than the grace, and has purged what was deleted.
func (r *run) sweeps(ctx context.Context) error {
	db, err := r.rows.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rest(ctx, 3*time.Second) // the grace, and the undo of deletes
	began, err := walks(ctx, db)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for {
		now, err := walks(ctx, db)
		if err != nil {
			return err
		}
		var waiting int64
		err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM transfers WHERE purge_at IS NOT NULL`).Scan(&waiting)
		if err != nil {
			return err
		}
		if now >= began+3 && waiting == 0 { // the first may have been under way
			r.book.add("walks through the store", now)
			return nil
		}
		if !rest(ctx, 200*time.Millisecond) {
			return fmt.Errorf("after %d walks, now %d, %d transfers wait for their purge", began, now, waiting)
		}
	}
}

// walks is how often the program has walked through its store.
func walks(ctx context.Context, db *sql.DB) (int64, error) {
	var text string
	err := db.QueryRowContext(ctx, `SELECT cursor FROM chores WHERE name = 'transfer.orphans'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	var cursor struct{ Walks int64 }
	return cursor.Walks, errors.Join(err, json.Unmarshal([]byte(text), &cursor))
}

// audit computes anew from rows and store what the program keeps count of.
func (r *run) audit(ctx context.Context) error {
	db, err := r.rows.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := r.auditStore(ctx, db); err != nil {
		return fmt.Errorf("compare the store with the rows: %w", err)
	}
	if err := r.auditCounters(ctx, db); err != nil {
		return fmt.Errorf("compute the counters: %w", err)
	}
	if err := r.auditMails(ctx, db); err != nil {
		return fmt.Errorf("compare the mails: %w", err)
	}
	return r.auditStates(ctx, db)
}

// each reads all rows of a query.
func each(ctx context.Context, db *sql.DB, query string, row func(scan func(dest ...any) error) error) error {
	list, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = list.Close() }()
	for list.Next() {
		if err := row(list.Scan); err != nil {
			return err
		}
	}
	return list.Err()
}

// auditStore looks for what no row names.
func (r *run) auditStore(ctx context.Context, db *sql.DB) error {
	named := map[string]string{}
	const query = `SELECT blob_key, COALESCE(upload_id, '') FROM files WHERE blob_key IS NOT NULL`
	err := each(ctx, db, query, func(scan func(...any) error) error {
		var key, upload string
		err := scan(&key, &upload)
		named[key] = upload
		return err
	})
	if err != nil {
		return err
	}
	objects, uploads, err := r.blobs.list(ctx)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return errors.New("the store holds nothing, so the comparison proves nothing")
	}
	for _, key := range objects {
		if _, ok := named[key]; !ok {
			r.book.wrong(orphanBlobs, 1, "%s", key)
		}
	}
	for _, u := range uploads {
		if named[u.key] != u.id {
			r.book.wrong(orphanSends, 1, "%s of %s", u.id, u.key)
		}
	}
	return nil
}

// counter is a number that the program keeps, beside what rows give for it.
type counter struct {
	what, query string
}

func counters() []counter {
	const live = `f.state <> 'deleted'`
	const stored = `f.state IN ('stored', 'damaged')`
	sum := func(column, from string) string { return `COALESCE((SELECT SUM(` + column + `) FROM ` + from + `), 0)` }
	files := func(column, state string) string {
		return sum(column, `files f WHERE f.transfer_id = t.id AND `+state)
	}
	parts := sum("p.size", `parts p JOIN files f ON f.id = p.file_id WHERE f.transfer_id = t.id AND `+live)
	// A transfer bears what was declared, or once its reservation lapsed what came.
	borne := `CASE WHEN t.charged = 0 THEN 0 WHEN t.reserved = 1 THEN ` + files("f.size", live) + ` ELSE ` + parts + ` END`
	used := `CASE WHEN t.charged = 0 THEN 0 ELSE ` + files("f.size", stored) + ` END`
	of := func(column, owner string) string { return sum(column, "transfers t WHERE t."+owner) }
	// One that ended keeps its counters when its files are purged.
	transfers := func(kept, computed string) string {
		return `SELECT t.id, t.` + kept + `, ` + computed + ` FROM transfers t WHERE t.state IN ('receiving', 'complete')`
	}
	return []counter{
		{"used bytes of accounts", `SELECT a.id, a.used_bytes, ` + of(used, "account_id = a.id") + ` FROM accounts a`},
		{"reserved bytes of accounts", `SELECT a.id, a.reserved_bytes, ` + of(borne, "account_id = a.id") + ` - ` +
			of(used, "account_id = a.id") + ` FROM accounts a`},
		{"bytes held of links", `SELECT l.id, l.bytes_held, ` + of(borne, "link_id = l.id") + ` FROM links l`},
		{"transfers of links", `SELECT l.id, l.transfers_used, ` + of("t.counted", "link_id = l.id") + ` FROM links l`},
		{"declared bytes", transfers("bytes_declared", files("f.size", live))},
		{"received bytes", transfers("bytes_received", parts)},
		{"stored bytes", transfers("bytes_stored", files("f.size", stored))},
		{"files", transfers("files_total", files("1", live))},
		{"open files", transfers("files_open", files("1", live+` AND NOT `+stored))},
		{"parts of files", `SELECT f.id, f.parts_stored, ` + sum("1", "parts p WHERE p.file_id = f.id") +
			` FROM files f WHERE ` + live},
	}
}

func (r *run) auditCounters(ctx context.Context, db *sql.DB) error {
	for _, c := range counters() {
		err := each(ctx, db, c.query, func(scan func(...any) error) error {
			var id string
			var kept, computed int64
			err := scan(&id, &kept, &computed)
			if kept != computed {
				r.book.wrong(quotaDrift, max(kept-computed, computed-kept), "%s of %s: %d, its rows give %d", c.what, id, kept, computed)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	return nil
}

// auditStates holds every state to the lists of the documentation. When all is
// finished nothing may be half-way either.
func (r *run) auditStates(ctx context.Context, db *sql.DB) error {
	for _, c := range []struct {
		table string
		known []string
	}{
		{"accounts", []string{"active", "disabled", "deleted"}},
		{"keys", []string{"active", "retiring", "destroyed"}},
		{"transfers", []string{"receiving", "complete", "aborted", "expired", "deleted", "purged"}},
		{"files", []string{"receiving", "stored", "deleted"}}, // neither sealing nor damaged is left
		{"mails", []string{"queued", "sending", "sent", "failed"}},
	} {
		err := each(ctx, db, `SELECT state, COUNT(*) FROM `+c.table+` GROUP BY state`, func(scan func(...any) error) error {
			var state string
			var n int64
			err := scan(&state, &n)
			if !slices.Contains(c.known, state) {
				r.book.wrong(strayStates, n, "%d %s are %q", n, c.table, state)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("states of %s: %w", c.table, err)
		}
	}
	return nil
}

// rows opens the database beside the program, past all proxies.
type rows struct{ driver, dsn string }

func sqliteRows(path string) rows {
	return rows{"sqlite", "file:" + path + "?mode=ro&_pragma=busy_timeout(5000)"}
}

func postgresRows(dsn string) rows { return rows{"pgx", dsn} }

func (r rows) open() (*sql.DB, error) {
	db, err := sql.Open(r.driver, r.dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(1)
	return db, nil
}
