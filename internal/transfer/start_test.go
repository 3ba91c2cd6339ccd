package transfer

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		if _, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{Slug: "open"}, Client{}); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			name, slug string
			n          NewTransfer
			want       error
		}{
			{"unknown link", "nowhere", NewTransfer{SenderEmail: "a@b.example"}, ErrLinkNotFound},
			{"no address", "open", NewTransfer{}, account.ErrEmailInvalid},
			{"no address at all", "open", NewTransfer{SenderEmail: "anna"}, account.ErrEmailInvalid},
			{"a header in the address", "open", NewTransfer{SenderEmail: "a@b.example\r\nBcc: c@d.example"}, account.ErrEmailInvalid},
			{"long name", "open", NewTransfer{SenderEmail: "a@b.example", SenderName: strings.Repeat("n", 201)}, ErrFieldInvalid},
			{"control in the message", "open", NewTransfer{SenderEmail: "a@b.example", Message: "a\x1b[2J"}, ErrFieldInvalid},
		} {
			_, err := f.Start(t.Context(), test.slug, test.n)
			wantErr(t, test.name, err, test.want)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM transfers"); n != 0 {
			t.Errorf("%d transfers were made", n)
		}
		_, err := f.StartOwn(t.Context(), f.studio.ID, OwnTransfer{Title: strings.Repeat("t", 201)})
		wantErr(t, "long title of an own transfer", err, ErrFieldInvalid)
	})
}

// TestStartAgain repeats a start whose reply was lost: while the link stands,
// after it ended, and with another body.
func TestStartAgain(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		l, err := f.CreateLink(ctx, f.studio.ID, LinkFields{Slug: "again", Password: "pass"}, Client{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := f.CreateLink(ctx, f.studio.ID, LinkFields{Slug: "other"}, Client{})
		if err != nil {
			t.Fatal(err)
		}
		key := bytes.Repeat([]byte{7}, 32)
		first, err := f.Start(ctx, "again", NewTransfer{SenderEmail: "a@b.example", Password: "pass", IdempotencyKey: key, Client: guest})
		if err != nil {
			t.Fatal(err)
		}
		mac, err := derive(key, "lenzeye/upload/v1", first.Transfer.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want := "lzu_" + base64.RawURLEncoding.EncodeToString(mac); first.UploadToken != want {
			t.Errorf("token %q is not derived from the key, want %q", first.UploadToken, want)
		}
		same := func(what string, n NewTransfer) {
			t.Helper()
			n.IdempotencyKey, n.Client = key, guest
			got, err := f.Start(ctx, "again", n)
			if err != nil || got.Transfer.ID != first.Transfer.ID || got.UploadToken != first.UploadToken {
				t.Errorf("%s: %+v, %v", what, got, err)
			}
		}
		same("the same again", NewTransfer{SenderEmail: "a@b.example", Password: "pass"})
		same("another body", NewTransfer{SenderEmail: "not an address", Message: "\x00"})
		if _, err := f.UpdateLink(ctx, f.studio.ID, l.ID, LinkPatch{Closed: Field[bool]{true, true}}, Client{}); err != nil {
			t.Fatal(err)
		}
		same("after the link was closed", NewTransfer{})
		if got, err := f.Start(ctx, other.Slug, NewTransfer{SenderEmail: "a@b.example", IdempotencyKey: key}); err != nil || got.Transfer.ID == first.Transfer.ID {
			t.Errorf("the same key on another link: %+v, %v", got, err)
		}
		_, err = f.Start(ctx, "again", NewTransfer{SenderEmail: "a@b.example", IdempotencyKey: bytes.Repeat([]byte{8}, 32)})
		wantErr(t, "another key on the closed link", err, ErrLinkClosed)
	})
}

func TestStartTwentyAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		if _, err := f.CreateLink(t.Context(), f.studio.ID, LinkFields{Slug: "crowd"}, Client{}); err != nil {
			t.Fatal(err)
		}
		key := bytes.Repeat([]byte{9}, 32)
		var got, own [20]Started
		errs := at(20, func(i int) (err error) {
			got[i], err = f.Start(t.Context(), "crowd", NewTransfer{SenderEmail: "a@b.example", IdempotencyKey: key})
			return err
		})
		errs = append(errs, at(20, func(i int) (err error) {
			own[i], err = f.StartOwn(t.Context(), f.studio.ID, OwnTransfer{Title: "Own", IdempotencyKey: key})
			return err
		})...)
		if n := good(t, errs); n != 40 {
			t.Errorf("%d of 40 starts went well", n)
		}
		for i := range got {
			if got[i].UploadToken != got[0].UploadToken || own[i].UploadToken != own[0].UploadToken {
				t.Errorf("start %d gave another token", i)
			}
		}
		if n := f.number(t, "SELECT COUNT(*) FROM transfers"); n != 2 {
			t.Errorf("%d transfers were made, want one on the link and one of the studio's own", n)
		}
	})
}

// TestEmptyTransferGoes ends what never got a file after a day, and lets live
// what had one.
func TestEmptyTransferGoes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		empty := f.begin(t, LinkFields{Slug: "empty"})
		emptied := f.beginOn(t, "empty")
		file := f.declare(t, emptied, 5)[0]
		if err := f.DeleteFile(t.Context(), emptied.Access, file.ID); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(23 * time.Hour)
		f.sweep(t)
		f.wantTransfer(t, empty.id, Receiving)
		f.clk.forward(time.Hour)
		f.sweep(t)
		f.wantTransfer(t, empty.id, Expired)
		f.wantTransfer(t, emptied.id, Receiving)
		if _, err := f.AuthUpload(t.Context(), empty.token); err != nil {
			t.Errorf("who comes back to an expired transfer: %v", err)
		}
		f.putAll(t, emptied, f.declare(t, emptied, 7)...)
		f.complete(t, emptied)
	})
}
