package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// Bounds of live views. They take connections of those that no body may have.
const (
	livePerAccount = 16
	liveAtMost     = 256
)

const eventStream = "text/event-stream"

// lives counts the live views that are open, and ends them.
type lives struct {
	most  int
	ended chan struct{} // closed when the server drains

	mu      sync.Mutex
	closed  bool
	total   int
	account map[string]int
}

func newLives(maxConns int) *lives {
	return &lives{most: min(liveAtMost, max(1, maxConns/8)), ended: make(chan struct{}), account: map[string]int{}}
}

func (l *lives) enter(accountID string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errDraining
	}
	if l.total >= l.most || l.account[accountID] >= livePerAccount {
		return nil, errTooManyLive
	}
	l.total++
	l.account[accountID]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.total--
		lower(l.account, accountID)
	}, nil
}

func (l *lives) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.ended)
	}
}

// live tells how a transfer goes on as long as somebody looks. It looks at rows,
// so it does not matter which server takes the parts. The stream ends when the
// transfer is gone, who looks may no longer, or the server drains.
func (s *Server) live(c *call) error {
	t, err := s.transfers.Transfer(c.r.Context(), c.access, c.id())
	if err != nil {
		return err
	}
	leave, err := s.lives.enter(c.access.AccountID)
	if err != nil {
		return err
	}
	defer leave()
	h := c.w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies that know it pass events on at once
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	v := liveView{c: c, said: time.Now()}
	if v.write("retry: 3000\n\n") && v.progress(t) {
		v.follow()
	}
	return nil
}

// liveView is one open stream. Its beat is the machine's clock, as that of
// deadlines is.
type liveView struct {
	c    *call
	last []byte    // the transfer as it was told
	said time.Time // when anything was told
}

func (v *liveView) follow() {
	c := v.c
	tick := time.NewTicker(c.s.limits.LiveEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.r.Context().Done():
			c.w.gone = true
			return
		case <-c.s.lives.ended:
			return
		case <-tick.C:
		}
		if !v.look() {
			return
		}
	}
}

// look tells what is new, and whether to go on. A database that does not answer
// now may do so with the next look.
func (v *liveView) look() bool {
	c := v.c
	ctx := c.r.Context()
	if _, err := authenticators()[c.kind](ctx, c.s, c.secret); err != nil {
		if errors.Is(err, account.ErrUnauthenticated) {
			return false
		}
		return v.beat()
	}
	t, err := c.s.transfers.Transfer(ctx, c.access, c.id())
	switch {
	case errors.Is(err, transfer.ErrTransferMissing), errors.Is(err, transfer.ErrNotFound):
		v.write("event: gone\ndata: {}\n\n")
		return false
	case err != nil:
		return v.beat()
	}
	return v.progress(t)
}

// progress tells of the transfer, unless that was told already.
func (v *liveView) progress(t transfer.Transfer) bool {
	data, err := json.Marshal(wireTransfer(t))
	if err != nil {
		v.c.w.cause = fmt.Errorf("write progress: %w", err)
		return false
	}
	if bytes.Equal(data, v.last) {
		return v.beat()
	}
	v.last = data
	return v.write("event: progress\ndata: " + string(data) + "\n\n")
}

// beat keeps a quiet stream open through proxies.
func (v *liveView) beat() bool {
	if time.Since(v.said) < v.c.s.limits.LiveBeat {
		return true
	}
	return v.write(":\n\n")
}

func (v *liveView) write(text string) bool {
	v.c.w.moveWriteDeadline()
	_, err := v.c.w.Write([]byte(text))
	if err == nil {
		err = v.c.w.rc.Flush()
	}
	v.said = time.Now()
	v.c.w.gone = err != nil
	return err == nil
}

func liveRoute() route {
	return route{method: "GET", pattern: "/api/v1/transfers/{id}/live", summary: "How a transfer goes on, as server-sent events",
		tokens: studio(), media: eventStream, quiet: true, handle: (*Server).live, problems: []api.Code{api.Busy, api.Draining}}
}
