package transfer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

func TestCreateLinkRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		if _, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{Slug: "taken"}, Client{}); err != nil {
			t.Fatal(err)
		}
		past := f.clk.time()
		for _, test := range []struct {
			name   string
			fields LinkFields
			want   error
			field  string
		}{
			{"slug taken", LinkFields{Slug: "taken"}, ErrSlugTaken, ""},
			{"slug short", LinkFields{Slug: "ab"}, ErrSlugInvalid, ""},
			{"slug long", LinkFields{Slug: strings.Repeat("a", 65)}, ErrSlugInvalid, ""},
			{"slug upper", LinkFields{Slug: "Wedding"}, ErrSlugInvalid, ""},
			{"slug slash", LinkFields{Slug: "a/b/c"}, ErrSlugInvalid, ""},
			{"slug newline", LinkFields{Slug: "abc\n"}, ErrSlugInvalid, ""},
			{"title long", LinkFields{Title: strings.Repeat("ä", 201)}, ErrFieldInvalid, "title"},
			{"title control", LinkFields{Title: "a\x00b"}, ErrFieldInvalid, "title"},
			{"message long", LinkFields{Message: strings.Repeat("m", 5001)}, ErrFieldInvalid, "message"},
			{"no bytes", LinkFields{MaxBytes: ptr(int64(0))}, ErrFieldInvalid, "max_bytes"},
			{"inexact bytes", LinkFields{MaxBytes: ptr(int64(1 << 53))}, ErrFieldInvalid, "max_bytes"},
			{"no file bytes", LinkFields{MaxFileBytes: ptr(int64(-1))}, ErrFieldInvalid, "max_file_bytes"},
			{"no transfers", LinkFields{MaxTransfers: ptr(int64(0))}, ErrFieldInvalid, "max_transfers"},
			{"several at once", LinkFields{MaxTransfers: ptr(int64(0)), MaxFileBytes: ptr(int64(0)), MaxBytes: ptr(int64(0))}, ErrFieldInvalid, "max_bytes"},
			{"no days", LinkFields{RetentionDays: ptr(int64(0))}, ErrFieldInvalid, "retention_days"},
			{"many days", LinkFields{RetentionDays: ptr(int64(3651))}, ErrFieldInvalid, "retention_days"},
			{"expired", LinkFields{ExpiresAt: &past}, ErrFieldInvalid, "expires_at"},
			{"password long", LinkFields{Password: strings.Repeat("p", 1025)}, ErrFieldInvalid, "password"},
		} {
			_, err := f.CreateLink(t.Context(), f.studio.ID, test.fields, Client{})
			wantErr(t, test.name, err, test.want)
			if field, ok := errors.AsType[*FieldError](err); ok && field.Field != test.field {
				t.Errorf("%s: field %q, want %q", test.name, field.Field, test.field)
			}
		}
		if n := f.events(t, "link_created"); n != 1 {
			t.Errorf("%d links were recorded as made, want 1", n)
		}
	})
}

