package web

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

func TestStudioSeesWhatHappened(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.library()
	s := e.send("a.jpg", pattern(10))
	e.unlockShare(s)
	e.do("POST", "/api/v1/d/"+s.token+"/unlock", "", api.Unlock{Code: "0000-0000"})
	made := ask[api.Link](e, 201, "POST", "/api/v1/links", e.studio, api.NewLink{Slug: "autumn"})
	e.do("DELETE", "/api/v1/links/"+made.ID, e.studio, nil)
	e.signInAs("studio@example.com", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	ask[api.Token](e, 201, "POST", "/api/v1/tokens", e.studio, api.NewToken{Name: "backup at night"})
	_, err := e.accounts.SetQuota(t.Context(), e.account.ID, nil)
	e.must(err)

	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/settings")
	b.click(`[href="/events"]`)
	b.reads("h1", "What happened")
	b.look("events")
	list := b.text("#list")
	for _, want := range []string{
		"Somebody opened a share with its code", "Somebody tried a wrong code", "An upload link was made", "/u/autumn", "Signed in", "Firefox on Linux",
		"An API token was made", "backup at night", "The space of the account was changed", "no limit", "a guest", "you", "127.0.0.1",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in %s", want, list)
		}
	}
	if strings.Contains(list, "event.") {
		t.Errorf("a kind has no sentence: %s", list)
	}
	b.click(`#list a[href="/transfers/` + s.ID + `"]`)
	b.see("#share-list")
}

func TestWhatHappenedGoesOnInPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	_, secret := e.newSession(e.account.ID)
	for range activityShown {
		e.must(e.db.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			return e.accounts.Record(ctx, tx, account.Event{AccountID: e.account.ID, Kind: account.EventKeyRotated})
		}))
	}
	first := string(e.page("/events", secret).body)
	_, rest, found := strings.Cut(first, `href="/events?after=`)
	cursor, _, _ := strings.Cut(rest, `"`)
	if n := strings.Count(first, `id="e-`); !found || n != activityShown {
		t.Fatalf("%d rows, and the next page: %v", n, found)
	}
	second := string(e.page("/events?after="+cursor, secret).body)
	if n := strings.Count(second, `id="e-`); n == 0 || !strings.Contains(second, `href="/events"`) || strings.Contains(second, "?after=") {
		t.Errorf("the second page has %d rows: %s", n, second)
	}
	if a := e.page("/events?after=nonsense", secret); a.StatusCode != 400 {
		t.Errorf("a cursor that is none: %d", a.StatusCode)
	}
}
