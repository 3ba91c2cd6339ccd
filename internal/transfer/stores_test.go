package transfer

import (
	"testing"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// storeKind is a kind of store that lasts.
type storeKind struct {
	name     string
	unit     int64 // as in fixture
	lastWins bool
	// begin makes an empty store. It gives what opens it, as often as wanted, and
	// the folders in which it keeps everything.
	begin func(t *testing.T) (open func() (*blob.Store, error), folders []string)
}

func storeKinds() []storeKind {
	return []storeKind{
		{"directory", 100, false, func(t *testing.T) (func() (*blob.Store, error), []string) {
			root := t.TempDir()
			return func() (*blob.Store, error) { return blob.OpenDir(blob.DirOptions{Root: root}) }, []string{root}
		}},
		{"s3", 5 * mib, true, func(t *testing.T) (func() (*blob.Store, error), []string) {
			s := testenv.S3(t)
			return func() (*blob.Store, error) {
				return blob.OpenS3(blob.S3Options{
					Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
				})
			}, s.Folders
		}},
	}
}

// eachStore runs a test on both engines with a directory and with a bucket.
func eachStore(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for _, kind := range storeKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			testenv.EachEngine(t, func(t *testing.T, database func(testing.TB) *db.DB) {
				open, folders := kind.begin(t)
				f := kind.fixture(t, database(t), open)
				f.folders = folders
				test(t, f)
				f.checkRows(t)
			})
		})
	}
}

func (k storeKind) fixture(t *testing.T, d *db.DB, open func() (*blob.Store, error)) *fixture {
	t.Helper()
	f := newFixtureOn(t, d, openStore(t, open))
	f.unit, f.lastWins = k.unit, k.lastWins
	return f
}

// openStore opens a store until the end of the test.
func openStore(t *testing.T, open func() (*blob.Store, error)) *blob.Store {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
