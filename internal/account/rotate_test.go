package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

func quiet(Rotated) {}

func (f *fixture) number(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	if err := f.db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wantKeys checks that a server which holds only these master keys opens every
// file key.
func (f *fixture) wantKeys(t *testing.T, ring, accountID string, files map[string]seal.Key) {
	t.Helper()
	f.ring.set(ring)
	f.forget()
	for file, want := range files {
		if got, err := f.FileKey(t.Context(), file, accountID); err != nil || got != want {
			t.Errorf("with %.2s…: key of file %s: %v, the key made: %v", ring, file, err, got == want)
		}
	}
}

func TestRotateMaster(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		first := f.create(t, "first@example.com")
		file, key := f.addFile(t, first)
		hash, version, err := f.HashCode(ctx, "K7QM2XW9")
		if err != nil {
			t.Fatal(err)
		}
		for i := range rotateBatch {
			f.create(t, fmt.Sprintf("a%d@example.com", i))
		}
		f.ring.set(ringBoth)

		// Stopped after its first batch, it goes on from there.
		stopped, stop := context.WithCancel(ctx)
		cut, err := f.RotateMaster(stopped, func(Rotated) { stop() })
		if !errors.Is(err, context.Canceled) || cut.Done != rotateBatch {
			t.Errorf("stopped: %+v, %v; want %d done", cut, err, rotateBatch)
		}
		var told []Rotated
		rest, err := f.RotateMaster(ctx, func(r Rotated) { told = append(told, r) })
		if err != nil || rest != (Rotated{Done: 2}) || len(told) == 0 || told[len(told)-1] != rest {
			t.Errorf("the rest: %+v, %v, told %+v; want 2 done", rest, err, told)
		}
		if again, err := f.RotateMaster(ctx, quiet); err != nil || again != (Rotated{}) {
			t.Errorf("again: %+v, %v; want nothing to do", again, err)
		}
		f.wantKeys(t, "2:"+hexTwo, first, map[string]seal.Key{file: key})
		if ok, err := f.CheckCode(ctx, "K7QM2XW9", hash, version); !ok || err != nil {
			t.Errorf("a code of before under the new master key: %v, %v", ok, err)
		}
		f.ring.set(ringOne) // a server that was not told of the new key
		f.forget()
		if _, err := f.FileKey(ctx, file, first); !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("without the new key: %v, want ErrKeyUnavailable", err)
		}
	})
}

func TestRotateMasterLeavesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		good, bad, gone := f.create(t, "good@example.com"), f.create(t, "bad@example.com"), f.create(t, "gone@example.com")
		f.exec(t, `UPDATE keys SET private_sealed = $2 WHERE owner_id = $1`, bad, make([]byte, 60))
		if err := f.Delete(ctx, gone); err != nil {
			t.Fatal(err)
		}
		f.ring.set(ringBoth)
		r, err := f.RotateMaster(ctx, quiet)
		if err != nil || r.Done != 1 || r.Left != 1 || r.Failed != 1 || !errors.Is(r.Reason, seal.ErrKeyDamaged) {
			t.Errorf("%+v, %v; want one done, one left that is damaged", r, err)
		}
		if n := f.number(t, `SELECT master_version FROM keys WHERE owner_id = $1`, good); n != 2 {
			t.Errorf("the good key is under version %d", n)
		}
		if n := f.number(t, `SELECT COUNT(*) FROM keys WHERE owner_id = $1 AND private_sealed IS NULL`, gone); n != 1 {
			t.Error("a destroyed key came back")
		}
		uses, err := f.MasterUses(ctx)
		if err != nil || len(uses) != 2 {
			t.Fatalf("MasterUses = %+v, %v", uses, err)
		}
		if u := uses[0]; u.Version != 2 || !u.Seals || !u.Held || u.Keys != 1 || u.Failed != 0 {
			t.Errorf("version 2: %+v", u)
		}
		if u := uses[1]; u.Version != 1 || u.Seals || !u.Held || u.Keys != 1 || u.Failed != 1 || u.Reason == nil {
			t.Errorf("version 1: %+v", u)
		}
		f.ring.set("")
		if _, err := f.RotateMaster(ctx, quiet); !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("without master keys: %v", err)
		}
		if _, err := f.MasterUses(ctx); !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("status without master keys: %v", err)
		}
	})
}

