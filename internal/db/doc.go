// Package db opens the database, PostgreSQL or SQLite, and hides which of the
// two it is. One SQL text runs on both: $n placeholders, the portable subset of
// docs/architecture.md, and no query of the product in this package.
//
// Promises:
//
//   - Writes happen only inside [DB.InTx], which repeats a transaction that lost
//     against another one, so its function must be repeatable.
//   - Every error that a driver gives carries one of this package's kinds for
//     errors.Is, wherever it surfaces: from Exec, Query, Scan, rows.Err or Commit.
//   - A commit whose reply was lost is [ErrOutcomeUnknown], never a plain failure.
//   - Nothing rests on a mutex of the process: several processes may open one
//     SQLite file, and migrations take a lock that holds across processes.
//
// Do not read through a [DB] inside the function of InTx: it would take a second
// connection and see the database as it was before the transaction.
//
// It may import migrations, and nothing else of this module.
package db
