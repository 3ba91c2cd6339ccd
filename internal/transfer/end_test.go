package transfer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
)

func TestCompleteRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		wantErr(t, "without files", f.completeErr(t, b), ErrTransferEmpty)
		cut := f.declareCut(t, b, "cut", 30, 10)
		var in []NewFile
		for i := range 120 {
			in = append(in, NewFile{Path: fmt.Sprint(i), Size: 1})
		}
		if _, err := f.Declare(t.Context(), b.Access, b.id, in); err != nil {
			t.Fatal(err)
		}
		f.putSome(t, b, cut, 2)
		err := f.completeErr(t, b)
		missing, ok := errors.AsType[*IncompleteError](err)
		if !ok || missing.Count != 121 || len(missing.First) != 100 || fmt.Sprint(missing.First[0].Received) != "[{2 2}]" {
			t.Errorf("unfinished: %v", err)
		}
		if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "aborted", f.completeErr(t, b), ErrTransferEnded)

		late := f.begin(t, LinkFields{})
		f.declare(t, late, 0)
		f.clk.forward(7 * 24 * time.Hour)
		wantErr(t, "over its time", f.completeErr(t, late), ErrTransferExpired)
		f.sweep(t)
		wantErr(t, "purged", f.completeErr(t, late), ErrTransferExpired)
	})
}

// TestCompleteTells queues one mail to the studio and a receipt without the code
// to the guest, however often it is called, and keeps the files as long as the
// link says.
func TestCompleteTells(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{RetentionDays: ptr(int64(5))})
		f.putAll(t, b, f.declare(t, b, 10, 20)...)
		f.clk.forward(time.Hour)
		var got [20]Completed
		errs := at(len(got), func(i int) (err error) {
			got[i], err = f.CompleteTransfer(t.Context(), b.Access, b.id, b.token, guest)
			return err
		})
		if n := good(t, errs); n != len(got) {
			t.Errorf("%d of %d calls went well", n, len(got))
		}
		for i, c := range got {
			if c.Code != got[0].Code || c.Token != got[0].Token || c.Share.ID != got[0].Share.ID || c.Files != 2 || c.Bytes != 30 {
				t.Errorf("call %d gave %+v", i, c)
			}
		}
		mac, err := derive([]byte(b.token), "lenzeye/code/v1", b.id)
		if err != nil || got[0].Code != account.CodeOf([5]byte(mac[:5])) {
			t.Errorf("code %s is not derived from the upload token: %v", got[0].Code, err)
		}
		tr, err := f.Transfer(t.Context(), b.Access, b.id)
		if err != nil || tr.State != Complete || tr.CompletedAt == nil || !tr.ExpiresAt.Equal(tr.CompletedAt.Add(5*24*time.Hour)) {
			t.Errorf("transfer is %+v, %v", tr, err)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM mails"); n != 2 {
			t.Errorf("%d mails are queued, want 2", n)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM shares"); n != 1 {
			t.Errorf("%d shares stand, want 1", n)
		}
		if n := f.events(t, "transfer_complete"); n != 1 {
			t.Errorf("%d events tell of it, want 1", n)
		}
		_, err = f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "late", Size: 1}})
		wantErr(t, "declare after completion", err, ErrTransferEnded)
		wantErr(t, "abort after completion", f.AbortTransfer(t.Context(), b.Access, b.id, guest), ErrTransferEnded)
	})
}

func TestStudiosOwnTransfer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		s, err := f.StartOwn(t.Context(), f.studio.ID, OwnTransfer{Title: "Proofs"})
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.AuthUpload(t.Context(), s.UploadToken)
		if err != nil {
			t.Fatal(err)
		}
		b := begun{a, s.Transfer.ID, s.UploadToken}
		files := f.declare(t, b, 10, 0)
		f.putAll(t, b, files...)
		if c := f.complete(t, b); c.Token == "" || c.Code == "" {
			t.Errorf("complete: %+v", c)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM mails"); n != 1 {
			t.Errorf("%d mails are queued, want the studio's alone", n)
		}
	})
}

func TestAbort(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		whole := f.declare(t, b, 10)[0]
		cut := f.declareCut(t, b, "cut", 30, 10)
		f.putSome(t, b, whole, 1)
		f.putSome(t, b, cut, 1)
		errs := at(10, func(int) error { return f.AbortTransfer(t.Context(), b.Access, b.id, guest) })
		if n := good(t, errs); n != 10 {
			t.Errorf("%d of 10 aborts went well", n)
		}
		f.wantBorne(t, 0, 0)
		if n := f.events(t, "transfer_aborted"); n != 1 {
			t.Errorf("%d events tell of it, want 1", n)
		}
		_, err := f.RestoreTransfer(t.Context(), f.studio.ID, b.id, Client{})
		wantErr(t, "restore what was aborted", err, ErrTransferEnded)
		_, err = f.OpenFile(t.Context(), f.own(), whole.ID)
		wantErr(t, "read what was aborted", err, ErrFileMissing)
		f.checkRows(t)
		f.sweep(t)
		f.wantBucket(t, 0, 0)
		if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
			t.Errorf("abort what was purged: %v", err)
		}
	})
}

