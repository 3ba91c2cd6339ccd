package account

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

func TestTokenOpensItsAccountOnly(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		mine, other := f.create(t, "a@example.com"), f.create(t, "b@example.com")
		expires := f.clock.time().Add(time.Hour)
		token, secret, err := f.CreateToken(ctx, mine, " laptop ", &expires, Origin{Actor: ActorStudio, IP: "192.0.2.1"})
		if err != nil {
			t.Fatal(err)
		}
		want := Token{ID: token.ID, Name: "laptop", CreatedAt: f.clock.time(), ExpiresAt: &expires}
		tokens, _, err := f.Tokens(ctx, mine, Page{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]Token{want}, tokens); d != "" {
			t.Errorf("Tokens (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want, token); d != "" {
			t.Errorf("CreateToken (-want +got):\n%s", d)
		}
		p, err := f.Authenticate(ctx, secret)
		if d := cmp.Diff(Principal{AccountID: mine, TokenID: token.ID, Kind: SecretAPI}, p); d != "" || err != nil {
			t.Errorf("Authenticate: %v (-want +got):\n%s", err, d)
		}
		if theirs, _, err := f.Tokens(ctx, other, Page{}); len(theirs) != 0 || err != nil {
			t.Errorf("another account sees %v, %v", theirs, err)
		}
		if err := f.RevokeToken(ctx, other, token.ID, Origin{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("another account revokes it: %v, want ErrNotFound", err)
		}
		if _, err := f.Authenticate(ctx, secret); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

func TestRevokeTwiceAndNever(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		token, secret, err := f.CreateToken(ctx, id, "x", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		by := Origin{Actor: ActorStudio, IP: "192.0.2.1"}
		for range 3 { // the first reply was lost, say
			if err := f.RevokeToken(ctx, id, token.ID, by); err != nil {
				t.Errorf("revoke: %v", err)
			}
		}
		if _, err := f.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("revoked token: %v", err)
		}
		for _, unknown := range []string{db.NewID(), "", "\xff", "x\x00"} {
			if err := f.RevokeToken(ctx, id, unknown, by); !errors.Is(err, ErrNotFound) {
				t.Errorf("revoke %q: %v, want ErrNotFound", unknown, err)
			}
		}
		if tokens, _, err := f.Tokens(ctx, id, Page{}); len(tokens) != 0 || err != nil {
			t.Errorf("Tokens = %v, %v; want none", tokens, err)
		}
		events, _, err := f.Events(ctx, id, Page{})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []EventKind
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		if d := cmp.Diff([]EventKind{EventTokenRevoked, EventTokenCreated, EventAccountCreated}, kinds); d != "" {
			t.Errorf("events, newest first (-want +got):\n%s", d)
		}
		detail := map[string]any{"token_id": token.ID, "name": "x"}
		if d := cmp.Diff(detail, events[0].Detail); d != "" || events[0].IP != by.IP || events[0].Actor != ActorStudio {
			t.Errorf("event %+v (-want +got):\n%s", events[0], d)
		}
	})
}

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		expires := f.clock.time().Add(time.Hour)
		_, secret, err := f.CreateToken(ctx, id, "x", &expires, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		refused := func(when, secret string) {
			t.Helper()
			if p, err := f.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("%s: %+v, %v; want ErrUnauthenticated", when, p, err)
			}
		}
		unknown, err := NewSecret(SecretAPI, nil)
		if err != nil {
			t.Fatal(err)
		}
		refused("unknown", unknown)
		refused("empty", "")
		refused("not a secret", "Bearer "+secret)
		refused("another prefix", strings.Replace(secret, "lza_", "lzs_", 1))
		refused("an upload token", strings.Replace(secret, "lza_", "lzu_", 1))

		f.exec(t, `UPDATE accounts SET state = 'disabled' WHERE id = $1`, id)
		refused("disabled account", secret)
		f.exec(t, `UPDATE accounts SET state = 'active' WHERE id = $1`, id)

		// A row of another kind under the same hash must not open either.
		f.exec(t, `UPDATE tokens SET kind = 'session' WHERE account_id = $1`, id)
		refused("row of another kind", secret)
		f.exec(t, `UPDATE tokens SET kind = 'api' WHERE account_id = $1`, id)

		f.clock.advance(time.Hour - time.Microsecond)
		if _, err := f.Authenticate(ctx, secret); err != nil {
			t.Errorf("just before it expires: %v", err)
		}
		f.clock.advance(time.Microsecond)
		refused("expired", secret)
	})
}

