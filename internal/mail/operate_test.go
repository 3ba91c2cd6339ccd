package mail

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOperatorsSeeAndMend(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 1)
		f.wantWaiting(t, Waiting{ID: id, State: "queued", Due: f.clock()})
		if err := f.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if state := f.row(t, id).state; state != "queued" {
			t.Errorf("a message that was never tried became %s", state)
		}

		f.fail = func(context.Context) error { return ErrRefused }
		f.deliver(t, id)
		f.wantWaiting(t, Waiting{ID: id, State: "failed", Attempts: 1, Reason: ErrRefused.Error(), Due: f.row(t, id).nextAt})
		f.advance(time.Hour)
		if err := f.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		f.wantWaiting(t, Waiting{ID: id, State: "sending", Reason: ErrRefused.Error(), Due: f.clock()})
		f.fail = nil
		f.deliver(t, id)
		f.wantWaiting(t)
		if len(f.sent) != 2 || f.sent[0].MessageID != f.sent[1].MessageID {
			t.Errorf("sent %+v", f.sent)
		}

		wantNone(t, f.Retry(t.Context(), id)) // it was sent
		wantNone(t, f.Delete(t.Context(), id))
		wantNone(t, f.Retry(t.Context(), "none"))
	})
}

// A message that is being sent belongs to who sends it.
func TestOperatorsLeaveLeasesAlone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 1)
		if _, err := f.lease(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		wantNone(t, f.Retry(t.Context(), id))
		wantNone(t, f.Delete(t.Context(), id))
		f.advance(leaseTime + time.Second) // the process died
		if err := f.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
		f.wantWaiting(t)
	})
}

func wantNone(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrNoSuchMail) {
		t.Errorf("error %v, want %v", err, ErrNoSuchMail)
	}
}

func (f *fixture) wantWaiting(t *testing.T, want ...Waiting) {
	t.Helper()
	got, err := f.Waiting(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].AccountID, want[i].Recipient, want[i].Kind = "account", "guest@example.com", TransferReceipt
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
}
