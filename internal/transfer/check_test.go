package transfer

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// tester is what the fixture needs of a test: a testing.TB, or a run of a
// property.
type tester interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// borneBytes is what an account or a link has to bear.
type borneBytes struct{ used, reserved, held int64 }

// checkRows computes every counter anew from the rows that it counts, and holds
// every state against the list of states.
func (f *fixture) checkRows(t tester) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	transfers, err := queryAll(ctx, f.db, scanTransferRow, "SELECT"+transferColumns+" FROM transfers")
	if err != nil {
		t.Fatal(err)
	}
	accounts, links := map[string]borneBytes{}, map[string]borneBytes{}
	places := map[string]int64{}
	for _, r := range transfers {
		f.checkTransfer(ctx, t, r)
		used, reserved := r.borne()
		a, l := accounts[r.AccountID], links[r.LinkID]
		accounts[r.AccountID] = borneBytes{a.used + used, a.reserved + reserved, 0}
		links[r.LinkID] = borneBytes{held: l.held + used + reserved}
		places[r.LinkID] += r.counted
	}
	f.checkAccounts(ctx, t, accounts)
	f.checkLinks(ctx, t, links, places)
}

// checkTransfer recomputes one transfer's counters from its files and parts.
func (f *fixture) checkTransfer(ctx context.Context, t tester, r transferRow) {
	t.Helper()
	if !slices.Contains(States(), r.State) {
		t.Errorf("transfer %s is in the unknown state %q", r.ID, r.State)
	}
	if ended := r.State != Receiving && r.State != Complete; ended != (r.charged == 0) {
		t.Errorf("transfer %s is %s and charged is %d", r.ID, r.State, r.charged)
	}
	if r.State == Purged || r.State == Aborted || r.State == Expired {
		return // its files go one by one
	}
	files, err := queryAll(ctx, f.db, scanFile, "SELECT"+fileColumns+" FROM files WHERE transfer_id = $1", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	type counters struct{ total, open, declared, received, stored int64 }
	var want counters
	for _, file := range files {
		received := f.checkFile(ctx, t, r, file)
		if file.State == Deleted {
			continue
		}
		want.total, want.declared, want.received = want.total+1, want.declared+file.Size, want.received+received
		if file.State == Stored || file.State == Damaged {
			want.stored += file.Size
		} else {
			want.open++
		}
	}
	got := counters{r.filesTotal, r.filesOpen, r.BytesDeclared, r.BytesReceived, r.bytesStored}
	if got != want {
		t.Errorf("transfer %s (%s) counts %+v, its files give %+v", r.ID, r.State, got, want)
	}
	if r.State == Complete && want.open > 0 {
		t.Errorf("transfer %s is complete with %d open files", r.ID, want.open)
	}
}

// checkFile holds a file against its parts and its object, and gives the bytes
// of its recorded parts.
func (f *fixture) checkFile(ctx context.Context, t tester, r transferRow, file File) (received int64) {
	t.Helper()
	if !slices.Contains(fileStates(), file.State) {
		t.Errorf("file %s is in the unknown state %q", file.ID, file.State)
	}
	if file.State == Deleted {
		return 0
	}
	parts, err := queryAll(ctx, f.db, scanPartRow, partsOfFile, file.ID)
	if err != nil {
		t.Fatal(err)
	}
	var crc uint32
	for _, p := range parts {
		received += p.size
		crc = seal.CombineCRC32(crc, uint32(p.crc32), p.size)
		if p.crc32 == unverified && file.State != Sealing {
			t.Errorf("part %d of %s file %s is not verified", p.number, file.State, file.ID)
		}
	}
	if file.partsStored != len(parts) {
		t.Errorf("file %s counts %d parts and has %d", file.ID, file.partsStored, len(parts))
	}
	all := len(parts) == file.PartCount
	if all == (file.State == Receiving) {
		t.Errorf("file %s is %s with %d of %d parts", file.ID, file.State, len(parts), file.PartCount)
	}
	if file.State != Stored && file.State != Damaged {
		return received
	}
	if file.CRC32 == nil || *file.CRC32 != crc {
		t.Errorf("file %s has CRC %v, its parts give %08x", file.ID, file.CRC32, crc)
	}
	if file.Size > 0 && r.State != Purged {
		f.checkObject(ctx, t, file)
	}
	return received
}

// checkObject proves I2: what is stored lies whole in the bucket.
func (f *fixture) checkObject(ctx context.Context, t tester, file File) {
	t.Helper()
	info, err := f.store.Head(ctx, file.blobKey)
	if want := seal.SealedSize(file.Size, file.PartSize); err != nil || info.Size != want {
		t.Errorf("I2: %s file %s has an object of %d bytes, not %d: %v", file.State, file.ID, info.Size, want, err)
	}
}

func (f *fixture) checkAccounts(ctx context.Context, t tester, want map[string]borneBytes) {
	t.Helper()
	ids, err := queryAll(ctx, f.db, scanOne[string], "SELECT id FROM accounts")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		a, err := f.accounts.ByID(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if got := (borneBytes{a.Used, a.Reserved, 0}); got != want[id] {
			t.Errorf("account %s bears %+v, its transfers give %+v", id, got, want[id])
		}
		if a.Quota != nil && a.Used+a.Reserved > *a.Quota {
			t.Errorf("I5: account %s bears %d bytes with a quota of %d", id, a.Used+a.Reserved, *a.Quota)
		}
	}
}

func (f *fixture) checkLinks(ctx context.Context, t tester, want map[string]borneBytes, places map[string]int64) {
	t.Helper()
	links, err := queryAll(ctx, f.db, f.scanLink, "SELECT"+linkColumns+" FROM links")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.bytesHeld != want[l.ID].held {
			t.Errorf("link %s holds %d bytes, its transfers give %d", l.Slug, l.bytesHeld, want[l.ID].held)
		}
		if l.TransfersUsed != places[l.ID] {
			t.Errorf("link %s counts %d transfers and has %d", l.Slug, l.TransfersUsed, places[l.ID])
		}
		if l.MaxBytes != nil && l.bytesHeld > *l.MaxBytes {
			t.Errorf("link %s holds %d bytes of %d", l.Slug, l.bytesHeld, *l.MaxBytes)
		}
		if l.MaxTransfers != nil && l.TransfersUsed > *l.MaxTransfers {
			t.Errorf("link %s has %d transfers of %d", l.Slug, l.TransfersUsed, *l.MaxTransfers)
		}
	}
}

