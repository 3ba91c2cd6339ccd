package web

import (
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

func TestStudioSettings(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, agent := range []string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"curl/8.1",
	} {
		e.signInAs("studio@example.com", agent)
	}
	b := e.openTab("en")
	b.excuse("422")
	b.signedIn(e.account.ID)
	b.open("/settings")
	b.look("settings")
	list := b.text("#sessions")
	for _, want := range []string{"Safari on iPhone", "Firefox on Linux", "curl/8.1", "Unknown device", "this browser", "127.0.0.1"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in %s", want, list)
		}
	}
	b.click(`#sessions [aria-label="End the session of curl/8.1"]`)
	b.holds(`!document.getElementById("sessions").innerText.includes("curl")`)
	b.click("#end-others")
	b.holds(`document.querySelectorAll("#sessions > li").length === 1`)
	if left, _, err := e.accounts.Sessions(t.Context(), e.account.ID, account.Page{}); err != nil || len(left) != 1 {
		t.Errorf("%d sessions are left, %v", len(left), err)
	}

	b.write("#name", " ")
	b.click("#rename button")
	b.reads("#rename-wrong", "1 to 200 characters")
	b.write("#name", "Halden & Rye")
	b.click("#rename button")
	b.reads(".bar", "Halden & Rye")

	b.click("#token-make")
	b.reads("#token-wrong", "A name has 1 to 200 characters")
	b.write("#token-name", "backup at night")
	b.click("#token-make")
	b.see("#made")
	b.look("settings-token")
	token := b.text("#made-token")
	if a := e.do("GET", "/api/v1/me", token, nil); a.StatusCode != 200 {
		t.Errorf("the token that is shown: %d", a.StatusCode)
	}
	b.reads("#tokens", "backup at night")
	b.click("#made-done")
	b.click(`#tokens [aria-label="Revoke the token backup at night"]`)
	b.reads("#confirm", "Revoke the token “backup at night”?")
	b.look("settings-revoke")
	b.click("#confirm-yes")
	b.holds(`!document.getElementById("tokens").innerText.includes("backup at night")`)
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/me", token, nil)
	b.click("#sessions [data-sign-out]")
	b.see("#out")
}

// A page that stays open while its session is ended elsewhere asks to sign in.
func TestStudioPageNoticesThatItsSessionEnded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	b := e.openTab("en")
	b.excuse("401")
	id := b.signedIn(e.account.ID)
	b.open("/settings")
	b.see("#token-make")
	e.must(e.accounts.RevokeSession(t.Context(), e.account.ID, id, account.Origin{}))
	b.write("#token-name", "late")
	b.click("#token-make")
	b.holds(`location.pathname === "/signin" && location.search === "?next=%2Fsettings"`)
}

// TestStudioDeletesItsAccount: only who types its address, and then everything of it is gone.
func TestStudioDeletesItsAccount(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	s := e.send("a.jpg", pattern(10))
	b := e.openTab("en")
	b.signedIn(e.account.ID)
	b.open("/settings")
	b.click("#delete")
	b.reads("#delete-ask", "There is no undo")
	b.look("settings-delete")
	b.write("#delete-email", "other@example.com")
	b.click("#delete-yes")
	b.reads("#delete-wrong", "This is not the address of this account.")
	b.look("settings-delete-wrong")
	b.click("#delete-no")
	b.click("#delete")
	b.write("#delete-email", " Studio@Example.com")
	b.click("#delete-yes")
	b.reads("h1", "The account is deleted")
	b.look("deleted")
	b.holds(`location.pathname === "/deleted"`)
	b.open("/transfers")
	b.holds(`location.pathname === "/signin"`)
	e.wantProblem(api.LinkNotFound, "GET", "/api/v1/u/wedding", "", nil)
	if a := e.do("GET", "/api/v1/d/"+s.token, "", nil); a.StatusCode != 404 && a.StatusCode != 410 {
		t.Errorf("a share of it answers %d", a.StatusCode)
	}
}
