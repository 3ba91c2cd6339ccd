package transfer

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

// shared is a complete transfer of one file with its first share.
func (f *fixture) shared(t testing.TB) (Completed, File) {
	t.Helper()
	b := f.begin(t, LinkFields{})
	file := f.declare(t, b, 1000)[0]
	f.putAll(t, b, file)
	return f.complete(t, b), file
}

func (f *fixture) unlock(t testing.TB, token, code, fetch, from string) (Unlocked, error) {
	t.Helper()
	return f.Unlock(t.Context(), token, code, fetch, Client{Subject: from})
}

// wantDownloads checks the share's counter.
func (f *fixture) wantDownloads(t testing.TB, token string, want int64) {
	t.Helper()
	s, _, err := f.ViewShare(t.Context(), token)
	if err != nil || s.Downloads != want {
		t.Errorf("the share counts %d downloads, want %d: %v", s.Downloads, want, err)
	}
}

func TestUnlockCountsOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, _ := f.shared(t)
		s, name, err := f.ViewShare(t.Context(), c.Token)
		if err != nil || s.State != ShareActive || name != "Halden & Rye" {
			t.Errorf("before the code the share is %+v of %q, %v", s, name, err)
		}
		_, err = f.AuthFetch(t.Context(), c.Token, "")
		wantErr(t, "without a token", err, ErrCodeRequired)
		u, err := f.unlock(t, c.Token, strings.ToLower(account.FormatCode(c.Code)), "", "a")
		if err != nil || !strings.HasPrefix(u.Token, "lzd_") || !u.ExpiresAt.Equal(f.clk.time().Add(7*24*time.Hour)) {
			t.Fatalf("unlock: %+v, %v", u, err)
		}
		for _, code := range []string{c.Code, "", "WRONG"} {
			again, err := f.unlock(t, c.Token, code, u.Token, "b")
			if err != nil || again.Token != u.Token {
				t.Errorf("with a live token and code %q: %+v, %v", code, again, err)
			}
		}
		f.wantDownloads(t, c.Token, 1)
		a, err := f.AuthFetch(t.Context(), c.Token, u.Token)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // looking and reading count nothing
			if v, err := f.ShareFiles(t.Context(), a, Page{}); err != nil || len(v.Files) != 1 || v.TotalBytes != 1000 {
				t.Errorf("share shows %+v, %v", v, err)
			}
		}
		f.wantDownloads(t, c.Token, 1)
		if _, err := f.unlock(t, c.Token, c.Code, "lzd_unknown", "a"); err != nil {
			t.Errorf("right code with an unknown token: %v", err)
		}
		f.wantDownloads(t, c.Token, 2)
		f.clk.forward(7 * 24 * time.Hour)
		_, err = f.AuthFetch(t.Context(), c.Token, u.Token)
		wantErr(t, "after the token's end", err, ErrCodeRequired)
		if again, err := f.unlock(t, c.Token, c.Code, u.Token, "a"); err != nil || again.Token == u.Token {
			t.Errorf("unlock with an ended token: %+v, %v", again, err)
		}
	})
}

func TestWrongCodes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, _ := f.shared(t)
		if _, err := f.unlock(t, c.Token, c.Code, "", "known"); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(time.Hour)
		for i := range 5 {
			_, err := f.unlock(t, c.Token, "00000000", "", "a")
			wantErr(t, "wrong code", err, ErrCodeWrong)
			if i%2 == 0 {
				f.clk.forward(time.Minute)
			}
		}
		_, err := f.unlock(t, c.Token, c.Code, "", "a")
		limit, ok := errors.AsType[*account.TryLimitError](err)
		if !ok || limit.RetryAfter != 12*time.Minute {
			t.Errorf("right code after five wrong ones: %v", err)
		}
		if _, err := f.unlock(t, c.Token, c.Code, "", "b"); err != nil {
			t.Errorf("another address: %v", err)
		}
		if n := f.events(t, "share_code_wrong"); n != 5 {
			t.Errorf("%d events tell of wrong codes, want 5", n)
		}
		f.clk.forward(12 * time.Minute)
		if _, err := f.unlock(t, c.Token, c.Code, "", "a"); err != nil {
			t.Errorf("after the window: %v", err)
		}
		for range 7 { // a right code forgets the tries before it
			f.clk.forward(time.Second)
			if _, err := f.unlock(t, c.Token, "wrong", "", "a"); !errors.Is(err, ErrCodeWrong) {
				t.Errorf("wrong code: %v", err)
			}
			if _, err := f.unlock(t, c.Token, c.Code, "", "a"); err != nil {
				t.Errorf("right code after a wrong one: %v", err)
			}
		}
	})
}

