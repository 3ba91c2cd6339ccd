package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// eachRound runs one meeting of two calls again and again on PostgreSQL, whose
// transactions really run beside each other. LENZEYE_ROUNDS raises the number
// of rounds.
func eachRound(t *testing.T, round func(t *testing.T, f *fixture, n int)) {
	t.Helper()
	t.Parallel()
	rounds := 20
	if text := os.Getenv("LENZEYE_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("LENZEYE_ROUNDS: %v", err)
		}
	}
	f := newFixture(t, memory(), testenv.Open(t, testenv.Database(t, db.EnginePostgres)))
	if _, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{Slug: "skew"}, Client{}); err != nil {
		t.Fatal(err)
	}
	for n := range rounds {
		if round(t, f, n); t.Failed() {
			t.Fatalf("round %d", n)
		}
	}
	f.checkRows(t)
}

func TestSkewTwoLastParts(t *testing.T) {
	eachRound(t, func(t *testing.T, f *fixture, _ int) {
		b := f.beginOn(t, "skew")
		file := f.declareCut(t, b, "cut", 30, 10)
		f.putSome(t, b, file, 2)
		errs := at(2, func(i int) error {
			_, err := put(t.Context(), f.Service, b.Access, file, 1+2*i, partOf(file, 1+2*i))
			return err
		})
		good(t, errs)
		f.wantState(t, file, Stored)
	})
}

func TestSkewDeclareBesideComplete(t *testing.T) {
	eachRound(t, func(t *testing.T, f *fixture, _ int) {
		b := f.beginOn(t, "skew")
		f.declare(t, b, 0)
		errs := at(2, func(i int) error {
			if i == 0 {
				return f.completeErr(t, b)
			}
			_, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "late", Size: 1}})
			return err
		})
		if n := good(t, errs, ErrTransferIncomplete, ErrTransferEnded); n != 1 {
			t.Errorf("%d of a declare and a complete went well: %v", n, errs)
		}
	})
}

func TestSkewDeclaresAgainstTheLastBytes(t *testing.T) {
	eachRound(t, func(t *testing.T, f *fixture, n int) {
		quota := int64(10 * (n + 1))
		f.quota(t, quota)
		var all [4]begun
		for i := range all {
			all[i] = f.beginOn(t, "skew")
		}
		errs := at(8, func(i int) error {
			b := all[i%len(all)]
			_, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: strconv.Itoa(i), Size: 10}})
			return err
		})
		if n := good(t, errs, account.ErrQuotaExceeded); n != 1 {
			t.Errorf("I5: %d declares took the last bytes", n)
		}
		f.wantBorne(t, 0, quota)
	})
}

// TestSkewTwoHundredDeclares of ten transfers at once want the last bytes of a
// quota, of which there are enough for three.
func TestSkewTwoHundredDeclares(t *testing.T) {
	var all [10]begun
	eachRound(t, func(t *testing.T, f *fixture, n int) {
		if n == 0 {
			for i := range all {
				all[i] = f.beginOn(t, "skew")
			}
		}
		quota := int64(100 * (n + 1))
		f.quota(t, quota)
		errs := at(200, func(i int) error {
			b := all[i%len(all)]
			_, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: fmt.Sprintf("%d/%d", n, i), Size: 30}})
			return err
		})
		if n := good(t, errs, account.ErrQuotaExceeded); n != 3 {
			t.Errorf("I5: %d of 200 declares took the last bytes, want 3", n)
		}
		f.declare10(t, all[n%len(all)], n)
		f.wantBorne(t, 0, quota)
	})
}

// declare10 takes the ten bytes that three declares of thirty leave of a hundred.
func (f *fixture) declare10(t *testing.T, b begun, n int) {
	t.Helper()
	if _, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: fmt.Sprintf("rest/%d", n), Size: 10}}); err != nil {
		t.Fatal(err)
	}
}

func TestSkewTwoCompletes(t *testing.T) {
	eachRound(t, func(t *testing.T, f *fixture, _ int) {
		b := f.beginOn(t, "skew")
		f.putAll(t, b, f.declare(t, b, 5)...)
		var got [2]Completed
		errs := at(2, func(i int) (err error) {
			got[i], err = f.CompleteTransfer(t.Context(), b.Access, b.id, b.token, guest)
			return err
		})
		if n := good(t, errs); n != 2 || got[0].Share.ID != got[1].Share.ID || got[0].Code != got[1].Code {
			t.Errorf("two completes gave %+v", got)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM shares WHERE transfer_id = $1", b.id); n != 1 {
			t.Errorf("%d shares stand", n)
		}
	})
}