// exec writes past the service, as an operator or another version would.
func (f *fixture) exec(t tester, query string, args ...any) {
	t.Helper()
	err := f.db.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// number reads a single number.
func (f *fixture) number(t tester, query string, args ...any) int64 {
	t.Helper()
	n, err := scanOne[int64](f.db.QueryRowContext(t.Context(), query, args...))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// row is a file's row, also of a deleted one.
func (f *fixture) row(t tester, id string) File {
	t.Helper()
	file, err := scanFile(f.db.QueryRowContext(t.Context(), "SELECT"+fileColumns+" FROM files WHERE id = $1", id))
	if err != nil {
		t.Fatalf("read file %s: %v", id, err)
	}
	return file
}

func (f *fixture) wantState(t tester, file File, want string) {
	t.Helper()
	if got := f.row(t, file.ID).State; got != want {
		t.Errorf("file %s is %s, want %s", file.Path, got, want)
	}
}

func (f *fixture) wantTransfer(t tester, id, want string) {
	t.Helper()
	r, err := scanTransferRow(f.db.QueryRowContext(t.Context(), anyTransferByID, id))
	if err != nil {
		t.Fatal(err)
	}
	if r.State != want {
		t.Errorf("transfer is %s, want %s", r.State, want)
	}
}

// bucket lists what the store holds: objects and unfinished uploads.
func (f *fixture) bucket(t tester) (objects []blob.Info, uploads []blob.UploadInfo) {
	t.Helper()
	objects, err := f.store.List(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	uploads, _, err = f.store.Uploads(t.Context(), blob.UploadMark{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return objects, uploads
}

func (f *fixture) wantBucket(t tester, objects, uploads int) {
	t.Helper()
	o, u := f.bucket(t)
	if len(o) != objects || len(u) != uploads {
		t.Errorf("the bucket holds %d objects and %d uploads, want %d and %d", len(o), len(u), objects, uploads)
	}
}

// events counts the studio's events of a kind.
func (f *fixture) events(t tester, kind string) int64 {
	t.Helper()
	return f.number(t, "SELECT COUNT(*) FROM events WHERE account_id = $1 AND kind = $2", f.studio.ID, kind)
}

func (f *fixture) sweep(t tester) {
	t.Helper()
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatalf("sweep: %v", err)
	}
}

// quota sets the studio's.
func (f *fixture) quota(t tester, n int64) {
	t.Helper()
	f.exec(t, "UPDATE accounts SET quota_bytes = $2 WHERE id = $1", f.studio.ID, n)
}

// declareCut declares one file and cuts it into parts smaller than real ones,
// so that tests of many parts stay small. The format allows any part size.
func (f *fixture) declareCut(t tester, b begun, path string, size, partSize int64) File {
	t.Helper()
	d, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: path, Size: size, Modified: ptr(f.clk.time())}})
	if err != nil || len(d.Errors) > 0 {
		t.Fatalf("declare %s: %v %+v", path, err, d.Errors)
	}
	id := d.Files[0].File.ID
	f.exec(t, "UPDATE files SET part_size = $2, part_count = $3 WHERE id = $1", id, partSize, seal.PartCount(size, partSize))
	return f.row(t, id)
}

// own is the studio's right to everything of its account.
func (f *fixture) own() Access { return Access{AccountID: f.studio.ID} }

// isAny tells whether err is one of the errors that a case allows.
func isAny(err error, allowed ...error) bool {
	return slices.ContainsFunc(allowed, func(target error) bool { return errors.Is(err, target) })
}

// at runs n calls at once and gives their errors in order.
func at(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start, done := make(chan struct{}), make(chan int, n)
	for i := range n {
		go func() {
			<-start
			errs[i] = call(i)
			done <- i
		}()
	}
	close(start)
	for range n {
		<-done
	}
	return errs
}

// good counts the calls that went well and fails the test at an error that is
// not one of those allowed.
func good(t tester, errs []error, allowed ...error) (n int) {
	t.Helper()
	for i, err := range errs {
		switch {
		case err == nil:
			n++
		case !isAny(err, allowed...):
			t.Errorf("call %d: %v, want one of %v", i, err, allowed)
		}
	}
	return n
}