// TestManyGuessers: addresses that never unlocked a share have five tries at
// once and one a second among them; who has unlocked it is not affected.
func TestManyGuessers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, _ := f.shared(t)
		if _, err := f.unlock(t, c.Token, c.Code, "", "known"); err != nil {
			t.Fatal(err)
		}
		f.clk.forward(time.Minute)
		compared := 0
		for i, err := range at(100, func(i int) error {
			_, err := f.Unlock(t.Context(), c.Token, "wrong", "", Client{Subject: strings.Repeat("x", i+1)})
			return err
		}) {
			switch {
			case errors.Is(err, ErrCodeWrong):
				compared++
			case !errors.Is(err, account.ErrTooManyTries):
				t.Errorf("guess %d: %v", i, err)
			}
		}
		if compared != 5 {
			t.Errorf("%d of 100 guesses at once were compared, want 5", compared)
		}
		if _, err := f.unlock(t, c.Token, c.Code, "", "known"); err != nil {
			t.Errorf("who has unlocked it: %v", err)
		}
		f.clk.forward(time.Second)
		if _, err := f.unlock(t, c.Token, c.Code, "", "new"); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

func TestShareUsedUp(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, file := f.shared(t)
		s, code, err := f.CreateShare(t.Context(), f.studio.ID, c.Share.TransferID, NewShare{MaxDownloads: ptr(int64(3)), Recipients: []string{"Ben@Larsen.example"}})
		if err != nil || s.Recipients[0] != "ben@larsen.example" {
			t.Fatalf("create share: %+v, %v", s, err)
		}
		var got [20]Unlocked
		errs := at(len(got), func(i int) (err error) {
			got[i], err = f.Unlock(t.Context(), s.Token, code, "", Client{Subject: "a"})
			return err
		})
		n := good(t, errs, ErrShareUsedUp, account.ErrTooManyTries)
		for i := 0; n < 3 && i < 10; i++ {
			f.clk.forward(15 * time.Minute)
			u, err := f.unlock(t, s.Token, code, "", "a")
			if err != nil {
				t.Fatal(err)
			}
			got[0], n, errs[0] = u, n+1, nil
		}
		_, err = f.unlock(t, s.Token, code, "", "z")
		wantErr(t, "used up", err, ErrShareUsedUp)
		_, err = f.unlock(t, s.Token, "wrong", "", "z")
		wantErr(t, "used up, with a wrong code", err, ErrShareUsedUp)
		f.wantDownloads(t, s.Token, 3)
		if v, _, err := f.ViewShare(t.Context(), s.Token); err != nil || v.State != ShareUsedUp {
			t.Errorf("share is %s, %v", v.State, err)
		}
		for i, u := range got { // what was unlocked goes on
			if errs[i] != nil {
				continue
			}
			a, err := f.AuthFetch(t.Context(), s.Token, u.Token)
			if err != nil {
				t.Errorf("fetch from a share used up: %v", err)
				continue
			}
			if _, err := f.OpenShared(t.Context(), a, file.ID); err != nil {
				t.Errorf("open from a share used up: %v", err)
			}
			if again, err := f.unlock(t, s.Token, "", u.Token, "a"); err != nil || again.Token != u.Token {
				t.Errorf("unlock a used up share with a live token: %v", err)
			}
		}
	})
}

func TestShareEnds(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		c, _ := f.shared(t)
		for _, test := range []struct {
			name string
			end  func(s Share) error
			want error
		}{
			{"revoked", func(s Share) error {
				return errors.Join(f.RevokeShare(ctx, f.studio.ID, s.ID, Client{}), f.RevokeShare(ctx, f.studio.ID, s.ID, Client{}))
			}, ErrShareRevoked},
			{"expired", func(Share) error { f.clk.forward(time.Hour); return nil }, ErrShareExpired},
			{"transfer deleted", func(Share) error { return f.DeleteTransfer(ctx, f.studio.ID, c.Share.TransferID, Client{}) }, ErrShareRevoked},
		} {
			s, code, err := f.CreateShare(ctx, f.studio.ID, c.Share.TransferID, NewShare{ExpiresAt: ptr(f.clk.time().Add(time.Hour))})
			if err != nil {
				t.Fatal(err)
			}
			u, err := f.unlock(t, s.Token, code, "", "a")
			if err != nil || !u.ExpiresAt.Equal(s.ExpiresAt) {
				t.Fatalf("unlock: %+v, %v", u, err)
			}
			if err := test.end(s); err != nil {
				t.Fatal(err)
			}
			_, err = f.AuthFetch(ctx, s.Token, u.Token)
			wantErr(t, test.name+": a token that lived", err, test.want)
			_, err = f.unlock(t, s.Token, code, u.Token, "a")
			wantErr(t, test.name+": unlock with it", err, test.want)
			_, err = f.unlock(t, s.Token, "wrong", "", "a")
			wantErr(t, test.name+": a wrong code", err, test.want)
		}
		if n := f.events(t, "share_revoked"); n != 1 {
			t.Errorf("%d events tell of the revocation, want 1", n)
		}
		wantErr(t, "revoke an unknown share", f.RevokeShare(ctx, f.studio.ID, "nonsense", Client{}), ErrNotFound)
		_, err := f.unlock(t, "nonsense", "code", "", "a")
		wantErr(t, "unlock an unknown share", err, ErrShareNotFound)
		_, _, err = f.ViewShare(ctx, "nonsense")
		wantErr(t, "view an unknown share", err, ErrShareNotFound)
		_, err = f.AuthFetch(ctx, "nonsense", "")
		wantErr(t, "fetch from an unknown share", err, ErrShareNotFound)
	})
}

