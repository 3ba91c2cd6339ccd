package web

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connLimit bounds the connections of a listener. At the bound a new connection
// takes the place of the one that is idle longest; where none is idle it waits
// for one to end, and the system's backlog holds those behind it. Since at most
// three quarters of all may carry large bodies, the rest are idle or short and
// the wait is too.
type connLimit struct {
	net.Listener
	max int

	mu    sync.Mutex
	freed sync.Cond // a connection ended or became idle, or the listener closed
	conns map[net.Conn]*limitedConn
	idle  list.List // of *limitedConn, longest idle first
	ended bool
}

// limitedConn is an open connection. place is its place among the idle ones,
// nil while it has a request in flight.
type limitedConn struct {
	net.Conn
	limit *connLimit
	place *list.Element
}

func newConnLimit(l net.Listener, limit int) *connLimit {
	c := &connLimit{Listener: l, max: limit, conns: map[net.Conn]*limitedConn{}}
	c.freed.L = &c.mu
	return c
}

// Accept waits for a connection and for room.
func (c *connLimit) Accept() (net.Conn, error) {
	raw, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &limitedConn{Conn: raw, limit: c}
	if !c.admit(conn) {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	return conn, nil
}

// admit makes room, by closing an idle connection where there is one.
func (c *connLimit) admit(conn *limitedConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.conns) >= c.max && !c.ended {
		oldest := c.idle.Front()
		if oldest == nil {
			c.freed.Wait()
			continue
		}
		victim := oldest.Value.(*limitedConn)
		c.forget(victim)
		_ = victim.Conn.Close()
	}
	if c.ended {
		return false
	}
	c.conns[conn] = conn
	return true
}

// state follows net/http: it is the server's ConnState.
func (c *connLimit) state(conn net.Conn, st http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lc, ok := c.conns[conn]
	if !ok {
		return
	}
	switch st {
	case http.StateNew, http.StateIdle:
		if lc.place == nil {
			lc.place = c.idle.PushBack(lc)
		}
		c.freed.Signal()
	case http.StateActive:
		c.busy(lc)
	case http.StateClosed, http.StateHijacked:
		c.forget(lc)
	}
}

func (c *connLimit) busy(lc *limitedConn) {
	if lc.place != nil {
		c.idle.Remove(lc.place)
		lc.place = nil
	}
}

func (c *connLimit) forget(lc *limitedConn) {
	c.busy(lc)
	delete(c.conns, lc)
	c.freed.Signal()
}

// Close ends the listener and whoever waits in Accept.
func (c *connLimit) Close() error {
	c.mu.Lock()
	c.ended = true
	c.freed.Broadcast()
	c.mu.Unlock()
	return c.Listener.Close()
}

func (c *connLimit) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns)
}