func TestCreateTokenRefuses(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		now := f.clock.time()
		for _, c := range []struct {
			what, account, name string
			expires             *time.Time
			want                error
		}{
			{"no name", id, "", nil, ErrNameInvalid},
			{"long name", id, strings.Repeat("x", 201), nil, ErrNameInvalid},
			{"expired", id, "x", &now, ErrExpiryInvalid},
			{"no such account", db.NewID(), "x", nil, ErrNotFound},
		} {
			if _, secret, err := f.CreateToken(t.Context(), c.account, c.name, c.expires, Origin{}); !errors.Is(err, c.want) || secret != "" {
				t.Errorf("%s: %q, %v; want %v", c.what, secret, err, c.want)
			}
		}
		f.exec(t, `UPDATE accounts SET state = 'disabled' WHERE id = $1`, id)
		if _, _, err := f.CreateToken(t.Context(), id, "x", nil, Origin{}); !errors.Is(err, ErrNotActive) {
			t.Errorf("disabled account: %v", err)
		}
		if _, _, err := f.ReplaceToken(t.Context(), id, "x", Origin{}); !errors.Is(err, ErrNotActive) {
			t.Errorf("disabled account, replace: %v", err)
		}
	})
}

func TestReplaceLeavesOneOfThatName(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		mine, other := f.create(t, "a@example.com"), f.create(t, "b@example.com")
		_, kept, err := f.CreateToken(ctx, mine, "laptop", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		_, theirs, err := f.ReplaceToken(ctx, other, "seed", Origin{})
		if err != nil {
			t.Fatal(err)
		}
		secrets := make([]string, 10)
		errs := atOnce(len(secrets), func(i int) error {
			_, secret, err := f.ReplaceToken(ctx, mine, "seed", Origin{})
			secrets[i] = secret
			return err
		})
		if ok := count(t, errs, nil); ok != len(secrets) {
			t.Fatalf("%d of %d replacements done", ok, len(secrets))
		}
		live := 0
		for _, s := range secrets {
			if _, err := f.Authenticate(ctx, s); err == nil {
				live++
			}
		}
		if live != 1 {
			t.Errorf("%d tokens named seed live, want 1", live)
		}
		for what, s := range map[string]string{"another name": kept, "another account": theirs} {
			if _, err := f.Authenticate(ctx, s); err != nil {
				t.Errorf("token of %s: %v", what, err)
			}
		}
	})
}

func TestUseIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		_, secret, err := f.CreateToken(ctx, id, "x", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		first := f.clock.time()
		for _, c := range []struct {
			after time.Duration
			want  time.Time
		}{
			{0, first},
			{59 * time.Second, first},
			{time.Second, first.Add(time.Minute)},
			{time.Hour, first.Add(time.Hour + time.Minute)},
		} {
			f.clock.advance(c.after)
			if _, err := f.Authenticate(ctx, secret); err != nil {
				t.Fatal(err)
			}
			tokens, _, err := f.Tokens(ctx, id, Page{})
			if err != nil {
				t.Fatal(err)
			}
			if got := tokens[0].LastUsedAt; got == nil || !got.Equal(c.want) {
				t.Errorf("after %s: last used %v, want %v", c.after, got, c.want)
			}
		}
	})
}

// A database that cannot be written must not lock the studio out.
func TestUseThatCannotBeNotedIsLogged(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		_, secret, err := f.CreateToken(t.Context(), id, "x", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		f.log = slog.New(slog.NewTextHandler(&log, nil))
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		f.touch(cancelled, db.NewID(), f.clock.time())
		if !strings.Contains(log.String(), "token_use_not_noted") || strings.Contains(log.String(), secret) {
			t.Errorf("log: %s", log.String())
		}
	})
}
