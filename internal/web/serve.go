package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// headerRoom is what net/http may read of a header before it answers 431
// itself. It lies above the limits of Limits, whose answers are better.
const headerRoom = 64 << 10

// lastWords is how long handlers may take to end when their connections are
// cut.
const lastWords = 5 * time.Second

// Serve answers on l until ctx ends or there were enough requests. Then it
// drains: /readyz says so first, and for Limits.DrainDelay all goes on as
// before. After that nothing further is accepted, and what is in flight may
// finish within drainTimeout. What is left then ends with a broken connection,
// which is an error; a clean end is nil. A listener that fails drains at once.
// Serve returns when no handler runs any more, or five seconds after the
// connections were cut.
func (s *Server) Serve(ctx context.Context, l net.Listener, drainTimeout time.Duration) error {
	limit := newConnLimit(l, s.limits.MaxConns)
	s.conns.Store(limit)
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(errDraining)
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.limits.HeaderWait,
		IdleTimeout:       s.limits.KeepAlive,
		MaxHeaderBytes:    headerRoom,
		ConnState:         limit.state,
		ConnContext:       limit.context,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(limit); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve: %w", err)
		}
	}()
	err := s.untilEnough(ctx, failed)
	s.drain()
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if late := server.Shutdown(patience); late != nil {
		cut(errDraining)
		err = errors.Join(err, fmt.Errorf("drain: %w", errors.Join(late, server.Close())))
		s.running.wait(lastWords)
	}
	<-served
	return err
}

// untilEnough waits for the end of the serving and, unless it is the listener's
// failure, lets those who hand out requests see it first.
func (s *Server) untilEnough(ctx context.Context, failed <-chan error) error {
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	case <-s.enough:
		s.log.InfoContext(ctx, "enough requests were answered", "max_requests", s.limits.MaxRequests)
	}
	s.probes.Drain()
	select {
	case err := <-failed:
		return err
	case <-time.After(s.limits.DrainDelay):
		return nil
	}
}

// countRequest ends Serve after the last request that it may answer.
func (s *Server) countRequest() {
	if s.limits.MaxRequests > 0 && s.answered.Add(1) == int64(s.limits.MaxRequests) {
		close(s.enough)
	}
}

// drain makes the server say that it is ending: it is not ready, and takes no
// further part.
func (s *Server) drain() {
	s.probes.Drain()
	for _, w := range []*slots{s.streams, s.downloads, s.declares} {
		w.close()
	}
	s.lives.close()
}

// inFlight counts handlers, so that nobody closes the database under one.
type inFlight struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // made by wait, closed at zero
}

func (f *inFlight) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *inFlight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	if f.n == 0 && f.none != nil {
		close(f.none)
		f.none = nil
	}
}

// wait returns when no handler runs, or after the time given.
func (f *inFlight) wait(most time.Duration) {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return
	}
	f.none = make(chan struct{})
	none := f.none
	f.mu.Unlock()
	select {
	case <-none:
	case <-time.After(most):
	}
}
