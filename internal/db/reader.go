package db

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// readWait bounds how long a read waits for a free connection, which database/sql
// itself does not. The bound ends when the driver is asked; what the read then
// takes is bounded by the caller's context alone. It is a context, and its Err
// says what happened, since a *sql.Row takes an error from nowhere else.
type readWait struct {
	context.Context
	cancel context.CancelFunc
	timer  *time.Timer
	limit  time.Duration
	late   atomic.Bool
}

type readWaitKey struct{}

// waitToRead begins a wait. The driver's rows end it when they are closed; where
// there are none the caller does.
func waitToRead(ctx context.Context, limit time.Duration) *readWait {
	inner, cancel := context.WithCancel(ctx)
	w := &readWait{Context: inner, cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() {
		w.late.Store(true)
		cancel()
	})
	return w
}

// Err is that of the context, or says that the wait was too long.
func (w *readWait) Err() error {
	err := w.Context.Err()
	if err != nil && w.late.Load() {
		return fmt.Errorf("%w: no connection became free within %v", ErrUnavailable, w.limit)
	}
	return err
}

// Value lets the driver find the wait.
func (w *readWait) Value(key any) any {
	if key == (readWaitKey{}) {
		return w
	}
	return w.Context.Value(key)
}

// gotConnection ends the wait that a query came with, and gives what its rows
// have to call when they are closed.
func gotConnection(ctx context.Context) (closed func()) {
	w, ok := ctx.Value(readWaitKey{}).(*readWait)
	if !ok {
		return func() {}
	}
	w.timer.Stop()
	return w.cancel
}

// end is for a wait whose read gave no rows.
func (w *readWait) end() {
	w.timer.Stop()
	w.cancel()
}