// A server with the old order of keys seals under the old one while another
// rotates; nothing is lost, and the next rotation finds it.
func TestMastersOfBothOrders(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		old := New(Options{DB: f.db, Now: f.clock.time,
			Ring: func(context.Context, uint32) (*seal.Ring, error) { return seal.ParseRing(ringOne + ",2:" + hexTwo) }})
		f.ring.set(ringBoth)
		files := map[string]seal.Key{}
		id := f.create(t, "a@example.com")
		var mu sync.Mutex
		done := make(chan struct{})
		var rotators sync.WaitGroup
		for range 2 {
			rotators.Go(func() {
				for {
					if r, err := f.RotateMaster(ctx, quiet); err != nil || r.Failed != 0 {
						t.Errorf("rotate: %+v, %v", r, err)
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		count(t, atOnce(20, func(i int) error {
			s := []*Service{old, f.Service}[i%2]
			if _, err := s.Create(ctx, NewAccount{Email: fmt.Sprintf("b%d@example.com", i), Name: "B"}); err != nil {
				return err
			}
			fileID := db.NewID()
			sealer, err := s.NewFileKeys(ctx, id)
			if err != nil {
				return err
			}
			key, _, sealed, err := sealer.New(fileID)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			f.insertFile(t, id, fileID)
			files[fileID] = key
			return inTx(ctx, f.db, func(ctx context.Context, tx db.Querier) error {
				return s.InsertFileKey(ctx, tx, fileID, sealer.keyID, sealed)
			})
		}), nil)
		close(done)
		rotators.Wait()
		if r, err := f.RotateMaster(ctx, quiet); err != nil || r.Left != 0 {
			t.Errorf("the last rotation: %+v, %v", r, err)
		}
		f.wantKeys(t, "2:"+hexTwo, id, files)
	})
}

func TestRotateAccount(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id, other := f.create(t, "a@example.com"), f.create(t, "b@example.com")
		files := map[string]seal.Key{}
		for range 5 {
			file, key := f.addFile(t, id)
			files[file] = key
		}
		foreign, foreignKey := f.addFile(t, other)
		late, err := f.NewFileKeys(ctx, id) // of a declare under way
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.RotateAccount(ctx, id, quiet)
		if err != nil || r != (Rotated{Done: 5}) {
			t.Errorf("rotate: %+v, %v", r, err)
		}
		f.wantKeys(t, ringOne, id, files)
		f.wantKeys(t, ringOne, other, map[string]seal.Key{foreign: foreignKey})
		if n := f.number(t, `SELECT version FROM keys WHERE owner_id = $1`, id); n != 2 {
			t.Errorf("the one key that is left has version %d", n)
		}
		if err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
			if ok, err := f.Seals(ctx, tx, late.keyID); ok || err != nil {
				t.Errorf("the old key still seals: %v, %v", ok, err)
			}
			fresh, err := f.NewFileKeys(ctx, id)
			if err != nil {
				return err
			}
			if ok, err := f.Seals(ctx, tx, fresh.keyID); !ok || err != nil {
				t.Errorf("the new key seals: %v, %v", ok, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		// The second time there is a third key.
		if r, err := f.RotateAccount(ctx, id, quiet); err != nil || r.Done != 5 {
			t.Errorf("again: %+v, %v", r, err)
		}
		f.wantKeys(t, ringOne, id, files)
		if _, err := f.RotateAccount(ctx, db.NewID(), quiet); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such account: %v", err)
		}
		events, _, err := f.Events(ctx, id, Page{})
		if err != nil || events[0].Kind != EventKeyRotated || events[0].Detail["version"] != 3.0 {
			t.Errorf("events: %+v, %v", events, err)
		}
	})
}

func TestRotateAccountGoesOn(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		files := map[string]seal.Key{}
		for range rotateBatch + 3 {
			file, key := f.addFile(t, id)
			files[file] = key
		}
		stopped, stop := context.WithCancel(ctx)
		cut, err := f.RotateAccount(stopped, id, func(Rotated) { stop() })
		if !errors.Is(err, context.Canceled) || cut.Done != rotateBatch {
			t.Errorf("stopped: %+v, %v", cut, err)
		}
		f.wantKeys(t, ringOne, id, files) // under two keys
		var broken string
		var sealed []byte
		if err := f.db.QueryRowContext(ctx, `SELECT f.file_id, f.sealed FROM file_keys f JOIN keys k ON k.id = f.key_id
			WHERE k.version = 1 ORDER BY f.file_id LIMIT 1`).Scan(&broken, &sealed); err != nil {
			t.Fatal(err)
		}
		f.exec(t, `UPDATE file_keys SET sealed = $2 WHERE file_id = $1`, broken, make([]byte, 80))
		r, err := f.RotateAccount(ctx, id, quiet)
		if err != nil || r.Done != 2 || r.Left != 1 || r.Failed != 1 || !errors.Is(r.Reason, ErrKeyUnavailable) {
			t.Errorf("with a key that does not open: %+v, %v", r, err)
		}
		f.exec(t, `UPDATE file_keys SET sealed = $2 WHERE file_id = $1`, broken, sealed)
		if r, err := f.RotateAccount(ctx, id, quiet); err != nil || r != (Rotated{Done: 1}) {
			t.Errorf("mended: %+v, %v", r, err)
		}
		if n := f.number(t, `SELECT COUNT(*) FROM keys WHERE owner_id = $1`, id); n != 1 {
			t.Errorf("%d keys are left, want 1", n)
		}
		f.wantKeys(t, ringOne, id, files)
	})
}

// Readers find every key at any moment of rotations that run at once.
func TestReadWhileAccountsRotate(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		file, want := f.addFile(t, id)
		reader := New(Options{DB: f.db, Ring: f.ring.get, Now: f.clock.time})
		done := make(chan struct{})
		var reading sync.WaitGroup
		reading.Go(func() {
			for {
				if got, err := reader.loadFileKey(t.Context(), file, id); err != nil || got != want {
					t.Errorf("while rotating: %v, the key made: %v", err, got == want)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
		count(t, atOnce(4, func(int) error {
			for range 5 {
				if _, err := f.RotateAccount(t.Context(), id, quiet); err != nil {
					return err
				}
			}
			return nil
		}), nil)
		close(done)
		reading.Wait()
		if r, err := f.RotateAccount(t.Context(), id, quiet); err != nil || r.Left != 0 {
			t.Errorf("the last one: %+v, %v", r, err)
		}
	})
}

func TestKeysAreListed(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		f.addFile(t, id)
		if _, _, err := f.CodeKey(ctx); err != nil {
			t.Fatal(err)
		}
		page, next, err := f.Keys(ctx, Page{Limit: 1})
		if err != nil || len(page) != 1 || page[0].Kind != keyCode || next == "" {
			t.Fatalf("first page: %+v, %q, %v", page, next, err)
		}
		page, next, err = f.Keys(ctx, Page{Limit: 1, Cursor: next})
		if err != nil || len(page) != 1 || next != "" || page[0].AccountID != id || page[0].Files != 1 || page[0].Master != 1 {
			t.Errorf("second page: %+v, %q, %v", page, next, err)
		}
	})
}
