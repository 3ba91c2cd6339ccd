package transfer

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
)

// TestScope proves I7: whatever a call names, it finds only what its access
// gives. Another account, and the token of another transfer of the same
// account, meet each call exactly as an id that never was.
func TestScope(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		mine := f.begin(t, LinkFields{Slug: "mine"})
		file := f.declare(t, mine, 100)[0]
		f.putAll(t, mine, file)
		cut := f.declareCut(t, mine, "cut", 30, 10)
		f.putSome(t, mine, cut, 1)
		sibling := f.beginOn(t, "mine")
		stranger, err := f.accounts.Create(t.Context(), account.NewAccount{Email: "other@example.com", Name: "Other"})
		if err != nil {
			t.Fatal(err)
		}
		before := f.snapshot(t)
		for name, a := range map[string]Access{
			"another account":        {AccountID: stranger.ID},
			"another upload token":   sibling.Access,
			"a token of nobody":      {AccountID: f.studio.ID, TransferID: "00000000-0000-7000-8000-000000000000"},
			"a token across":         {AccountID: stranger.ID, TransferID: mine.id},
			"an account of no name":  {},
			"a token without studio": {TransferID: mine.id},
		} {
			for _, call := range f.scopedCalls(a, mine, file, cut) {
				if err := call.run(t.Context()); !errors.Is(err, call.want) {
					t.Errorf("I7: %s by %s: %v, want %v", call.name, name, err, call.want)
				}
			}
		}
		if after := f.snapshot(t); after != before {
			t.Errorf("I7: calls of others changed\n%s\nto\n%s", before, after)
		}
		for _, call := range f.scopedCalls(mine.Access, mine, file, cut) {
			if err := call.run(t.Context()); errors.Is(err, call.want) {
				t.Errorf("%s is refused to its owner too: %v", call.name, err)
			}
		}
	})
}

type scopedCall struct {
	name string
	want error
	run  func(ctx context.Context) error
}

// scopedCalls are all calls that take an Access; the last ends the transfer.
func (f *fixture) scopedCalls(a Access, b begun, file, cut File) []scopedCall {
	return []scopedCall{
		{"Transfer", ErrTransferMissing, func(ctx context.Context) error { _, err := f.Transfer(ctx, a, b.id); return err }},
		{"Files", ErrTransferMissing, func(ctx context.Context) error { _, _, err := f.Files(ctx, a, b.id, Page{}); return err }},
		{"File", ErrFileMissing, func(ctx context.Context) error { _, err := f.File(ctx, a, file.ID); return err }},
		{"Parts", ErrFileMissing, func(ctx context.Context) error { _, _, err := f.Parts(ctx, a, file.ID, Page{}); return err }},
		{"OpenFile", ErrFileMissing, func(ctx context.Context) error { _, err := f.OpenFile(ctx, a, file.ID); return err }},
		{"BeginPart", ErrFileMissing, func(ctx context.Context) error { _, err := put(ctx, f.Service, a, cut, 2, partOf(cut, 2)); return err }},
		{"repeat of a part", ErrFileMissing, func(ctx context.Context) error { _, err := put(ctx, f.Service, a, cut, 1, partOf(cut, 1)); return err }},
		{"Declare", ErrTransferMissing, func(ctx context.Context) error {
			_, err := f.Declare(ctx, a, b.id, []NewFile{{Path: "intruder", Size: 1}})
			return err
		}},
		{"CompleteTransfer", ErrTransferMissing, func(ctx context.Context) error {
			_, err := f.CompleteTransfer(ctx, a, b.id, b.token, guest)
			return err
		}},
		{"DeleteFile", ErrFileMissing, func(ctx context.Context) error { return f.DeleteFile(ctx, a, file.ID) }},
		{"AbortTransfer", ErrTransferMissing, func(ctx context.Context) error { return f.AbortTransfer(ctx, a, b.id, guest) }},
	}
}