func TestUpdateLink(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		l, err := f.CreateLink(ctx, f.studio.ID, LinkFields{Title: "One", Password: "pass", MaxBytes: ptr(int64(9))}, Client{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.CreateLink(ctx, f.studio.ID, LinkFields{Slug: "other"}, Client{}); err != nil {
			t.Fatal(err)
		}
		update := func(p LinkPatch) (Link, error) { return f.UpdateLink(ctx, f.studio.ID, l.ID, p, Client{}) }

		_, err = update(LinkPatch{Slug: Field[string]{true, "other"}})
		wantErr(t, "slug of another link", err, ErrSlugTaken)
		_, err = update(LinkPatch{Slug: Field[string]{true, ""}})
		wantErr(t, "no slug", err, ErrSlugInvalid)
		_, err = update(LinkPatch{ExpiresAt: Field[*time.Time]{true, ptr(f.clk.time())}})
		wantErr(t, "expired already", err, ErrFieldInvalid)
		_, err = f.UpdateLink(ctx, f.studio.ID, "00000000-0000-7000-8000-000000000000", LinkPatch{}, Client{})
		wantErr(t, "unknown link", err, ErrNotFound)

		got, err := update(LinkPatch{
			Slug: Field[string]{true, "new-slug"}, Title: Field[string]{true, ""}, Password: Field[string]{true, ""},
			MaxBytes: Field[*int64]{true, nil}, MaxTransfers: Field[*int64]{true, ptr(int64(3))},
			ExpiresAt: Field[*time.Time]{true, ptr(f.clk.time().Add(time.Hour))},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Slug != "new-slug" || got.Title != "" || got.HasPassword || got.MaxBytes != nil || *got.MaxTransfers != 3 || got.State != LinkOpen {
			t.Errorf("changed link is %+v", got)
		}
		f.clk.forward(2 * time.Hour)
		if again, err := f.Link(ctx, f.studio.ID, l.ID); err != nil || again.State != LinkExpired {
			t.Errorf("after its end the link is %q, %v", again.State, err)
		}
		if got, err = update(LinkPatch{Title: Field[string]{true, "Two"}}); err != nil || got.Title != "Two" {
			t.Errorf("an expired link's title: %+v, %v", got, err)
		}
	})
}

func TestLinkStates(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		l, err := f.CreateLink(ctx, f.studio.ID, LinkFields{Slug: "states", MaxTransfers: ptr(int64(1)), ExpiresAt: ptr(f.clk.time().Add(time.Hour))}, Client{})
		if err != nil {
			t.Fatal(err)
		}
		running := f.beginOn(t, l.Slug)
		file := f.declare(t, running, 10)[0]
		expect := func(what string, want error) {
			t.Helper()
			_, err := f.ViewLink(ctx, l.Slug)
			wantErr(t, "view a link "+what, err, want)
			_, err = f.Start(ctx, l.Slug, NewTransfer{SenderEmail: "a@b.example", Client: guest})
			wantErr(t, "start on a link "+what, err, want)
		}
		expect("that is full", ErrLinkFull)
		closing := func(v bool) {
			t.Helper()
			if _, err := f.UpdateLink(ctx, f.studio.ID, l.ID, LinkPatch{Closed: Field[bool]{true, v}}, Client{}); err != nil {
				t.Fatal(err)
			}
		}
		closing(true)
		expect("that is closed", ErrLinkClosed)
		closing(false)
		expect("that was opened again", ErrLinkFull)
		f.clk.forward(time.Hour)
		expect("that expired", ErrLinkExpired)
		// What runs goes on, whatever became of its link.
		if _, err := put(ctx, f.Service, running.Access, file, 1, partOf(file, 1)); err != nil {
			t.Errorf("part on an expired link: %v", err)
		}
		for range 2 {
			if err := f.DeleteLink(ctx, f.studio.ID, l.ID, Client{}); err != nil {
				t.Errorf("delete link: %v", err)
			}
		}
		expect("that was deleted", ErrLinkNotFound)
		f.complete(t, running)
		if n := f.events(t, "link_deleted"); n != 1 {
			t.Errorf("%d deletes were recorded, want 1", n)
		}
		wantErr(t, "delete an unknown link", f.DeleteLink(ctx, f.studio.ID, "nonsense", Client{}), ErrNotFound)
	})
}

// TestPlacesOfALink: what came complete keeps its place whatever becomes of it, and
// what was given up, ran out of time or was deleted before leaves it.
func TestPlacesOfALink(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		l, err := f.CreateLink(ctx, f.studio.ID, LinkFields{Slug: "one", MaxTransfers: ptr(int64(1))}, Client{})
		if err != nil {
			t.Fatal(err)
		}
		taken := func(what string, want int64) {
			t.Helper()
			got, err := f.Link(ctx, f.studio.ID, l.ID)
			if err != nil || got.TransfersUsed != want {
				t.Errorf("%s the link has %d transfers, want %d: %v", what, got.TransfersUsed, want, err)
			}
			f.checkRows(t)
		}
		beginOne := func() begun {
			b := f.beginOn(t, l.Slug)
			f.declare(t, b, 10)
			taken("with one under way", 1)
			return b
		}

		b := beginOne()
		for range 2 {
			if err := f.AbortTransfer(ctx, b.Access, b.id, Client{}); err != nil {
				t.Fatal(err)
			}
		}
		taken("after it was given up", 0)

		beginOne()
		f.clk.forward(22 * 24 * time.Hour)
		f.sweep(t)
		taken("after its time was over", 0)

		b = beginOne()
		if err := f.DeleteTransfer(ctx, f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		taken("after it was deleted", 0)
		second := beginOne()
		_, err = f.RestoreTransfer(ctx, f.studio.ID, b.id, Client{})
		wantErr(t, "restore on a full link", err, ErrLinkFull)
		taken("after a refused restore", 1)
		if err := f.AbortTransfer(ctx, second.Access, second.id, Client{}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.RestoreTransfer(ctx, f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		taken("after it was restored", 1)
		if err := f.AbortTransfer(ctx, b.Access, b.id, Client{}); err != nil {
			t.Fatal(err)
		}

		b = f.beginOn(t, l.Slug)
		file := f.declare(t, b, 10)[0]
		if _, err := put(ctx, f.Service, b.Access, file, 1, partOf(file, 1)); err != nil {
			t.Fatal(err)
		}
		f.complete(t, b)
		if err := f.DeleteTransfer(ctx, f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		taken("after a complete one was deleted", 1)
		if _, err := f.RestoreTransfer(ctx, f.studio.ID, b.id, Client{}); err != nil {
			t.Fatal(err)
		}
		taken("after a complete one was restored", 1)
		f.purgeAll(t)
		taken("after it was purged", 1)
	})
}

func TestLinkOfDisabledStudio(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{Slug: "studio"})
		for state, want := range map[string]error{account.StateDisabled: ErrLinkClosed, account.StateDeleted: ErrLinkNotFound} {
			f.exec(t, "UPDATE accounts SET state = $1", state)
			_, err := f.ViewLink(t.Context(), "studio")
			wantErr(t, "link of a "+state+" studio", err, want)
			_, err = f.AuthUpload(t.Context(), b.token)
			wantErr(t, "upload token of a "+state+" studio", err, ErrUnauthenticated)
		}
	})
}

