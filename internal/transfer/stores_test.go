package transfer

import (
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// storeKind is a kind of store.
type storeKind struct {
	kind     string
	unit     int64 // the smallest part that the store takes before a last one
	lastWins bool  // the store keeps of two attempts at a part the later one only
	ownClock bool  // the store has a clock of its own, which no test turns
	// begin makes an empty store. It gives what opens it, as often as wanted, and
	// the folders in which it keeps everything.
	begin func(t testing.TB, clk *clock) (open func() (*blob.Store, error), folders []string)
}

func memory() storeKind {
	return storeKind{"memory", 100, true, false, func(_ testing.TB, clk *clock) (func() (*blob.Store, error), []string) {
		s := blob.OpenMem(blob.MemOptions{Now: clk.time}) // has no second handle
		return func() (*blob.Store, error) { return s, nil }, nil
	}}
}

func directory() storeKind {
	return storeKind{"directory", 100, false, true, func(t testing.TB, _ *clock) (func() (*blob.Store, error), []string) {
		root := t.TempDir()
		return func() (*blob.Store, error) { return blob.OpenDir(blob.DirOptions{Root: root}) }, []string{root}
	}}
}

func bucket() storeKind {
	return storeKind{"s3", 5 * mib, true, true, func(t testing.TB, _ *clock) (func() (*blob.Store, error), []string) {
		s := testenv.S3(t)
		return func() (*blob.Store, error) {
			return blob.OpenS3(blob.S3Options{
				Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
			})
		}, s.Folders
	}}
}

// eachStore runs a test on both engines with each kind of store and, when it has
// ended, holds every row against the others.
func eachStore(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	onKinds(t, test, memory(), directory(), bucket())
}

// eachLastWins runs a test on both engines with the stores that keep of two
// attempts at a part the later one only.
func eachLastWins(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	onKinds(t, test, memory(), bucket())
}

func onKinds(t *testing.T, test func(t *testing.T, f *fixture), kinds ...storeKind) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind.kind, func(t *testing.T) {
			t.Parallel()
			onEngines(t, kind, test)
		})
	}
}

// eachEngine runs a test on both engines with a store in memory, for what the
// kind of store has no part in.
func eachEngine(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	onEngines(t, memory(), test)
}

// eachDirectory runs a test on both engines with a directory.
func eachDirectory(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	onEngines(t, directory(), test)
}

func onEngines(t *testing.T, kind storeKind, test func(t *testing.T, f *fixture)) {
	t.Helper()
	testenv.EachEngine(t, func(t *testing.T, open func(testing.TB) *db.DB) {
		f := newFixture(t, kind, open(t))
		test(t, f)
		f.checkRows(t)
	})
}

// newFixture is an empty system on a kind of store. A store with a clock of its
// own shows the present, so the fixture begins there.
func newFixture(t testing.TB, kind storeKind, d *db.DB) *fixture {
	t.Helper()
	f := &fixture{db: d, clk: &clock{now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}, faults: &faults{}, death: &death{}, storeKind: kind}
	if kind.ownClock {
		f.clk.now = time.Now().UTC()
	}
	open, folders := kind.begin(t, f.clk)
	f.folders = folders
	f.another = func(t testing.TB) *blob.Store { t.Helper(); return openStore(t, open).WithFaults(f.hook) }
	f.store = f.another(t)
	return f.open(t, Settings{})
}

// openStore opens a store until the end of the test.
func openStore(t testing.TB, open func() (*blob.Store, error)) *blob.Store {
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