// TestStudioScope is I7 for the calls of a studio.
func TestStudioScope(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{Slug: "mine"})
		file := f.declare(t, b, 100)[0]
		f.putAll(t, b, file)
		c := f.complete(t, b)
		link := f.link1(t)
		other, err := f.accounts.Create(t.Context(), account.NewAccount{Email: "other@example.com", Name: "Other"})
		if err != nil {
			t.Fatal(err)
		}
		before := f.snapshot(t)
		ctx, id := t.Context(), other.ID
		for _, call := range []scopedCall{
			{"Link", ErrNotFound, func(ctx context.Context) error { _, err := f.Link(ctx, id, link); return err }},
			{"LinkBySlug", ErrNotFound, func(ctx context.Context) error { _, err := f.LinkBySlug(ctx, id, "mine"); return err }},
			{"UpdateLink", ErrNotFound, func(ctx context.Context) error {
				_, err := f.UpdateLink(ctx, id, link, LinkPatch{Title: Field[string]{true, "x"}}, Client{})
				return err
			}},
			{"DeleteLink", ErrNotFound, func(ctx context.Context) error { return f.DeleteLink(ctx, id, link, Client{}) }},
			{"DeleteTransfer", ErrTransferMissing, func(ctx context.Context) error { return f.DeleteTransfer(ctx, id, b.id, Client{}) }},
			{"RestoreTransfer", ErrTransferMissing, func(ctx context.Context) error { _, err := f.RestoreTransfer(ctx, id, b.id, Client{}); return err }},
			{"ExtendTransfer", ErrTransferMissing, func(ctx context.Context) error {
				_, err := f.ExtendTransfer(ctx, id, b.id, f.clk.time().AddDate(1, 0, 0), Client{})
				return err
			}},
			{"CreateShare", ErrTransferMissing, func(ctx context.Context) error { _, _, err := f.CreateShare(ctx, id, b.id, NewShare{}); return err }},
			{"Shares", ErrTransferMissing, func(ctx context.Context) error { _, _, err := f.Shares(ctx, id, b.id, Page{}); return err }},
			{"RevokeShare", ErrNotFound, func(ctx context.Context) error { return f.RevokeShare(ctx, id, c.Share.ID, Client{}) }},
		} {
			if err := call.run(ctx); !errors.Is(err, call.want) {
				t.Errorf("I7: %s of another account: %v, want %v", call.name, err, call.want)
			}
		}
		links, _, err := f.Links(ctx, id, Page{})
		transfers, _, err2 := f.Transfers(ctx, id, Search{}, Page{})
		if len(links)+len(transfers) > 0 || errors.Join(err, err2) != nil {
			t.Errorf("I7: another account lists %v %v, %v", links, transfers, errors.Join(err, err2))
		}
		if after := f.snapshot(t); after != before {
			t.Errorf("I7: calls of another account changed\n%s\nto\n%s", before, after)
		}
	})
}

// TestShareScope is I7 for what a code opens: files of its transfer alone, by a
// token of its own share.
func TestShareScope(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		one, _ := f.shared(t)
		two, foreign := f.shared(t)
		u, err := f.unlock(t, one.Token, one.Code, "", "a")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.AuthFetch(t.Context(), two.Token, u.Token)
		wantErr(t, "I7: token of another share", err, ErrCodeRequired)
		_, err = f.unlock(t, two.Token, "wrong", u.Token, "a")
		wantErr(t, "I7: unlock by the token of another share", err, ErrCodeWrong)
		a, err := f.AuthFetch(t.Context(), one.Token, u.Token)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.OpenShared(t.Context(), a, foreign.ID)
		wantErr(t, "I7: file of another transfer", err, ErrFileMissing)
		for _, secret := range []string{"", u.Token, "lzu_" + u.Token[4:]} {
			_, err = f.AuthUpload(t.Context(), secret)
			wantErr(t, "I7: no upload token", err, ErrUnauthenticated)
		}
	})
}

func (f *fixture) link1(t testing.TB) string {
	t.Helper()
	id, err := scanOne[string](f.db.QueryRowContext(t.Context(), "SELECT id FROM links"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// snapshot is everything that a call could have changed, as text.
func (f *fixture) snapshot(t testing.TB) string {
	t.Helper()
	var text bytes.Buffer
	for _, query := range []string{
		"SELECT id || ' ' || slug || ' ' || title || ' ' || COALESCE(deleted_at, 0) FROM links ORDER BY id",
		"SELECT id || ' ' || state || ' ' || files_total || ' ' || bytes_received || ' ' || expires_at FROM transfers ORDER BY id",
		"SELECT id || ' ' || state || ' ' || parts_stored FROM files ORDER BY id",
		"SELECT id || ' ' || downloads || ' ' || COALESCE(revoked_at, 0) FROM shares ORDER BY id",
		"SELECT id || ' ' || kind FROM events ORDER BY id",
	} {
		rows, err := queryAll(t.Context(), f.db, scanOne[string], query)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			text.WriteString(row + "\n")
		}
	}
	objects, uploads := f.bucket(t)
	for _, o := range objects {
		text.WriteString(o.Key + "\n")
	}
	for _, u := range uploads {
		text.WriteString(u.Key + "\n")
	}
	return text.String()
}
