package account

import (
	"errors"
	"strings"
	"testing"
)

func TestLinkOfAnOperator(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		account := d.f.create(t, "anna@example.com")
		address, expires, err := d.Link(t.Context(), account)
		if err != nil || !expires.Equal(d.f.clock.time().Add(LoginLife)) {
			t.Fatal(expires, err)
		}
		rest, ok := strings.CutPrefix(address, "https://x.example.com/signin#")
		id, code, _ := strings.Cut(rest, ".")
		if !ok || len(d.hints) != 0 {
			t.Errorf("address %q, hints %v", address, d.hints)
		}
		if s, _, err := d.Verify(t.Context(), id, code, Device{}); err != nil || s.AccountID != account {
			t.Errorf("%+v %v", s, err)
		}
	})
}

func TestRevokeSessions(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		mine, other := d.f.create(t, "a@example.com"), d.f.create(t, "b@example.com")
		var ids, secrets []string
		for _, email := range []string{"a@example.com", "a@example.com", "b@example.com"} {
			id, code := d.begin(t, email)
			s, secret, err := d.Verify(ctx, id, code, Device{})
			if err != nil {
				t.Fatal(err)
			}
			ids, secrets = append(ids, s.ID), append(secrets, secret)
		}
		_, api, err := d.f.CreateToken(ctx, mine, "api", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.f.RevokeSession(ctx, other, ids[0], Origin{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("another account's: %v", err)
		}
		if err := d.f.RevokeSessions(ctx, mine, ids[0], Origin{Actor: ActorStudio}); err != nil {
			t.Fatal(err)
		}
		for i, secret := range append(secrets, api) {
			_, err := d.f.Authenticate(ctx, secret)
			if gone := errors.Is(err, ErrUnauthenticated); gone != (i == 1) {
				t.Errorf("secret %d: %v", i, err)
			}
		}
		events, _, err := d.f.Events(ctx, mine, Page{Limit: 2})
		if err != nil || events[0].Kind != EventSessionRevoked || events[0].Detail["session_id"] != ids[1] {
			t.Errorf("events %+v %v", events, err)
		}
	})
}
