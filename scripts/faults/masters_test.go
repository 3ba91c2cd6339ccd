package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// masters is MASTER_KEYS as the platform has it now. A process keeps what it was
// started with; a new value is a deploy, which rolls all of them.
type masters struct {
	mu      sync.Mutex
	entries []string
	stale   chan struct{} // closed by the next value
}

func newMasters() *masters {
	return &masters{entries: []string{newEntry(1)}, stale: make(chan struct{})}
}

func newEntry(version int) string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return fmt.Sprintf("%d:%s", version, hex.EncodeToString(key))
}

// now is the value, and a channel that is closed when it no longer is.
func (m *masters) now() (text string, stale <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.entries, ","), m.stale
}

func (m *masters) env() []string {
	if m == nil {
		return nil
	}
	text, _ := m.now()
	return []string{"MASTER_KEYS=" + text}
}

func (m *masters) change(to func(entries []string) []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = to(slices.Clone(m.entries))
	close(m.stale)
	m.stale = make(chan struct{})
}

// The steps by which an operator replaces a master key, as docs/operations.md
// tells them. Each waits until the deploy of the one before is through.
const (
	addSecond = iota
	promote
	reseal
	dropOld
	steps
)

// deployed tells whether every place has a process with the newest settings, and
// none has another.
func (f *fleet) deployed(ctx context.Context) bool {
	want, _ := f.app.masters.now()
	f.mu.Lock()
	all := make([]*member, 0, len(f.members))
	for m := range f.members {
		all = append(all, m)
	}
	f.mu.Unlock()
	for _, m := range all {
		if m.masters != want || !m.settled.Load() && !f.takesPart(ctx, m) {
			return false
		}
	}
	return len(all) == f.plan.instances+f.plan.workers
}

// advance takes the next step of replacing a master key, once it may be taken.
func (k *rotator) advance(ctx context.Context) {
	all := k.run.app.masters
	if !k.run.fleet.deployed(ctx) {
		return
	}
	switch k.step {
	case addSecond:
		k.newest++
		all.change(func(e []string) []string { return append(e, newEntry(k.newest)) })
	case promote:
		all.change(func(e []string) []string { slices.Reverse(e); return e })
	case reseal:
		if k.attempt(ctx, "keys", "rotate", "master") != nil {
			return
		}
		old, err := k.under(ctx, k.newest-1)
		if err != nil { // the database is away: again
			return
		}
		k.run.book.wrong(keysLeft, old, "after app keys rotate master %d keys are under version %d", old, k.newest-1)
	case dropOld:
		all.change(func(e []string) []string { return e[:1] })
		k.run.book.add(mastersReplaced, 1)
	}
	k.step = (k.step + 1) % steps
}

// under asks app keys status how many keys are under a version, and fails when
// it does not tell that the version may be dropped though none is.
func (k *rotator) under(ctx context.Context, version int) (keys int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := k.run.app.command(ctx, nil, "keys", "status", "--json").Output()
	if err != nil {
		return 0, fmt.Errorf("app keys status: %w", err)
	}
	var got struct {
		Masters []struct {
			Version int
			Keys    int64
			MayDrop bool `json:"may_drop"`
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return 0, fmt.Errorf("app keys status: %w", err)
	}
	for _, m := range got.Masters {
		if m.Version != version {
			continue
		}
		if m.MayDrop != (m.Keys == 0) {
			k.run.book.wrong(keysLeft, 1, "app keys status says of version %d: %s", version, out)
		}
		return m.Keys, nil
	}
	return 0, fmt.Errorf("app keys status does not name version %d: %s", version, out)
}

// complete goes on, when all is well, until the deploy of a single master key is
// through, and one was replaced at least.
func (k *rotator) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for k.step != addSecond || k.newest == 1 || !k.run.fleet.deployed(ctx) {
		k.advance(ctx)
		if !rest(ctx, 200*time.Millisecond) {
			return errors.New("a deploy of master keys does not come to an end")
		}
	}
	return nil
}
