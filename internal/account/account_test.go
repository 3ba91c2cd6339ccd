package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

func inTx(ctx context.Context, d *db.DB, fn func(context.Context, db.Querier) error) error {
	return d.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error { return fn(ctx, tx) })
}

func TestAccountComesBackAsItWasMade(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		quota := int64(25 << 30)
		f.quota = &quota
		made, err := f.Create(ctx, NewAccount{Email: " Anna@Example.COM ", Name: "  Anna's Studio ", Language: "hi"})
		if err != nil {
			t.Fatal(err)
		}
		want := Account{ID: made.ID, Email: "anna@example.com", Name: "Anna's Studio", Role: "owner", Mode: "vault",
			State: "active", Quota: &quota, Language: "hi", CreatedAt: f.clock.time()}
		byID, err := f.ByID(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		byEmail, err := f.ByEmail(ctx, "ANNA@example.com")
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]Account{"Create": made, "ByID": byID, "ByEmail": byEmail} {
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		keys, err := f.PublicKeys(ctx, made.ID)
		if err != nil || len(keys) != 1 || keys[0].Version != 1 || len(keys[0].Suite) != 6 || len(keys[0].Public) != 32 {
			t.Errorf("PublicKeys = %+v, %v; want one of version 1", keys, err)
		}
		events, _, err := f.Events(ctx, made.ID, Page{})
		if err != nil || len(events) != 1 || events[0].Kind != EventAccountCreated {
			t.Errorf("Events = %+v, %v; want one account_created", events, err)
		}
	})
}

func TestCreateWithQuotaAndToken(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		little, much, byDefault := int64(1000), int64(1)<<53, int64(25<<30)
		f.quota = &byDefault
		made, secret, err := f.CreateWithToken(ctx, NewAccount{Email: "anna@example.com", Name: "Anna", Quota: &Quota{&little}}, " laptop ")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.ByID(ctx, made.ID); err != nil || got.Quota == nil || *got.Quota != little {
			t.Errorf("quota %v, %v", got.Quota, err)
		}
		if p, err := f.Authenticate(ctx, secret); err != nil || p.AccountID != made.ID {
			t.Errorf("the token is of %+v, %v", p, err)
		}
		if without, err := f.Create(ctx, NewAccount{Email: "ben@example.com", Name: "Ben", Quota: &Quota{}}); err != nil || without.Quota != nil {
			t.Errorf("without a quota: %v, %v", without.Quota, err)
		}
		for name, c := range map[string]struct {
			quota *Quota
			token string
			want  error
		}{
			"much": {&Quota{&much}, "laptop", ErrQuotaInvalid}, "token": {nil, "one\ttwo", ErrTokenName}, "no token": {nil, " ", ErrTokenName},
		} {
			_, _, err := f.CreateWithToken(ctx, NewAccount{Email: "carl@example.com", Name: "Carl", Quota: c.quota}, c.token)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if _, err := f.ByEmail(ctx, "carl@example.com"); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: half an account was made: %v", name, err)
			}
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.create(t, "taken@example.com")
		for _, c := range []struct {
			name string
			in   NewAccount
			want error
		}{
			{"no address", NewAccount{Email: "nobody", Name: "A"}, ErrEmailInvalid},
			{"taken", NewAccount{Email: "taken@example.com", Name: "A"}, ErrEmailTaken},
			{"taken, other case", NewAccount{Email: "Taken@Example.com", Name: "A"}, ErrEmailTaken},
			{"no name", NewAccount{Email: "a@example.com", Name: " \t "}, ErrNameInvalid},
			{"long name", NewAccount{Email: "a@example.com", Name: strings.Repeat("é", 201)}, ErrNameInvalid},
			{"name of two lines", NewAccount{Email: "a@example.com", Name: "a\nb"}, ErrNameInvalid},
			{"name with NUL", NewAccount{Email: "a@example.com", Name: "a\x00b"}, ErrNameInvalid},
			{"name not UTF-8", NewAccount{Email: "a@example.com", Name: "a\xffb"}, ErrNameInvalid},
		} {
			if _, err := f.Create(t.Context(), c.in); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
		}
		f.ring.set("")
		_, err := f.Create(t.Context(), NewAccount{Email: "a@example.com", Name: "A"})
		if !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("without master keys: got %v, want ErrKeyUnavailable", err)
		}
		all, _, err := f.List(t.Context(), Page{})
		if err != nil || len(all) != 1 {
			t.Errorf("after refusals there are %d accounts (%v), want 1", len(all), err)
		}
	})
}

func TestAddressOfDeletedAccountIsFree(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		old := f.create(t, "a@example.com")
		f.exec(t, `UPDATE accounts SET state = 'deleted' WHERE id = $1`, old)
		if _, err := f.ByEmail(t.Context(), "a@example.com"); !errors.Is(err, ErrNotFound) {
			t.Errorf("ByEmail of a deleted account: %v, want ErrNotFound", err)
		}
		again := f.create(t, "a@example.com")
		got, err := f.ByEmail(t.Context(), "a@example.com")
		if err != nil || got.ID != again {
			t.Errorf("ByEmail = %s, %v; want the new account %s", got.ID, err, again)
		}
		all, _, err := f.List(t.Context(), Page{})
		if err != nil || len(all) != 1 {
			t.Errorf("List gives %d accounts (%v), want the one that is not deleted", len(all), err)
		}
	})
}

