package db_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestReadersWaitBounded: with every connection for reading taken, a read waits
// AcquireTimeout and no longer, says so, and goes well when one is free again; a
// read that has begun may take as long as it likes.
func TestReadersWaitBounded(t *testing.T) {
	t.Parallel()
	opts := testenv.Database(t, db.EngineSQLite)
	opts.AcquireTimeout = 100 * time.Millisecond
	d := testenv.Open(t, opts)
	var held []*sql.Rows
	for range 4 {
		rows, err := d.QueryContext(t.Context(), "SELECT 1 UNION ALL SELECT 2")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		held = append(held, rows)
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var one int64
	if err := ask(ctx, d); !errors.Is(err, db.ErrUnavailable) {
		t.Fatalf("a read without a free connection: %v", err)
	}
	if err := d.QueryRowContext(ctx, "SELECT 1").Scan(&one); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a row without a free connection: %v", err)
	}
	// The bounds of those that read have long passed, and they read on.
	for _, rows := range held {
		if !rows.Next() || rows.Next() || rows.Err() != nil {
			t.Errorf("a read that had begun ended: %v", rows.Err())
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 20 {
		if err := d.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil || one != 1 {
			t.Fatalf("with free connections: %d, %v", one, err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := d.QueryRowContext(gone, "SELECT 1").Scan(&one); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
}

// ask reads a row as one of many.
func ask(ctx context.Context, d *db.DB) error {
	rows, err := d.QueryContext(ctx, "SELECT 1")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	rows.Next()
	return rows.Err()
}
