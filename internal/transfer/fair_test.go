package transfer

import (
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

// TestRefusedTurnIsNoGuess: who is sent away because others guess at the share
// has not guessed, and is not shut out for it.
func TestRefusedTurnIsNoGuess(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, _ := f.shared(t)
		for _, from := range []string{"a", "b", "c", "d", "e"} { // the burst is used up
			_, err := f.unlock(t, c.Token, "00000000", "", from)
			wantErr(t, "wrong code", err, ErrCodeWrong)
		}
		for range 20 {
			_, err := f.unlock(t, c.Token, c.Code, "", "honest")
			wantErr(t, "while others guess", err, account.ErrTooManyTries)
		}
		f.clk.forward(2 * time.Second)
		if _, err := f.unlock(t, c.Token, c.Code, "", "honest"); err != nil {
			t.Errorf("the right code after a short wait: %v", err)
		}
	})
}

// TestRestoreNeedsRoom: a delete makes room at once, so its undo asks for it.
func TestRestoreNeedsRoom(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.quota(t, 1500)
		c, file := f.shared(t)
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, c.Share.TransferID, Client{}); err != nil {
			t.Fatal(err)
		}
		other := f.begin(t, LinkFields{})
		f.declare(t, other, 1200)
		_, err := f.RestoreTransfer(t.Context(), f.studio.ID, c.Share.TransferID, Client{})
		wantErr(t, "I5: restore without room", err, account.ErrQuotaExceeded)
		if err := f.AbortTransfer(t.Context(), other.Access, other.id, guest); err != nil {
			t.Fatal(err)
		}
		if _, err := f.RestoreTransfer(t.Context(), f.studio.ID, c.Share.TransferID, Client{}); err != nil {
			t.Fatalf("restore with room: %v", err)
		}
		f.wantBorne(t, 1000, 0)
		f.wantSame(t, file)
		f.checkRows(t)
	})
}

// TestTakeOver: where one process at a time is certain, leases of a crashed one
// are not waited for.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		crashed := f.service()
		if ok, err := crashed.leaseChore(t.Context(), choreSweep); err != nil || !ok {
			t.Fatalf("lease: %v, %v", ok, err)
		}
		if ok, err := f.leaseChore(t.Context(), choreSweep); err != nil || ok {
			t.Fatalf("a second lease: %v, %v", ok, err)
		}
		if err := f.TakeOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ok, err := f.leaseChore(t.Context(), choreSweep); err != nil || !ok {
			t.Errorf("a lease after taking over: %v, %v", ok, err)
		}
	})
}

// TestSameStartOnALinkThatIsGone: a lost reply costs nothing, whatever became of
// the link.
func TestSameStartOnALinkThatIsGone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		l, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{}, Client{})
		if err != nil {
			t.Fatal(err)
		}
		start := NewTransfer{SenderEmail: "anna@larsen.example", IdempotencyKey: make([]byte, 32), Client: guest}
		first, err := f.Start(t.Context(), l.Slug, start)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteLink(t.Context(), f.studio.ID, l.ID, Client{}); err != nil {
			t.Fatal(err)
		}
		again, err := f.Start(t.Context(), l.Slug, start)
		if err != nil || again.UploadToken != first.UploadToken || again.Transfer.ID != first.Transfer.ID {
			t.Errorf("the same start again: %+v, %v", again, err)
		}
		start.IdempotencyKey = nil
		_, err = f.Start(t.Context(), l.Slug, start)
		wantErr(t, "another start", err, ErrLinkNotFound)
	})
}
