package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// The types of this file sit between database/sql and a driver, so that every
// error gets its kind in one place, wherever a caller meets it.

// connector opens connections, or takes them from pgxpool, within a limit of time.
type connector struct {
	driver.Connector
	limit time.Duration
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	inner, err := c.Connector.Connect(bounded)
	if err != nil {
		if bounded.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("%w: no connection became free within %v", ErrUnavailable, c.limit)
		}
		err = classify(err)
		if ctx.Err() != nil && !classified(err) { // a pool says that it was cancelled, and ctx why
			err = fmt.Errorf("%w (%v)", ctx.Err(), err)
		}
		return nil, err
	}
	full, ok := inner.(fullConn)
	if !ok {
		return nil, fmt.Errorf("connection %T lacks the context methods", inner)
	}
	return &conn{full}, nil
}

// fullConn is what the connections of both drivers can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

type conn struct{ fullConn }

// kind classifies err. What the end of ctx broke is the error of ctx; any other
// error that closed the connection is a loss.
func (c *conn) kind(ctx context.Context, err error) error {
	if err == nil || answered(err) {
		return classify(err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%v)", ctx.Err(), err)
	}
	if pg, ok := c.fullConn.(*stdlib.Conn); ok && pg.Conn().IsClosed() {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return classify(err)
}

// answered tells whether the server itself said what went wrong.
func answered(err error) bool {
	_, ok := errors.AsType[*pgconn.PgError](err)
	return ok
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.fullConn.ExecContext(ctx, query, args)
	return res, c.kind(ctx, err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	closed := gotConnection(ctx)
	inner, err := c.fullConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, c.kind(ctx, err)
	}
	return &rows{Rows: inner, conn: c, ctx: ctx, closed: closed}, nil
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.kind(ctx, err)
	}
	return &stmt{Stmt: inner, conn: c}, nil
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	inner, err := c.fullConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.kind(ctx, err)
	}
	return &tx{Tx: inner, conn: c}, nil
}

func (c *conn) Ping(ctx context.Context) error {
	return c.kind(ctx, c.fullConn.Ping(ctx))
}

// CheckNamedValue asks the driver where it has an opinion of its own.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// IsValid keeps connections that are known to be broken out of the pool.
func (c *conn) IsValid() bool {
	if v, ok := c.fullConn.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

type rows struct {
	driver.Rows
	conn *conn
	ctx  context.Context // of the query, which bounds its rows too

	closed func() // is told when they are closed; nil: nobody asks
}

func (r *rows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err == io.EOF { // database/sql compares it by identity
		return err
	}
	return r.conn.kind(r.ctx, err)
}

func (r *rows) Close() error {
	err := r.conn.kind(r.ctx, r.Rows.Close())
	if r.closed != nil {
		r.closed()
	}
	return err
}

type stmt struct {
	driver.Stmt
	conn *conn
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	execer, ok := s.Stmt.(driver.StmtExecContext)
	if !ok {
		return nil, fmt.Errorf("statement %T lacks the context methods", s.Stmt)
	}
	res, err := execer.ExecContext(ctx, args)
	return res, s.conn.kind(ctx, err)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	queryer, ok := s.Stmt.(driver.StmtQueryContext)
	if !ok {
		return nil, fmt.Errorf("statement %T lacks the context methods", s.Stmt)
	}
	inner, err := queryer.QueryContext(ctx, args)
	if err != nil {
		return nil, s.conn.kind(ctx, err)
	}
	return &rows{Rows: inner, conn: s.conn, ctx: ctx}, nil
}

type tx struct {
	driver.Tx
	conn *conn
}

// Commit calls a connection that ended meanwhile an unknown outcome, also where
// the server said FATAL. It does not trust pgconn.SafeToRetry: pgx v5.12 answers
// "conn closed", safe to retry, to a simple query that was sent and got no reply.
func (t *tx) Commit() error {
	pg, ok := t.conn.fullConn.(*stdlib.Conn)
	if ok && pg.Conn().IsClosed() {
		return fmt.Errorf("%w before the commit", errLost)
	}
	err := t.Tx.Commit()
	if err != nil && ok && pg.Conn().IsClosed() {
		return fmt.Errorf("%w (%v)", ErrOutcomeUnknown, err)
	}
	return classify(err)
}

func (t *tx) Rollback() error {
	return classify(t.Tx.Rollback())
}
