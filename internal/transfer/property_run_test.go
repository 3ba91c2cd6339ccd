package transfer

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestMain makes the property's runs fewer than rapid's own number, which is
// for functions without a database, and keeps failures out of the source tree:
// their seed is in the message. The command line rules over both.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "20", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestAnyOrder proves I1, I2, I5 and I6 for declares, parts, repeats, other
// bodies, cuts, faults, lost replies, crashes, ends, undos and sweeps in any
// order: counters, states, quota and bytes agree after every step, and at the
// end nothing is left.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	for _, kind := range []storeKind{memory(), directory(), bucket()} {
		for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
			t.Run(kind.kind+" "+string(engine), func(t *testing.T) {
				t.Parallel()
				mortal := &death{}
				opts := testenv.Database(t, engine)
				opts.Observe = mortal.observe
				f := newFixture(t, kind, testenv.Open(t, opts))
				f.death = mortal
				anyOrder(t, f)
				if mortal.died == 0 {
					t.Error("no process died")
				}
				t.Logf("processes that died: %d", mortal.died)
				f.checkRows(t)
			})
		}
	}
}

func anyOrder(t *testing.T, f *fixture) {
	f.quota(t, 1500+2*(f.unit-100)) // room for two files that are cut, however large
	rapid.Check(t, func(r *rapid.T) {
		f.wipe(t)
		f.faults.set(nil)
		f.death.set(0)
		if _, err := f.CreateLink(r.Context(), f.studio.ID, LinkFields{Slug: "property"}, Client{}); err != nil {
			r.Fatal(err)
		}
		m := &model{f: f}
		r.Repeat(m.actions())
		f.faults.set(nil)
		m.finish(r)
	})
	f.wipe(t)
}

// wipe leaves the studio alone and empty.
func (f *fixture) wipe(t tester) {
	t.Helper()
	for _, table := range []string{"fetches", "shares", "parts", "file_keys", "files", "transfers", "links", "mails", "events", "chores", "tries"} {
		f.exec(t, "DELETE FROM "+table)
	}
	f.exec(t, "UPDATE accounts SET used_bytes = 0, reserved_bytes = 0")
	objects, uploads := f.bucket(t)
	for _, o := range objects {
		if err := f.store.Delete(t.Context(), o.Key); err != nil {
			t.Fatal(err)
		}
	}
	for _, u := range uploads {
		if err := f.store.Abort(t.Context(), u.Upload); err != nil {
			t.Fatal(err)
		}
	}
}
