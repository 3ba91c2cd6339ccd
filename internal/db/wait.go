package db

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// bounded makes connections whose server may not be silent for longer than limit
// while it is waited for. Without that a line that swallows what is sent would
// hold its callers until they leave, and the pool with them.
func bounded(dial pgconn.DialFunc, limit time.Duration) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: conn, limit: limit}, nil
	}
}

// boundedConn gives each read and write a deadline of its own, unless the driver
// has set an earlier one, as it does where a context ends.
type boundedConn struct {
	net.Conn
	limit time.Duration

	mu    sync.Mutex
	until time.Time // the driver's deadline; zero: none
}

// SetDeadline keeps the driver's deadline, so that no later wait undoes it.
func (c *boundedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetDeadline(t)
}

// Read waits for the server.
func (c *boundedConn) Read(p []byte) (int, error) {
	if err := c.begin(c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write waits for room on the line.
func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.begin(c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *boundedConn) begin(set func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now().Add(c.limit)
	if !c.until.IsZero() && c.until.Before(at) {
		at = c.until
	}
	return set(at)
}
