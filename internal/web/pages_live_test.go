package web

import (
	"net/http"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
)

// TestProgressOutlivesARefusedStream: a browser gives a stream up for good at the first
// answer that is none. The page asks by itself then, until there is a stream again.
func TestProgressOutlivesARefusedStream(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.LiveEvery = 50 * time.Millisecond })
	st := e.start()
	f := e.declareFile(st, "film.mov", 390_000)
	b := e.openTab("en")
	b.excuse("502")
	b.excuse("401")
	id := b.signedIn(e.account.ID)
	stop := b.answerInstead("*/live", http.StatusBadGateway, "<h1>Squid</h1>")
	b.open("/transfers/" + st.ID)
	b.reads("#percent", "0")
	e.put(st, f, pattern(390_000))
	b.reads("#percent", "100")
	stop()
	e.wantLives(1)
	last := e.declareFile(st, "late.mov", 390_000)
	b.reads("#percent", "50")
	e.put(st, last, pattern(390_000))
	b.reads("#percent", "100")

	e.must(e.accounts.RevokeSession(t.Context(), e.account.ID, id, account.Origin{}))
	b.holds(`location.pathname === "/signin"`)
}
