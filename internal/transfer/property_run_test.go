package transfer

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/lenzeye/lenzeye/internal/blob"
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
	eachEngine(t, anyOrder)
}

// TestAnyOrderOnStores is TestAnyOrder on the stores that last.
func TestAnyOrderOnStores(t *testing.T) {
	t.Parallel()
	eachStore(t, anyOrder)
}

func anyOrder(t *testing.T, f *fixture) {
	f.quota(t, 1500)
	rapid.Check(t, func(r *rapid.T) {
		f.wipe(t)
		f.faults.set(nil)
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

// eachStore runs a test on both engines with a directory and with a bucket.
func eachStore(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	stores := map[string]func(t *testing.T) (*blob.Store, error){
		"directory": func(t *testing.T) (*blob.Store, error) {
			return blob.OpenDir(blob.DirOptions{Root: t.TempDir()})
		},
		"s3": func(t *testing.T) (*blob.Store, error) {
			s := testenv.S3(t)
			return blob.OpenS3(blob.S3Options{
				Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
			})
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testenv.EachEngine(t, func(t *testing.T, database func(testing.TB) *db.DB) {
				store, err := open(t)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := store.Close(); err != nil {
						t.Error(err)
					}
				})
				f := newFixtureOn(t, database(t), store)
				test(t, f)
				f.checkRows(t)
			})
		})
	}
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
