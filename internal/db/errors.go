package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kinds of failure, for errors.Is. A query that found no row is sql.ErrNoRows,
// as ever; a cancelled context stays context.Canceled or DeadlineExceeded.
var (
	// ErrUnavailable means that the same call may succeed later: the connection
	// was lost, none became free in time, the server is starting or stopping, or
	// a transaction lost against others too often.
	ErrUnavailable = errors.New("database unavailable")

	// ErrUnreachable is the ErrUnavailable of a server that could not be reached.
	ErrUnreachable = fmt.Errorf("%w: no connection", ErrUnavailable)

	// ErrOutcomeUnknown is the ErrUnavailable of a commit without a reply: the
	// transaction may or may not have happened, and the caller has to look.
	ErrOutcomeUnknown = fmt.Errorf("%w: no reply to the commit, its outcome is unknown", ErrUnavailable)

	// ErrRefused means that the database said no to who asks or to what is asked
	// for: a wrong password, an unknown database, a file that is not one.
	ErrRefused = errors.New("database refused")

	// ErrLocked means that another process holds a lock that is needed here.
	ErrLocked = errors.New("locked by another process")

	// ErrFull means that the disk of the database, or its quota, is full.
	ErrFull = errors.New("database disk is full")

	// ErrReadOnly means a write outside InTx.
	ErrReadOnly = errors.New("database handle is for reading: writes go through InTx")

	// ErrDirty means that a migration stopped half-way and a person has to look.
	ErrDirty = errors.New("database is dirty: a migration stopped half-way")

	// ErrNoMigration means a version, or so many steps, that this binary lacks.
	ErrNoMigration = errors.New("no such migration")

	// ErrNotDurable means that the server acknowledges commits that it may lose.
	ErrNotDurable = errors.New("database may lose acknowledged commits")

	// ErrNoFlush means that commits outlive the server but not the machine: with
	// the power goes what its disk had not written by itself.
	ErrNoFlush = errors.New("database does not flush commits to its disk")
)

// Kinds that InTx answers by trying again; both are ErrUnavailable to the caller
// once the tries are used up.
var (
	errConflict = fmt.Errorf("%w: conflict with another transaction", ErrUnavailable)
	errLost     = fmt.Errorf("%w: connection lost", ErrUnavailable)
)

// IsUnique tells whether err is the refusal of a row that a unique index or a
// primary key holds already.
func IsUnique(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// classify adds its kind to an error of a driver, once.
func classify(err error) error {
	if err == nil || classified(err) {
		return err
	}
	if kind := kindOf(err); kind != nil {
		return fmt.Errorf("%w: %w", kind, err)
	}
	return err
}

// classified tells whether err carries a kind already.
func classified(err error) bool {
	for _, kind := range []error{ErrUnavailable, ErrRefused, ErrLocked, ErrFull, ErrReadOnly} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func kindOf(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return kindOfState(pg.Code)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return kindOfCode(lite.Code())
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return kindOfConnect(err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return errLost
	}
	for _, lost := range []error{driver.ErrBadConn, pgconn.ErrConnClosed, io.ErrUnexpectedEOF, io.EOF, net.ErrClosed} {
		if errors.Is(err, lost) {
			return errLost
		}
	}
	return nil
}

// kindOfConnect tells a server that is not there from one that wants something
// else, such as TLS: the latter does not mend itself.
func kindOfConnect(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if strings.Contains(err.Error(), "tls error") || strings.Contains(err.Error(), "refused TLS") {
		return ErrRefused
	}
	return ErrUnreachable
}

// kindOfState maps the SQLSTATE codes of PostgreSQL, appendix A of its manual.
func kindOfState(state string) error {
	switch state {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return errConflict
	case "28000", "28P01", "3D000", "42501": // login, unknown database, no privilege
		return ErrRefused
	case "53100", "53400": // disk_full, configuration_limit_exceeded
		return ErrFull
	case "55P03": // lock_not_available
		return ErrLocked
	case "57P01", "57P02", "57P05", "25P03": // the server ended this connection
		return errLost
	case "53200", "53300", "57P03", "25006": // no memory, no slot, starting, a standby
		return ErrUnavailable
	}
	if strings.HasPrefix(state, "08") {
		return errLost
	}
	return nil
}

// kindOfCode maps the result codes of SQLite, https://sqlite.org/rescode.html.
func kindOfCode(code int) error {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return errConflict
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_READONLY:
		return ErrReadOnly
	case sqlite3.SQLITE_NOTADB:
		return ErrRefused
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return ErrUnavailable
	}
	return nil
}