// TestDeleteFile in every state that a file can be in.
func TestDeleteFile(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		stored := f.declare(t, b, 10)[0]
		fresh := f.declareCut(t, b, "fresh", 30, 10)
		partial := f.declareCut(t, b, "partial", 30, 10)
		sealing := f.declareCut(t, b, "sealing", 30, 10)
		empty := f.declareCut(t, b, "empty", 0, 10)
		damaged := f.declareCut(t, b, "damaged", 10, 10)
		f.putSome(t, b, partial, 2)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, stored, sealing, damaged)
		f.faults.set(nil)
		f.exec(t, "UPDATE files SET state = 'damaged' WHERE id = $1", damaged.ID)
		for _, file := range []File{stored, fresh, partial, sealing, empty, damaged} {
			before := f.row(t, file.ID)
			for range 2 {
				if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
					t.Errorf("delete a %s file: %v", before.State, err)
				}
			}
			f.checkRows(t)
			_, err := f.File(t.Context(), b.Access, file.ID)
			wantErr(t, "a deleted file", err, ErrFileMissing)
			_, err = f.BeginPart(t.Context(), b.Access, file.ID, 1, 10)
			wantErr(t, "part of a deleted file", err, ErrFileMissing)
			_, err = f.OpenFile(t.Context(), f.own(), file.ID)
			wantErr(t, "content of a deleted file", err, ErrFileMissing)
			if got := f.outcomes(t, b, NewFile{Path: file.Path, Size: 1}); got[0] != "ok" {
				t.Errorf("the path of a deleted file is not free: %v", got)
			}
		}
		f.wantBorne(t, 0, 6)
		f.clk.forward(time.Hour)
		f.sweep(t)
		f.wantBucket(t, 0, 0)
		if n := f.number(t, "SELECT COUNT(*) FROM parts"); n != 0 {
			t.Errorf("%d parts are left", n)
		}
		if err := f.DeleteFile(t.Context(), b.Access, stored.ID); err != nil {
			t.Errorf("delete again after the purge: %v", err)
		}
	})
}

func TestDeleteFileRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		wantErr(t, "unknown file", f.DeleteFile(t.Context(), f.own(), "nonsense"), ErrFileMissing)
		b := f.begin(t, LinkFields{})
		file := f.declare(t, b, 0)[0]
		f.complete(t, b)
		wantErr(t, "of a complete transfer", f.DeleteFile(t.Context(), f.own(), file.ID), ErrTransferEnded)
		late := f.begin(t, LinkFields{})
		file = f.declare(t, late, 1)[0]
		f.clk.forward(8 * 24 * time.Hour)
		wantErr(t, "of a transfer over its time", f.DeleteFile(t.Context(), late.Access, file.ID), ErrTransferExpired)
	})
}

// TestDeleteAndRestore: a studio's delete gives back what has not come, reads
// stop, and an undo within a day lets everything go on.
func TestDeleteAndRestore(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		whole := f.declare(t, b, 10)[0]
		cut := f.declareCut(t, b, "cut", 30, 10)
		sealing := f.declareCut(t, b, "sealing", 30, 10)
		f.putSome(t, b, cut, 1)
		f.faults.always(blob.OpComplete, blob.Before)
		f.putAll(t, b, whole, sealing)
		f.faults.set(nil)
		for range 2 {
			if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
				t.Fatal(err)
			}
		}
		f.wantBorne(t, 0, 0)
		_, err := f.OpenFile(t.Context(), f.own(), whole.ID)
		wantErr(t, "read what was deleted", err, ErrFileMissing)
		wantErr(t, "complete what was deleted", f.completeErr(t, b), ErrTransferEnded)
		f.clk.forward(time.Hour)
		f.sweep(t) // finishes no file of a deleted transfer
		f.checkRows(t)
		f.clk.forward(22 * time.Hour)
		if tr, err := f.RestoreTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil || tr.State != Receiving {
			t.Fatalf("restore: %+v, %v", tr, err)
		}
		_, err = f.RestoreTransfer(t.Context(), f.studio.ID, b.id, Client{})
		wantErr(t, "restore what was not deleted", err, ErrTransferEnded)
		f.sweep(t)
		f.wantState(t, sealing, Stored)
		f.putSome(t, b, cut, 2, 3)
		for _, file := range []File{whole, cut, sealing} {
			f.wantSame(t, file)
		}
		c := f.complete(t, b)

		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		_, err = f.Unlock(t.Context(), c.Token, c.Code, "", guest)
		wantErr(t, "share of what was deleted", err, ErrShareRevoked)
		if tr, err := f.RestoreTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil || tr.State != Complete {
			t.Fatalf("restore what was complete: %+v, %v", tr, err)
		}
		if _, err := f.Unlock(t.Context(), c.Token, c.Code, "", guest); err != nil {
			t.Errorf("share of what was restored: %v", err)
		}
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(24 * time.Hour)
		_, err = f.RestoreTransfer(t.Context(), f.studio.ID, b.id, Client{})
		wantErr(t, "restore after a day", err, ErrTransferEnded)
		f.sweep(t)
		f.wantBorne(t, 0, 0)
		f.wantBucket(t, 0, 0)
		wantErr(t, "delete what was purged", f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}), ErrTransferMissing)
	})
}

