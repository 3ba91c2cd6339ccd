package transfer

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/account"
)

// TestDeletedAccount proves that what a deleted account had ends at once, gives
// its bytes back and is purged, and that nothing of another account's is touched.
func TestDeletedAccount(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		whole, open, undo, empty := f.begin(t, LinkFields{}), f.begin(t, LinkFields{Message: "For you"}), f.begin(t, LinkFields{}), f.begin(t, LinkFields{})
		files := f.declare(t, whole, 100, 200)
		f.putAll(t, whole, files...)
		done := f.complete(t, whole)
		half := f.declareCut(t, open, "cut", 300, 100)
		f.putSome(t, open, half, 1)
		f.putAll(t, undo, f.declare(t, undo, 50)...)
		f.complete(t, undo)
		if err := f.DeleteTransfer(ctx, f.studio.ID, undo.id, guest); err != nil {
			t.Fatal(err)
		}
		other, err := f.accounts.Create(ctx, account.NewAccount{Email: "other@example.com", Name: "Other"})
		if err != nil {
			t.Fatal(err)
		}
		own, err := f.StartOwn(ctx, other.ID, OwnTransfer{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := f.Holdings(ctx, f.studio.ID)
		if d := cmp.Diff(Holdings{Links: 4, Transfers: 4, Files: 4, Bytes: 450}, h); d != "" || err != nil {
			t.Errorf("holdings (-want +got), %v:\n%s", err, d)
		}
		if err := f.EndAccount(ctx, f.studio.ID); err != nil {
			t.Fatal(err)
		}
		f.wantTransfer(t, whole.id, Complete) // it is not deleted

		if err := f.accounts.Delete(ctx, f.studio.ID); err != nil {
			t.Fatal(err)
		}
		_, err = f.AuthUpload(ctx, open.token)
		wantErr(t, "a guest's token", err, ErrUnauthenticated)
		_, err = f.AuthFetch(ctx, done.Token, "lzd_x")
		wantErr(t, "a share", err, ErrShareNotFound)
		_, err = f.service().accounts.FileKey(ctx, files[0].ID, f.studio.ID)
		wantErr(t, "the key of a file", err, account.ErrShredded)
		// The command does the one half, and the sweep what it left.
		for range 2 {
			if err := f.EndAccount(ctx, f.studio.ID); err != nil {
				t.Fatal(err)
			}
		}
		f.wantBorne(t, 0, 0)
		f.sweep(t)
		for _, b := range []begun{whole, open, undo, empty} {
			if n := f.number(t, "SELECT COUNT(*) FROM transfers WHERE id = $1 AND state = 'purged' AND purge_at IS NULL", b.id); n != 1 {
				t.Errorf("transfer %s is not purged", b.id)
			}
		}
		f.wantBucket(t, 0, 0)
		for _, table := range []string{"files", "file_keys", "parts"} {
			if n := f.number(t, "SELECT COUNT(*) FROM "+table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		if n := f.number(t, "SELECT COUNT(*) FROM links WHERE message <> '' OR deleted_at IS NULL"); n != 0 {
			t.Errorf("%d links say something yet", n)
		}
		f.wantTransfer(t, own.Transfer.ID, Receiving)
		if err := f.accounts.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM keys WHERE kind = 'account'"); n != 1 {
			t.Errorf("%d account keys are left, want the other account's", n)
		}
	})
}

// What a sweep finds of a deleted account it ends, whoever began it.
func TestSweepEndsDeletedAccounts(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 100)...)
		if err := f.accounts.Delete(ctx, f.studio.ID); err != nil {
			t.Fatal(err)
		}
		late, err := f.StartOwn(ctx, f.studio.ID, OwnTransfer{}) // of a call that was let in before
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Declare(ctx, f.own(), late.Transfer.ID, []NewFile{{Path: "a", Size: 1}}); !errors.Is(err, account.ErrShredded) {
			t.Errorf("declare: %v", err)
		}
		f.sweep(t)
		f.wantBorne(t, 0, 0)
		f.wantBucket(t, 0, 0)
		if n := f.number(t, "SELECT COUNT(*) FROM transfers WHERE state <> 'purged'"); n != 0 {
			t.Errorf("%d transfers live", n)
		}
	})
}

// Files are declared, sent and read while the account's key rotates; none gets a
// key that was retired before it.
func TestDeclareWhileKeysRotate(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		b := f.begin(t, LinkFields{})
		stop := make(chan struct{})
		var rotating sync.WaitGroup
		rotating.Go(func() {
			for {
				if r, err := f.accounts.RotateAccount(ctx, f.studio.ID, func(account.Rotated) {}); err != nil || r.Failed > 0 {
					t.Errorf("rotate: %+v, %v", r, err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		var sent []File
		for i := range 20 {
			d, err := f.Declare(ctx, b.Access, b.id, []NewFile{{Path: fmt.Sprintf("f%d", i), Size: 10}})
			if err != nil {
				t.Errorf("declare: %v", err)
				break
			}
			f.putAll(t, b, d.Files[0].File)
			sent = append(sent, d.Files[0].File)
		}
		close(stop)
		rotating.Wait()
		if _, err := f.accounts.RotateAccount(ctx, f.studio.ID, func(account.Rotated) {}); err != nil {
			t.Error(err)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM keys WHERE kind = 'account'"); n != 1 {
			t.Errorf("%d account keys are left", n)
		}
		f.complete(t, b)
		for _, file := range sent {
			f.wantSame(t, file)
		}
	})
}
