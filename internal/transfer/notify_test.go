package transfer

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

const day = 24 * time.Hour

// told are the messages to the studio that the sweep queued, by kind. Each look
// takes them as sent.
func (f *fixture) told(t *testing.T) map[string]int64 {
	t.Helper()
	f.sweep(t)
	got := map[string]int64{}
	for _, kind := range []string{"transfer_stalled", "transfer_expiring", "share_fetched"} {
		if n := f.number(t, `SELECT COUNT(*) FROM mails WHERE state = 'queued' AND kind = $1 AND recipient = $2`, kind, f.studio.Email); n > 0 {
			got[kind] = n
		}
	}
	f.exec(t, `UPDATE mails SET state = 'sent', vars_sealed = NULL`)
	return got
}

func (f *fixture) wantTold(t *testing.T, what string, want map[string]int64) {
	t.Helper()
	if diff := cmp.Diff(want, f.told(t)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestStudioIsToldOfAStalledTransfer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		none, stalled := map[string]int64{}, map[string]int64{"transfer_stalled": 1}
		f.begin(t, LinkFields{}) // without a file, nobody misses it
		b := f.begin(t, LinkFields{})
		files := f.declare(t, b, 10, 20)
		f.clk.forward(day)
		f.wantTold(t, "after a day", none)
		f.clk.forward(time.Second)
		f.wantTold(t, "after more than a day", stalled)
		f.wantTold(t, "at the next sweep", none)
		f.putAll(t, b, files[0])
		f.clk.forward(day)
		f.wantTold(t, "a day after it went on", none)
		f.clk.forward(time.Second)
		f.wantTold(t, "when it stalled again", stalled)
		f.clk.forward(day)
		f.wantTold(t, "a day later", none)
	})
}

func TestStudioIsToldBeforeAnEnd(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.set.WarnBefore = 3 * day
		none, expiring := map[string]int64{}, map[string]int64{"transfer_expiring": 1}
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10)...)
		f.complete(t, b)
		f.wantTold(t, "at completion", none)
		f.clk.forward(f.set.Complete - f.set.WarnBefore - time.Second)
		f.wantTold(t, "before it is time", none)
		f.clk.forward(time.Second)
		f.wantTold(t, "when it is time", expiring)
		f.clk.forward(day)
		f.wantTold(t, "a day later", none)
		if _, err := f.ExtendTransfer(t.Context(), f.studio.ID, b.id, f.clk.time().Add(10*day), guest); err != nil {
			t.Fatal(err)
		}
		f.wantTold(t, "extended", none)
		f.clk.forward(7 * day)
		f.wantTold(t, "before the new end", expiring)
		f.clk.forward(3 * day)
		f.wantTold(t, "at the end", none)
		f.wantTransfer(t, b.id, Expired)
	})
}

// A transfer that is kept for less than the warning's time gets none, and where
// no time is set nobody does.
func TestNoWarningOfShortLives(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		days := int64(2)
		for _, warn := range []time.Duration{3 * day, 0} {
			f.set.WarnBefore = warn
			b := f.begin(t, LinkFields{RetentionDays: &days})
			f.putAll(t, b, f.declare(t, b, 10)...)
			f.complete(t, b)
			f.clk.forward(day)
			f.wantTold(t, "warning "+warn.String(), map[string]int64{})
		}
	})
}

func TestStudioIsToldOfDownloads(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		none, fetched := map[string]int64{}, map[string]int64{"share_fetched": 1}
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10)...)
		c := f.complete(t, b)
		f.wantTold(t, "before anybody", none)
		fetch := func() {
			t.Helper()
			if _, err := f.Unlock(t.Context(), c.Token, c.Code, "", guest); err != nil {
				t.Fatal(err)
			}
		}
		fetch()
		f.wantTold(t, "the first", fetched)
		fetch()
		fetch()
		f.wantTold(t, "two more on the same day", none)
		f.clk.forward(day)
		f.wantTold(t, "the next day", fetched)
		f.clk.forward(day)
		f.wantTold(t, "nobody since", none)
	})
}

