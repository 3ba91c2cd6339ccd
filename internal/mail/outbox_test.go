package mail

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

func TestMailIsSentOnceAndForgotten(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 3)
		if d := cmp.Diff([]string{id}, f.due(t)); d != "" {
			t.Errorf("due (-want +got):\n%s", d)
		}
		if vars := f.row(t, id).vars; len(vars) == 0 || bytes.Contains(vars, []byte("Anna")) {
			t.Errorf("the row shows what the message says: %q", vars)
		}
		f.deliver(t, id)
		f.deliver(t, id) // a second hint
		f.deliver(t, db.NewID())
		if len(f.sent) != 1 {
			t.Fatalf("sent %d times, want once", len(f.sent))
		}
		e := f.sent[0]
		if e.ID != id || e.MessageID != id+"@studio.example" || e.To != "guest@example.com" || !e.Date.Equal(f.now) {
			t.Errorf("envelope %+v", e)
		}
		if r := f.row(t, id); r.state != "sent" || r.vars != nil || r.attempts != 1 {
			t.Errorf("row %+v, want sent and without its words", r)
		}
		if due := f.due(t); len(due) != 0 {
			t.Errorf("due after it was sent: %v", due)
		}
	})
}

func TestJobDelivers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 3)
		for _, j := range f.Jobs() {
			if j.Kind != JobDeliver {
				t.Errorf("job %q", j.Kind)
			}
			if err := j.Run(t.Context(), id); err != nil || len(f.sent) != 1 {
				t.Errorf("job: %v, sent %d", err, len(f.sent))
			}
		}
	})
}

func TestRolledBackMailIsNone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		stop := errors.New("stop")
		var id string
		err := f.tx(t, func(ctx context.Context, tx *sql.Tx) error {
			var err error
			if id, err = f.Queue(ctx, tx, receipt("a", 1)); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		f.deliver(t, id)
		if len(f.sent) != 0 || len(f.due(t)) != 0 {
			t.Error("a message whose transaction did not stand was sent")
		}
	})
}

func TestQueueRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		for what, change := range map[string]func(*Message){
			"unknown kind": func(m *Message) { m.Kind = "made_up" },
			"no kind":      func(m *Message) { m.Kind = "" },
			"no subject":   func(m *Message) { m.SubjectKey = "" },
			"no recipient": func(m *Message) { m.Recipient = "" },
		} {
			m := receipt("a", 1)
			change(&m)
			if err := f.tx(t, func(ctx context.Context, tx *sql.Tx) error {
				_, err := f.Queue(ctx, tx, m)
				return err
			}); err == nil {
				t.Errorf("%s: no error", what)
			}
		}
	})
}

func TestManyEventsBecomeOneMessage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		first := f.queue(t, "a", 1)
		other := f.queue(t, "b", 1)
		again := f.queue(t, "a", 2)
		if again != first || other == first {
			t.Errorf("ids %s, %s, %s: want one of subject a and another of b", first, other, again)
		}
		f.deliver(t, first)
		if len(f.sent) != 1 || !strings.Contains(f.sent[0].Text, "2 files") {
			t.Fatalf("sent %+v, want the later event", f.sent)
		}
		next := f.queue(t, "a", 3)
		if next == first {
			t.Error("a message that was sent took a later event in")
		}
	})
}

func TestConcurrentEventsBecomeOneMessage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := f.db.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
					_, err := f.Queue(ctx, tx, receipt("a", int64(i)))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if due := f.due(t); len(due) != 1 {
			t.Errorf("%d messages, want 1", len(due))
		}
	})
}

// The first try may have reached somebody although it failed here, so what it
// said must not change under its Message-ID.
func TestTriedMailDoesNotChange(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.fail = func(context.Context) error { return errors.New("connection lost after DATA") }
		first := f.queue(t, "a", 1)
		f.deliver(t, first)
		second := f.queue(t, "a", 2)
		if second == first {
			t.Fatal("a tried message took a later event in")
		}
		f.fail = nil
		f.advance(2 * time.Minute)
		f.deliver(t, first)
		f.deliver(t, second)
		if len(f.sent) != 3 {
			t.Fatalf("sent %d times, want 3", len(f.sent))
		}
		if d := cmp.Diff(f.sent[0], f.sent[1]); d != "" {
			t.Errorf("the repeat differs (-first +second):\n%s", d)
		}
		if f.sent[2].MessageID == f.sent[0].MessageID {
			t.Error("two messages have one Message-ID")
		}
	})
}

func TestManyDeliverOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 1)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := f.Deliver(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(f.sent) != 1 {
			t.Errorf("sent %d times at once, want once", len(f.sent))
		}
	})
}

func TestCrashBetweenSendingAndMarking(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 1)
		m, err := f.lease(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.try(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		// Here the process ends. While its lease runs nobody may go on.
		f.advance(leaseTime - time.Second)
		f.deliver(t, id)
		if len(f.sent) != 1 || len(f.due(t)) != 0 {
			t.Fatalf("sent %d times under a lease", len(f.sent))
		}
		f.advance(time.Second)
		if d := cmp.Diff([]string{id}, f.due(t)); d != "" {
			t.Errorf("due after the lease (-want +got):\n%s", d)
		}
		f.deliver(t, id)
		if len(f.sent) != 2 {
			t.Fatalf("sent %d times, want again", len(f.sent))
		}
		if d := cmp.Diff(f.sent[0], f.sent[1]); d != "" {
			t.Errorf("the repeat differs (-first +second):\n%s", d)
		}
		if r := f.row(t, id); r.state != "sent" {
			t.Errorf("row %+v", r)
		}
	})
}

