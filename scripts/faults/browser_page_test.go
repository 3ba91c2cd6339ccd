package faults_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// flat holds the memory of the last third of the sending to that of the first.
func (b *guestPage) flat() {
	third := len(b.seen) / 3
	if third == 0 {
		return
	}
	middle := func(seen []memory, of func(memory) int64) float64 {
		all := make([]int64, len(seen))
		for i, m := range seen {
			all[i] = of(m)
		}
		slices.Sort(all)
		return float64(all[len(all)/2]) / (1 << 20)
	}
	for _, kind := range []struct {
		name string
		of   func(memory) int64
		room float64 // MiB that it may grow
	}{
		{"script's heap", func(m memory) int64 { return m.heap }, 16},
		{"renderer", func(m memory) int64 { return m.renderer }, 64},
		{"whole browser", func(m memory) int64 { return m.all }, 128},
	} {
		first, last := middle(b.seen[:third], kind.of), middle(b.seen[len(b.seen)-third:], kind.of)
		most := slices.MaxFunc(b.seen, func(x, y memory) int { return int(kind.of(x) - kind.of(y)) })
		b.tellNow("memory of the %s: %.0f MiB in the first third, %.0f MiB in the last, %.0f MiB at most\n",
			kind.name, first, last, float64(kind.of(most))/(1<<20))
		if *flagBrowser && last-first > kind.room {
			b.t.Errorf("the memory of the %s grows from %.0f to %.0f MiB", kind.name, first, last)
		}
	}
}

// forget deletes the one transfer that there is, so that the disk holds one at a time.
func (b *guestPage) forget(ctx context.Context) error {
	if err := b.wantOne(ctx); err != nil {
		return err
	}
	return b.clear(ctx)
}

// wantOne notes if anything but one transfer came of all that was sent: who begins
// another sends again what had arrived.
func (b *guestPage) wantOne(ctx context.Context) error {
	there, err := b.transfers(ctx)
	if err == nil && len(there) != 1 {
		b.book.wrong(filesDiffer, 1, "%d transfers, want one that went on", len(there))
	}
	return err
}

// transfers are the ids of those that are not deleted.
func (b *guestPage) transfers(ctx context.Context) (ids []string, err error) {
	c := newClient("http://"+b.app.addr, b.book)
	defer c.http.CloseIdleConnections()
	var list struct{ Transfers []struct{ ID, State string } }
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/v1/transfers", token: b.run.token}, &list)
	for _, one := range list.Transfers {
		if one.State == "complete" || one.State == "receiving" {
			ids = append(ids, one.ID)
		}
	}
	return ids, err
}

func (b *guestPage) clear(ctx context.Context) error {
	c := newClient("http://"+b.app.addr, b.book)
	defer c.http.CloseIdleConnections()
	ids, err := b.transfers(ctx)
	for _, id := range ids {
		err = errors.Join(err, c.do(ctx, call{method: http.MethodDelete, path: "/api/v1/transfers/" + id, token: b.run.token}, nil))
	}
	return err
}