func TestOneOfManyCreatesWins(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		errs := atOnce(20, func(int) error {
			_, err := f.Create(t.Context(), NewAccount{Email: "a@example.com", Name: "A"})
			return err
		})
		if ok := count(t, errs, ErrEmailTaken); ok != 1 {
			t.Errorf("%d of 20 accounts were made, want 1", ok)
		}
	})
}

func TestRename(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		got, err := f.Rename(ctx, id, " New name ")
		if err != nil || got.Name != "New name" || got.ID != id {
			t.Errorf("Rename = %+v, %v", got, err)
		}
		if _, err := f.Rename(ctx, id, ""); !errors.Is(err, ErrNameInvalid) {
			t.Errorf("empty name: %v", err)
		}
		if _, err := f.Rename(ctx, db.NewID(), "B"); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown account: %v", err)
		}
		f.exec(t, `UPDATE accounts SET state = 'disabled' WHERE id = $1`, id)
		if _, err := f.Rename(ctx, id, "B"); !errors.Is(err, ErrNotActive) {
			t.Errorf("disabled account: %v", err)
		}
	})
}

func TestUnknownAccountIsNotFound(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		for _, id := range []string{db.NewID(), "", "x", "a\x00b", "\xff"} {
			if _, err := f.ByID(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("ByID(%q): %v, want ErrNotFound", id, err)
			}
		}
		for _, email := range []string{"a@example.com", "", "x", "\xff@example.com"} {
			if _, err := f.ByEmail(t.Context(), email); !errors.Is(err, ErrNotFound) {
				t.Errorf("ByEmail(%q): %v, want ErrNotFound", email, err)
			}
		}
	})
}

func TestListIsPagedNewestFirst(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var want []string
		for i := range 7 {
			want = append([]string{f.create(t, fmt.Sprintf("a%d@example.com", i))}, want...)
		}
		for _, limit := range []int{1, 2, 6, 7, 8, 0, -1} {
			var got []string
			p := Page{Limit: limit}
			for pages := 0; ; pages++ {
				accounts, next, err := f.List(t.Context(), p)
				if err != nil || pages > len(want) {
					t.Fatalf("limit %d, page %d: %v", limit, pages, err)
				}
				for _, a := range accounts {
					got = append(got, a.ID)
				}
				if next == "" {
					break
				}
				p.Cursor = next
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("limit %d (-want +got):\n%s", limit, d)
			}
		}
		for _, cursor := range []string{"x", "0", "\xff", strings.ToUpper(want[0])} {
			if _, _, err := f.List(t.Context(), Page{Cursor: cursor}); !errors.Is(err, ErrCursor) {
				t.Errorf("cursor %q: %v, want ErrCursor", cursor, err)
			}
		}
	})
}

func TestPageLimits(t *testing.T) {
	t.Parallel()
	for in, want := range map[int]int{-5: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000, 1 << 40: 1000} {
		if _, got, err := (Page{Limit: in}).Before(); got != want || err != nil {
			t.Errorf("limit %d becomes %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestCheckEmail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	label := strings.Repeat("b", 63)
	for in, want := range map[string]string{
		"anna@example.com":           "anna@example.com",
		"  Anna.B+tag@Mail.Example ": "anna.b+tag@mail.example",
		"o'neil@x-y.co":              "o'neil@x-y.co",
		long + "@example.com":        long + "@example.com",
		"a@" + label + ".com":        "a@" + label + ".com",
		"a@xn--bcher-kva.example":    "a@xn--bcher-kva.example",

		"":                             "",
		"anna":                         "",
		"@example.com":                 "",
		"anna@":                        "",
		"anna@localhost":               "",
		"anna@example.":                "",
		"anna@.example.com":            "",
		"anna@exa mple.com":            "",
		"anna@-example.com":            "",
		"anna@example-.com":            "",
		"anna@exam_ple.com":            "",
		"a..b@example.com":             "",
		".a@example.com":               "",
		"a@b@example.com":              "",
		"Anna <anna@example.com>":      "",
		"<anna@example.com>":           "",
		"anna@example.com (work)":      "",
		`"a b"@example.com`:            "",
		"anna@[127.0.0.1]":             "",
		"a@example.com,b@example.com":  "",
		"a@example.com\r\nBcc: b@x.yz": "",
		"a\x00@example.com":            "",
		"änna@example.com":             "",
		"anna@bücher.example":          "",
		"anna@example.com\xff":         "",
		long + "a@example.com":         "",
		"a@" + label + "b.com":         "",
		"a@" + strings.Repeat(label+".", 4) + "example.com": "",
	} {
		got, err := CheckEmail(in)
		if got != want || (want == "") != errors.Is(err, ErrEmailInvalid) {
			t.Errorf("CheckEmail(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzCheckEmail(f *testing.F) {
	for _, s := range []string{"anna@example.com", "Anna <a@b.co>", "a@b@c.de", "\r\n@x.yz", "é@x.yz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := CheckEmail(s)
		if err != nil {
			return
		}
		if again, err := CheckEmail(got); err != nil || again != got {
			t.Errorf("CheckEmail(%q) = %q, but of that %q, %v", s, got, again, err)
		}
		if strings.ContainsAny(got, "\r\n\t <>,;\"") || strings.Count(got, "@") != 1 {
			t.Errorf("CheckEmail(%q) = %q", s, got)
		}
	})
}

func TestClockIsWhatRowsKeep(t *testing.T) {
	t.Parallel()
	s := New(Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("x", 3600)) }})
	if got := s.clock(); !got.Equal(db.Time(db.Micros(got))) || got.Location() != time.UTC {
		t.Errorf("clock = %v, which a row does not keep", got)
	}
}
