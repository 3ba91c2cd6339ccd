// Package migrations holds the one set of SQL files that runs on PostgreSQL and
// on SQLite, embedded in the binary. A file that was released is never edited:
// a change is a new pair NNNNNN_name.up.sql and .down.sql.
//
// It imports nothing internal.
package migrations

import "embed"

// Files are the migrations in golang-migrate's naming.
//
//go:embed *.sql
var Files embed.FS
