package account

import (
	"context"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/db"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// lastID sorts behind every id, on both engines and in every collation.
const lastID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

// Page asks for a piece of a list that is sorted by id, newest first.
type Page struct {
	Cursor string // what the list gave with the piece before; "" for the first
	Limit  int    // 0: 100; at most 1000
}

// Before returns what a query needs: only ids below before, and limit rows.
// Errors: ErrCursor.
func (p Page) Before() (before string, limit int, err error) {
	limit = p.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	if p.Cursor == "" {
		return lastID, limit, nil
	}
	before, err = db.ParseID(p.Cursor)
	if err != nil {
		return "", 0, ErrCursor
	}
	return before, limit, nil
}

// pageOf runs a query whose first parameters are the id to stay below and the
// number of rows, and whose others are args. It asks for one row more than
// wanted, to know whether there is a next page.
func pageOf[T any](ctx context.Context, q db.Querier, p Page, query string, args []any,
	scan func(scanner) (T, error), id func(T) string) (items []T, next string, err error) {
	before, limit, err := p.Before()
	if err != nil {
		return nil, "", err
	}
	rows, err := q.QueryContext(ctx, query, append([]any{before, limit + 1}, args...)...)
	if err != nil {
		return nil, "", fmt.Errorf("read list: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, "", fmt.Errorf("read list: %w", err)
		}
		items = append(items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("read list: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = id(items[limit-1])
	}
	return items, next, nil
}
