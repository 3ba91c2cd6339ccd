package web

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// connLimit bounds the connections of a listener. At the bound a new connection
// takes the place of the one that is idle longest, or else of the one that keeps
// us waiting longest for a small body. Where there is none it waits
// for one to end, and the system's backlog holds those behind it. Since at most
// three quarters of all may carry large bodies, the rest are such or short and
// the wait is too.
type connLimit struct {
	net.Listener
	max int

	mu    sync.Mutex
	freed sync.Cond // a connection ended, became idle or slow, or the listener closed
	conns map[net.Conn]*limitedConn
	idle  list.List // of *limitedConn, longest idle first
	slow  list.List // of *limitedConn, longest awaited first
	ended bool
}

// limitedConn is an open connection. place is its place among the idle or the
// slow ones, nil while a handler has it.
type limitedConn struct {
	net.Conn
	limit *connLimit
	in    *list.List
	place *list.Element
}

// CloseWrite sends what was written and the end. net/http does so before it
// closes a connection whose request it did not read to its end, and waits a
// little: the answer would be lost in a reset otherwise.
func (c *limitedConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
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
	boundBacklog(raw)
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
			oldest = c.slow.Front()
		}
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
		c.put(lc, &c.idle)
	case http.StateActive: // its header is there
		c.put(lc, nil)
	case http.StateClosed, http.StateHijacked:
		c.forget(lc)
	}
}

// put makes a connection one of those that give way, or with nil one that does
// not.
func (c *connLimit) put(lc *limitedConn, where *list.List) {
	if lc.place != nil && lc.in == where {
		return
	}
	if lc.place != nil {
		lc.in.Remove(lc.place)
		lc.place = nil
	}
	if where != nil {
		lc.in, lc.place = where, where.PushBack(lc)
		c.freed.Signal()
	}
}

func (c *connLimit) forget(lc *limitedConn) {
	c.put(lc, nil)
	delete(c.conns, lc)
	c.freed.Signal()
}

// connKey finds a request's *limitedConn in its context.
type connKey struct{}

// context is the server's ConnContext.
func (c *connLimit) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// hold says that a handler needs the request's connection.
func hold(r *http.Request) { place(r, func(*connLimit) *list.List { return nil }) }

// offer says that its handler waits for what a stranger may never send.
func offer(r *http.Request) { place(r, func(c *connLimit) *list.List { return &c.slow }) }

func place(r *http.Request, where func(*connLimit) *list.List) {
	lc, ok := r.Context().Value(connKey{}).(*limitedConn)
	if !ok {
		return // not one of Serve's
	}
	c := lc.limit
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, open := c.conns[lc]; open {
		c.put(lc, where(c))
	}
}

// quickBody is within what time a small body is there, unless its sender is slow
// or does not mean to send it.
const quickBody = time.Second

// slowly lets a request's connection be taken for another while its body is slow
// to come. here ends that.
func slowly(r *http.Request) (here func()) {
	var mu sync.Mutex
	ended := false
	timer := time.AfterFunc(quickBody, func() {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			offer(r)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		ended = true
		hold(r)
	}
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