func TestExtendTransfer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		f.declare(t, b, 0)
		extend := func(d time.Duration) error {
			_, err := f.ExtendTransfer(t.Context(), f.studio.ID, b.id, f.clk.time().Add(d), Client{})
			return err
		}
		wantErr(t, "into the past", extend(0), ErrFieldInvalid)
		wantErr(t, "for ever", extend(11*366*24*time.Hour), ErrFieldInvalid)
		if err := extend(time.Hour); err != nil {
			t.Errorf("shorten: %v", err)
		}
		f.clk.forward(time.Hour)
		wantErr(t, "after its time", extend(time.Hour), ErrTransferExpired)
		f.sweep(t)
		wantErr(t, "after its purge", extend(time.Hour), ErrTransferExpired)
		b = f.begin(t, LinkFields{})
		f.declare(t, b, 0)
		f.complete(t, b)
		if err := extend(90 * 24 * time.Hour); err != nil {
			t.Errorf("extend a complete one: %v", err)
		}
		f.clk.forward(89 * 24 * time.Hour)
		f.sweep(t)
		f.wantTransfer(t, b.id, Complete)
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "extend a deleted one", extend(time.Hour), ErrTransferEnded)
	})
}

func TestTransfersList(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var ids []string
		for _, title := range []string{"Anna & Ben", "100% done", "under_score"} {
			b := f.begin(t, LinkFields{Title: title})
			f.outcomes(t, b, NewFile{Path: "Day/" + title[:3] + ".ARW", Size: 1})
			ids = append(ids, b.id)
		}
		for query, want := range map[string]string{
			"":         ids[2] + ids[1] + ids[0],
			"anna":     ids[2] + ids[1] + ids[0], // the sender's address
			"ben":      ids[0],
			"%":        ids[1],
			"_":        ids[2],
			"!":        "",
			"day/und":  ids[2],
			"DAY/ANN.": ids[0],
			"'":        "",
		} {
			got := ""
			for cursor := ""; ; {
				page, next, err := f.Transfers(t.Context(), f.studio.ID, Search{Text: query}, Page{Limit: 1, Cursor: cursor})
				if err != nil {
					t.Fatal(err)
				}
				for _, tr := range page {
					got += tr.ID
				}
				if cursor = next; cursor == "" {
					break
				}
			}
			if got != want {
				t.Errorf("query %q gives %s, want %s", query, strings.TrimSpace(got), want)
			}
		}
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, ids[1], Client{}); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			what Search
			want string
		}{
			{Search{States: []string{Receiving}}, ids[2] + ids[0]},
			{Search{States: []string{Deleted, Complete}}, ids[1]},
			{Search{States: []string{Complete}}, ""},
			{Search{Text: "day", States: []string{Receiving}}, ids[2] + ids[0]},
			{Search{Text: "100%", States: []string{Receiving}}, ""},
			{Search{Text: "100%", States: []string{Deleted}}, ids[1]},
		} {
			page, _, err := f.Transfers(t.Context(), f.studio.ID, test.what, Page{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, tr := range page {
				got += tr.ID
				if undo := tr.RestoreUntil != nil; undo != (tr.State == Deleted) || tr.LastPartAt.Before(tr.CreatedAt) {
					t.Errorf("%s can be restored until %v, its last part came %v", tr.State, tr.RestoreUntil, tr.LastPartAt)
				}
			}
			if got != test.want {
				t.Errorf("%+v gives %s, want %s", test.what, got, test.want)
			}
		}
		counts, err := f.CountTransfers(t.Context(), f.studio.ID)
		if err != nil || len(counts) != 2 || counts[Receiving] != 2 || counts[Deleted] != 1 {
			t.Errorf("counts %v, %v", counts, err)
		}
		_, _, err = f.Transfers(t.Context(), f.studio.ID, Search{}, Page{Cursor: "nonsense"})
		wantErr(t, "bad cursor", err, account.ErrCursor)
	})
}