// Two shares of one transfer that are fetched at once make one message.
func TestDownloadsOfOneTransferAreOneMessage(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10)...)
		c := f.complete(t, b)
		f.exec(t, `INSERT INTO shares (id, transfer_id, account_id, origin, token_hash, code_hash, code_key, downloads, created_at)
			SELECT 'another', transfer_id, account_id, origin, $1, code_hash, code_key, 5, created_at FROM shares`, []byte("x"))
		if _, err := f.Unlock(t.Context(), c.Token, c.Code, "", guest); err != nil {
			t.Fatal(err)
		}
		f.wantTold(t, "both", map[string]int64{"share_fetched": 1})
	})
}

// Of several shares of a transfer the studio hears once in a day, whichever of
// them was fetched, and of those that are made meanwhile too.
func TestDownloadsByAnotherShareWait(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		none, fetched := map[string]int64{}, map[string]int64{"share_fetched": 1}
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10)...)
		f.complete(t, b)
		share := func(id string) {
			t.Helper()
			f.exec(t, `INSERT INTO shares (id, transfer_id, account_id, origin, token_hash, code_hash, code_key, created_at)
				SELECT $1, id, account_id, 'studio', $2, $2, 1, created_at FROM transfers`, id, []byte(id))
		}
		fetch := func(id string) { f.exec(t, `UPDATE shares SET downloads = downloads + 1 WHERE id = $1`, id) }
		share("a")
		share("b")
		fetch("a")
		f.wantTold(t, "the first", fetched)
		f.clk.forward(2 * time.Minute)
		fetch("b")
		share("c")
		fetch("c")
		f.wantTold(t, "two minutes later by others", none)
		f.clk.forward(day)
		f.wantTold(t, "the next day", fetched)
		f.wantTold(t, "at the next sweep", none)
		f.clk.forward(day)
		f.wantTold(t, "nobody since", none)
	})
}

// Processes that found one download tell of it once, and so does one that comes
// late, when a share was made and fetched since it looked.
func TestDownloadsAreToldOnceByManyProcesses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.putAll(t, b, f.declare(t, b, 10)...)
		f.complete(t, b)
		tell := func(int) error {
			return f.db.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, _, err := f.markFetched(ctx, tx, b.id, db.Micros(f.clk.time().Add(-tellAgain)))
				return err
			})
		}
		for round := range 20 {
			f.exec(t, `INSERT INTO shares (id, transfer_id, account_id, origin, token_hash, code_hash, code_key, downloads, created_at)
				SELECT $1, id, account_id, 'studio', $2, $2, 1, 1, created_at FROM transfers`, strconv.Itoa(round), []byte{byte(round)})
			if err := tell(0); round > 0 && !errors.Is(err, sql.ErrNoRows) {
				t.Fatalf("round %d: the late one: %v", round, err)
			}
			f.exec(t, `UPDATE shares SET told_at = NULL, downloads = downloads + 1`)
			if n := good(t, at(4, tell), sql.ErrNoRows); n != 1 {
				t.Fatalf("round %d: told %d times", round, n)
			}
		}
	})
}

// A crash between the mark and the message is a rollback of both, and processes
// that sweep at once tell once.
func TestNoticesAreToldOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.declare(t, b, 10)
		f.clk.forward(day + time.Second)
		f.ring.set(nil) // what a message says cannot be sealed
		other := f.service()
		if err := f.sweepNotices(t.Context()); err == nil {
			t.Error("a message was sealed without a key")
		}
		if n := f.number(t, `SELECT COUNT(*) FROM transfers WHERE stalled_at IS NOT NULL`); n != 0 {
			t.Error("a row is marked and no message queued")
		}
		f.ring.set(f.ring.first)
		errs := at(4, func(i int) error {
			if i%2 == 0 {
				return f.sweepNotices(t.Context())
			}
			return other.sweepNotices(t.Context())
		})
		good(t, errs)
		if n := f.number(t, `SELECT COUNT(*) FROM mails WHERE kind = 'transfer_stalled'`); n != 1 {
			t.Errorf("%d messages, want 1", n)
		}
	})
}

func TestNobodyIsToldForAStudioThatIsDisabled(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.declare(t, b, 10)
		f.clk.forward(day + time.Second)
		f.exec(t, `UPDATE accounts SET state = $1`, "disabled")
		f.wantTold(t, "disabled", map[string]int64{})
		f.exec(t, `UPDATE accounts SET state = $1`, account.StateActive)
		f.wantTold(t, "active again", map[string]int64{})
	})
}