// TestShareOutlivesPurge: whoever comes late is told why, until the rows go.
func TestShareOutlivesPurge(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		expired, _ := f.shared(t)
		deleted, _ := f.shared(t)
		if err := f.DeleteTransfer(t.Context(), f.studio.ID, deleted.Share.TransferID, Client{}); err != nil {
			t.Fatal(err)
		}
		f.purgeAll(t)
		f.wantTransfer(t, expired.Share.TransferID, Expired)
		_, err := f.unlock(t, expired.Token, expired.Code, "", "a")
		wantErr(t, "of an expired transfer", err, ErrShareExpired)
		_, err = f.unlock(t, deleted.Token, deleted.Code, "", "a")
		wantErr(t, "of a deleted transfer", err, ErrShareRevoked)
		f.clk.forward(91 * 24 * time.Hour)
		f.sweep(t)
		_, err = f.unlock(t, expired.Token, expired.Code, "", "a")
		wantErr(t, "after 90 days", err, ErrShareNotFound)
		f.exec(t, "UPDATE links SET transfers_used = 0") // counts for ever what went
		for _, table := range []string{"transfers", "files", "file_keys", "parts", "shares", "fetches"} {
			if n := f.number(t, "SELECT COUNT(*) FROM "+table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
	})
}

func TestCreateShareRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, _ := f.shared(t)
		id, past := c.Share.TransferID, f.clk.time()
		for _, test := range []struct {
			name string
			n    NewShare
			want error
		}{
			{"short code", NewShare{Code: "ab-cd ef"}, ErrCodeTooShort},
			{"long code", NewShare{Code: strings.Repeat("x", 65)}, ErrFieldInvalid},
			{"past", NewShare{ExpiresAt: &past}, ErrFieldInvalid},
			{"no downloads", NewShare{MaxDownloads: ptr(int64(0))}, ErrFieldInvalid},
			{"bad recipient", NewShare{Recipients: []string{"a@b.example", "nobody"}}, ErrFieldInvalid},
			{"many recipients", NewShare{Recipients: make([]string, 101)}, ErrFieldInvalid},
		} {
			_, _, err := f.CreateShare(t.Context(), f.studio.ID, id, test.n)
			wantErr(t, test.name, err, test.want)
		}
		_, _, err := f.CreateShare(t.Context(), f.studio.ID, "nonsense", NewShare{})
		wantErr(t, "of an unknown transfer", err, ErrTransferMissing)
		b := f.begin(t, LinkFields{})
		_, _, err = f.CreateShare(t.Context(), f.studio.ID, b.id, NewShare{})
		wantErr(t, "of one that receives", err, ErrTransferIncomplete)
		f.clk.forward(31 * 24 * time.Hour)
		_, _, err = f.CreateShare(t.Context(), f.studio.ID, id, NewShare{})
		wantErr(t, "of one over its time", err, ErrTransferExpired)
	})
}

// TestStudiosShares keep their token for the list; a code of the studio's own
// forgives case, spaces and dashes too.
func TestStudiosShares(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		c, _ := f.shared(t)
		s, code, err := f.CreateShare(t.Context(), f.studio.ID, c.Share.TransferID, NewShare{Code: "Müller & Söhne"})
		if err != nil || code != "Müller & Söhne" {
			t.Fatalf("create: %q, %v", code, err)
		}
		if _, err := f.unlock(t, s.Token, "müller-&-SÖHNE", "", "a"); err != nil {
			t.Errorf("own code: %v", err)
		}
		list, next, err := f.Shares(t.Context(), f.studio.ID, c.Share.TransferID, Page{})
		if err != nil || next != "" || len(list) != 2 {
			t.Fatalf("list: %+v, %v", list, err)
		}
		if list[0].Token != s.Token || list[0].Downloads != 1 || list[1].ID != c.Share.ID || list[1].Token != "" {
			t.Errorf("list is %+v", list)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM shares WHERE token_sealed IS NULL"); n != 1 {
			t.Errorf("%d shares have no sealed token, want the guest's alone", n)
		}
		_, _, err = f.Shares(t.Context(), f.studio.ID, c.Share.TransferID, Page{Cursor: "nonsense"})
		wantErr(t, "bad cursor", err, account.ErrCursor)
	})
}