func TestViewLinkBytesLeft(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		left := func() *int64 {
			t.Helper()
			v, err := f.ViewLink(t.Context(), "left")
			if err != nil {
				t.Fatal(err)
			}
			return v.BytesLeft
		}
		b := f.begin(t, LinkFields{Slug: "left"})
		if n := left(); n != nil {
			t.Errorf("without any bound %d bytes are left", *n)
		}
		f.quota(t, 1000)
		f.declare(t, b, 300)
		if n := left(); n == nil || *n != 700 {
			t.Errorf("by the quota %v bytes are left, want 700", n)
		}
		f.exec(t, "UPDATE links SET max_bytes = 350")
		if n := left(); n == nil || *n != 50 {
			t.Errorf("by the link %v bytes are left, want 50", n)
		}
	})
}

func TestLinksList(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var want []string
		for range 5 {
			l, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{}, Client{})
			if err != nil {
				t.Fatal(err)
			}
			if len(l.Slug) != 16 {
				t.Errorf("slug %q has not the 16 characters of 80 bits", l.Slug)
			}
			want = append([]string{l.ID}, want...)
		}
		var got []string
		for cursor := ""; ; {
			page, next, err := f.Links(t.Context(), f.studio.ID, Page{Cursor: cursor, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range page {
				got = append(got, l.ID)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("links come as %v, want %v", got, want)
		}
		_, _, err := f.Links(t.Context(), f.studio.ID, Page{Cursor: "nonsense"})
		wantErr(t, "bad cursor", err, account.ErrCursor)
	})
}

// TestLinkPasswordTries guesses one after another and a hundred at once: no
// more than five guesses of one address are compared in a quarter of an hour.
func TestLinkPasswordTries(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		if _, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{Slug: "guess", Password: "right"}, Client{}); err != nil {
			t.Fatal(err)
		}
		start := func(ctx context.Context, password, from string) error {
			_, err := f.Start(ctx, "guess", NewTransfer{SenderEmail: "a@b.example", Password: password, Client: Client{Subject: from}})
			return err
		}
		ctx := t.Context()
		wantErr(t, "no password", start(ctx, "", "a"), ErrPasswordWrong)
		wantErr(t, "wrong password", start(ctx, "wrong", "a"), ErrPasswordWrong)
		if err := start(ctx, "right", "a"); err != nil {
			t.Errorf("right password: %v", err)
		}
		f.clk.forward(time.Minute)

		compared := 0
		for i, err := range at(100, func(int) error { return start(ctx, "", "b") }) {
			switch {
			case errors.Is(err, ErrPasswordWrong):
				compared++
			case !errors.Is(err, account.ErrTooManyTries):
				t.Errorf("guess %d: %v", i, err)
			}
		}
		if compared != 5 {
			t.Errorf("%d of 100 guesses at once were compared, want 5", compared)
		}
		wantErr(t, "right password after too many", start(ctx, "right", "b"), account.ErrTooManyTries)
		f.clk.forward(time.Minute)
		wantErr(t, "a minute later", start(ctx, "right", "b"), account.ErrTooManyTries)
		if err := start(ctx, "right", "c"); err != nil {
			t.Errorf("right password from another address: %v", err)
		}
		f.clk.forward(15 * time.Minute)
		if err := start(ctx, "right", "b"); err != nil {
			t.Errorf("right password after the window: %v", err)
		}
	})
}