// A process that comes back after its lease ended must not undo what the next
// one does, but that its message went out is true all the same.
func TestLateProcess(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 1)
		late, err := f.lease(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		f.advance(leaseTime)
		if _, err := f.lease(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		before := f.row(t, id)
		for _, cause := range []error{errors.New("temporary"), ErrRefused} {
			if err := f.markTried(t.Context(), late, cause); err != nil {
				t.Fatal(err)
			}
		}
		if after := f.row(t, id); after.state != "sending" || !after.nextAt.Equal(before.nextAt) || len(f.gaveUp) != 0 {
			t.Errorf("the late process changed the row to %+v and gave up %v", after, f.gaveUp)
		}
	})
}

func TestTriesEnd(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.fail = func(context.Context) error {
			return errors.New("451 try again\x00 later \xff" + strings.Repeat("é", 400))
		}
		id := f.queue(t, "a", 1)
		began := f.now
		for i := range defaultAttempts {
			f.deliver(t, id)
			f.deliver(t, id) // before its time
			r := f.row(t, id)
			if r.attempts != i+1 || len(f.sent) != i+1 {
				t.Fatalf("after %d tries the row has %d and %d were sent", i+1, r.attempts, len(f.sent))
			}
			if i < defaultAttempts-1 {
				if wait := r.nextAt.Sub(f.now); r.state != "sending" || wait < firstPause*4/5 || wait > longestPause*6/5 {
					t.Fatalf("try %d: %s, again in %s", i+1, r.state, wait)
				}
				f.advance(r.nextAt.Sub(f.now))
			}
		}
		r := f.row(t, id)
		if r.state != "failed" || len(r.vars) == 0 || !strings.HasPrefix(r.reason, "451 try again") || len(r.reason) > 500 {
			t.Errorf("row %+v, want failed with a reason and its words", r)
		}
		if took := f.now.Sub(began); took < 12*time.Hour || took > 36*time.Hour {
			t.Errorf("gave up after %s, want about a day", took)
		}
		want := []Failure{{MailID: id, AccountID: "account", Recipient: "guest@example.com", Kind: TransferReceipt, Reason: r.reason}}
		if d := cmp.Diff(want, f.gaveUp); d != "" {
			t.Errorf("given up (-want +got):\n%s", d)
		}
		f.advance(48 * time.Hour)
		f.deliver(t, id)
		if len(f.sent) != defaultAttempts || len(f.due(t)) != 0 {
			t.Error("a message given up was tried again")
		}
	})
}

func TestRefusedMailIsGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.fail = func(context.Context) error { return errors.Join(ErrRefused, errors.New("550 no such user")) }
		f.event = errors.New("the event cannot be written")
		id := f.queue(t, "a", 1)
		if err := f.Deliver(t.Context(), id); !errors.Is(err, f.event) {
			t.Errorf("without its event: %v", err)
		}
		if r := f.row(t, id); r.state != "sending" {
			t.Errorf("given up without its event: %+v", r)
		}
		f.event = nil
		f.advance(leaseTime)
		f.deliver(t, id)
		if r := f.row(t, id); r.state != "failed" || len(f.gaveUp) != 1 {
			t.Errorf("row %+v, %d events; want failed and one", r, len(f.gaveUp))
		}
	})
}

// A shutdown in the middle of a try must not leave the row to its lease.
func TestCallerGoesAwayWhileSending(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		for name, answer := range map[string]error{"lost": context.Canceled, "carried away": nil} {
			ctx, cancel := context.WithCancel(t.Context())
			f.fail = func(context.Context) error { cancel(); return answer }
			id := f.queue(t, name, 1)
			if err := f.Deliver(ctx, id); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			r := f.row(t, id)
			if answer == nil && r.state != "sent" {
				t.Errorf("%s: row %+v, want sent", name, r)
			}
			if answer != nil && (r.state != "sending" || !r.nextAt.Before(f.now.Add(leaseTime))) {
				t.Errorf("%s: row %+v, want the next try soon", name, r)
			}
		}
	})
}

func TestWordsThatDoNotOpenWait(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.queue(t, "a", 1)
		open := f.opts.Open
		f.opts.Open = func(context.Context, string, []byte, uint32) ([]byte, error) { return nil, errSeal }
		f.deliver(t, id)
		if r := f.row(t, id); r.state != "sending" || r.reason != errSeal.Error() || len(f.sent) != 0 {
			t.Errorf("row %+v, sent %d; want it to wait", r, len(f.sent))
		}
		f.opts.Open = open
		f.advance(time.Hour)
		f.deliver(t, id)
		if len(f.sent) != 1 {
			t.Error("not sent once the words open again")
		}
	})
}

func TestDueIsBoundedAndInOrder(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var want []string
		for _, subject := range []string{"c", "a", "b"} {
			want = append(want, f.queue(t, subject, 1))
			f.advance(time.Second)
		}
		got, err := f.Due(t.Context(), 2)
		if d := cmp.Diff(want[:2], got); d != "" || err != nil {
			t.Errorf("Due: %v (-want +got):\n%s", err, d)
		}
	})
}

func TestNewNeedsASender(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "nobody", "a@b.c, d@e.f"} {
		if _, err := New(Options{From: from}); err == nil {
			t.Errorf("New with sender %q is no error", from)
		}
	}
}

func TestLogNamesNoRecipient(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var log strings.Builder
		f.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
		for subject, kind := range map[string]error{"later": errors.New("450 busy"), "never": ErrRefused} {
			f.fail = func(context.Context) error { return fmt.Errorf("%w: <guest@example.com>: who is that?", kind) }
			f.deliver(t, f.queue(t, subject, 1))
		}
		if said := log.String(); strings.Contains(said, "guest@") || strings.Count(said, "<the recipient>: who is that?") != 2 {
			t.Error(said)
		}
	})
}