// TestSkewPurgeBesideRead: a reader gets the right bytes or an error, and what
// the purge took is never called damage.
func TestSkewPurgeBesideRead(t *testing.T) {
	eachRound(t, func(t *testing.T, f *fixture, _ int) {
		b := f.beginOn(t, "skew")
		file := f.declareCut(t, b, "file", 200_000, 200_000)
		f.putAll(t, b, file)
		at(2, func(i int) error {
			if i == 0 {
				return f.purgeNow(t.Context(), b)
			}
			o, err := f.OpenFile(t.Context(), f.own(), file.ID)
			if err != nil {
				return err
			}
			got, err := io.ReadAll(o)
			if err == nil && len(got) != int(file.Size) || !bytes.HasPrefix(content(file), got) {
				t.Errorf("I3: read %d bytes beside a purge, %v", len(got), err)
			}
			return o.Close()
		})
		if n := f.events(t, "file_damaged"); n != 0 {
			t.Error("what was purged is called damaged")
		}
		f.wantBucket(t, 0, 0)
	})
}

func (f *fixture) purgeNow(ctx context.Context, b begun) error {
	if err := f.AbortTransfer(ctx, b.Access, b.id, guest); err != nil {
		return err
	}
	return f.purgeTransfer(ctx, b.id)
}

// TestSkewExpiryBesidePart: a sweep whose clock is a second ahead sees the
// transfer's time over, the part prolongs it: one of them wins whole.
func TestSkewExpiryBesidePart(t *testing.T) {
	endBesideParts(t, 7*24*time.Hour-time.Second, func(ctx context.Context, ahead *Service, _ begun) error {
		return ahead.sweepExpired(ctx)
	}, func(t *testing.T, tr transferRow, parts []error) {
		if parts[0] == nil && parts[1] == nil && tr.State != Receiving {
			t.Errorf("both parts count and the transfer is %s", tr.State)
		}
	})
}

// TestSkewAbortBesidePart: what a part was acknowledged for goes with the rest.
func TestSkewAbortBesidePart(t *testing.T) {
	endBesideParts(t, time.Hour, func(ctx context.Context, ahead *Service, b begun) error {
		return ahead.AbortTransfer(ctx, b.Access, b.id, guest)
	}, func(t *testing.T, tr transferRow, _ []error) {
		if tr.State != Aborted {
			t.Errorf("the transfer is %s", tr.State)
		}
	})
}

// TestSkewIdleBesidePart: a reservation is given back while parts come: they take
// it again, or came before.
func TestSkewIdleBesidePart(t *testing.T) {
	endBesideParts(t, 24*time.Hour, func(ctx context.Context, ahead *Service, _ begun) error {
		return ahead.sweepIdle(ctx)
	}, func(t *testing.T, tr transferRow, parts []error) {
		if tr.State != Receiving || parts[0] != nil || parts[1] != nil {
			t.Errorf("beside an idle release the transfer is %s, parts %v", tr.State, parts)
		}
	})
}

// endBesideParts lets an end by a service whose clock is a second ahead meet a
// part of a cut file and a whole one.
func endBesideParts(t *testing.T, wait time.Duration, end func(context.Context, *Service, begun) error, check func(*testing.T, transferRow, []error)) {
	eachRound(t, func(t *testing.T, f *fixture, _ int) {
		b := f.beginOn(t, "skew")
		file := f.declareCut(t, b, "cut", 30, 10)
		whole := f.declare(t, b, 7)[0]
		ahead := f.service()
		ahead.now = func() time.Time { return f.clk.time().Add(time.Second) }
		f.clk.forward(wait)
		errs := at(3, func(i int) error {
			switch i {
			case 0:
				_, err := put(t.Context(), f.Service, b.Access, file, 1, partOf(file, 1))
				return err
			case 1:
				_, err := put(t.Context(), f.Service, b.Access, whole, 1, partOf(whole, 1))
				return err
			}
			return end(t.Context(), ahead, b)
		})
		good(t, errs, ErrTransferEnded, ErrTransferExpired)
		tr, err := scanTransferRow(f.db.QueryRowContext(t.Context(), anyTransferByID, b.id))
		if err != nil {
			t.Fatal(err)
		}
		check(t, tr, errs[:2])
		f.checkTransfer(t.Context(), t, tr)
		if tr.State == Receiving { // so that it meets no later round's sweep
			if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
				t.Fatal(err)
			}
		}
		f.wantBorne(t, 0, 0)
	})
}

// TestSkewDeleteBesideLastPart takes a file out while its last parts arrive.
func TestSkewDeleteBesideLastPart(t *testing.T) {
	eachRound(t, func(t *testing.T, f *fixture, _ int) {
		b := f.beginOn(t, "skew")
		file := f.declareCut(t, b, "cut", 20, 10)
		errs := at(3, func(i int) error {
			if i == 2 {
				return f.DeleteFile(t.Context(), b.Access, file.ID)
			}
			_, err := put(t.Context(), f.Service, b.Access, file, i+1, partOf(file, i+1))
			return err
		})
		good(t, errs, ErrFileMissing, ErrStorageUnavailable, account.ErrShredded)
		f.wantState(t, file, Deleted)
		f.wantBorne(t, 0, 0)
		if err := f.purgeFile(t.Context(), file.ID); err != nil {
			t.Error(err)
		}
	})
}
