package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// Finding is a way in which bucket and rows differ.
type Finding string

// Findings.
const (
	OrphanObject  Finding = "orphan_object"  // no row names it, and it is older than the grace
	OrphanUpload  Finding = "orphan_upload"  // the same of an unfinished upload
	MissingObject Finding = "missing_object" // a stored file whose object is not there
	WrongLength   Finding = "wrong_length"   // a stored file whose object has another length
	MissingUpload Finding = "missing_upload" // a file being received whose upload the bucket does not know
)

// Findings are all findings, in the order of a report.
func Findings() []Finding {
	return []Finding{OrphanObject, OrphanUpload, MissingObject, WrongLength, MissingUpload}
}

// Difference is one place where bucket and rows differ.
type Difference struct {
	Finding Finding
	ID      string // of the file, or the key of what no row names
	Bytes   int64  // sealed bytes that are too many or missing; 0 of uploads
}

// Reconciled is what one walk through bucket and rows saw.
type Reconciled struct {
	Objects int64 // in the bucket
	Bytes   int64 // of these, sealed
	Young   int64 // objects and uploads that no row names and that are within the grace
	Files   int64 // stored files whose object was looked for
	Open    int64 // uploads in the bucket
	Deleted int64 // objects and uploads that were deleted
}

// ReconcileOptions are what a walk does beside looking.
type ReconcileOptions struct {
	Delete bool             // objects and uploads that no row names, older than Settings.Grace
	Found  func(Difference) // is told of each difference; may be nil
	Page   func(Reconciled) // is told after each page how far it is; may be nil
}

// Reconcile walks once through bucket and rows, side by side and in bounded
// pages, and reports where they differ. It marks no file and keeps no state.
func (s *Service) Reconcile(ctx context.Context, o ReconcileOptions) (Reconciled, error) {
	w := walk{Phase: phaseObjects}
	v := &survey{s: s, walk: &w, drops: o.Delete, tell: o.Found}
	if v.tell == nil {
		v.tell = func(Difference) {}
	}
	for w.Phase != "" {
		if err := v.step(ctx); err != nil {
			return v.seen, fmt.Errorf("reconcile: %w", err)
		}
		if o.Page != nil {
			o.Page(v.seen)
		}
	}
	if v.denied != nil {
		return v.seen, fmt.Errorf("reconcile: %w", v.denied)
	}
	return v.seen, nil
}

// surveyPage is how many objects, uploads or rows one step holds.
const surveyPage = 1000

const (
	// Keys are of one length and have lower-case hex digits, which every collation
	// sorts as the bucket does.
	rowsOfKeys = `SELECT` + fileColumns + `, lost_since FROM files
WHERE blob_key > $1 AND blob_key <= $2 ORDER BY blob_key LIMIT $3`
	openUploads = `SELECT` + fileColumns + `, lost_since FROM files
WHERE upload_id IS NOT NULL AND id > $1 ORDER BY id LIMIT $2`
	fileWithLoss = `SELECT` + fileColumns + `, lost_since FROM files WHERE id = $1`

	countMissing = `UPDATE files SET lost_since = COALESCE(lost_since, $2), looks = looks + 1
WHERE id = $1 AND state = 'stored' RETURNING lost_since, looks`
	foundObject = `UPDATE files SET lost_since = NULL, looks = 0 WHERE id = $1 AND state = 'stored'`
)

// survey is one walk through bucket and rows. The bucket is listed first and
// rows are read after, so that what is recorded meanwhile is found, and what a
// listing lacks is asked for once more by its key.
type survey struct {
	s     *Service
	walk  *walk
	drops bool // deletes what no row names
	looks bool // counts looks at what is missing, and so makes it damage in the end
	tell  func(Difference)
	seen  Reconciled
	asked int // requests about single objects and uploads

	denied error // why the first of what may not be dropped was not
}

// lossRow is a file with the time of the first look that missed something.
type lossRow struct {
	File
	since *int64
}

func scanLossRow(row scanner) (r lossRow, err error) {
	r.File, err = scanFileAnd(row, &r.since)
	return r, err
}

func (v *survey) step(ctx context.Context) error {
	switch v.walk.Phase {
	case phaseObjects:
		return v.objects(ctx)
	case phaseUploads:
		return v.uploads(ctx)
	}
	return v.open(ctx)
}

// lastKey sorts behind every key.
func lastKey() string {
	digits := strings.Repeat("f", 32)
	return "v1/" + digits + "/" + digits
}

// objects compares a window of keys: as far as the page of the bucket reaches,
// or that of the rows if it is the shorter one.
func (v *survey) objects(ctx context.Context) error {
	page, err := v.s.blobs.List(ctx, v.walk.After, v.s.page)
	if err != nil {
		return fmt.Errorf("list the bucket: %w", err)
	}
	end := lastKey()
	if len(page) > 0 {
		end = page[len(page)-1].Key
	}
	rows, err := queryAll(ctx, v.s.db, scanLossRow, rowsOfKeys, v.walk.After, end, v.s.page)
	if err != nil {
		return fmt.Errorf("read the rows of objects: %w", err)
	}
	cut := len(rows) == v.s.page
	if cut {
		end = rows[len(rows)-1].blobKey
	}
	held := make(map[string]blob.Info, len(page))
	for _, o := range page {
		if o.Key <= end {
			held[o.Key] = o
		}
	}
	if err := v.compare(ctx, held, rows); err != nil {
		return err
	}
	v.walk.After = end
	if len(page) == 0 && !cut {
		v.walk.Phase = phaseUploads
	}
	return nil
}

func (v *survey) compare(ctx context.Context, held map[string]blob.Info, rows []lossRow) error {
	known := make(map[string]bool, len(rows))
	for _, r := range rows {
		known[r.blobKey] = true
		if r.State != Stored && r.State != Damaged {
			continue
		}
		v.seen.Files++
		if o, ok := held[r.blobKey]; !ok || o.Size != seal.SealedSize(r.Size, r.PartSize) {
			if err := v.absent(ctx, r); err != nil {
				return err
			}
		} else if err := v.present(ctx, r); err != nil {
			return err
		}
	}
	for _, o := range held {
		v.seen.Objects, v.seen.Bytes = v.seen.Objects+1, v.seen.Bytes+o.Size
		if known[o.Key] {
			continue
		}
		if !v.s.pastGrace(o.Modified) {
			v.seen.Young++
			continue
		}
		d := Difference{OrphanObject, o.Key, o.Size}
		if err := v.orphan(d, func() error { return v.s.blobs.Delete(ctx, o.Key) }); err != nil {
			return err
		}
	}
	return nil
}

// orphan reports what no row names, and drops it. What the bucket keeps under a
// lock must not hold up the walk: the refusal is told when it has ended.
func (v *survey) orphan(d Difference, drop func() error) error {
	v.walk.Found++
	v.tell(d)
	if !v.drops {
		return nil
	}
	v.asked++
	if err := drop(); err != nil {
		err = fmt.Errorf("drop %s %s: %w", d.Finding, d.ID, err)
		if !errors.Is(err, blob.ErrDenied) {
			return err
		}
		if v.denied == nil {
			v.denied = err
		}
		return nil
	}
	v.walk.Doomed++
	v.seen.Deleted++
	return nil
}

// absent asks for an object by its key that a page had not, or had with another
// length, and for its row, since both may have changed meanwhile.
func (v *survey) absent(ctx context.Context, r lossRow) error {
	v.asked++
	info, err := v.s.blobs.Head(ctx, r.blobKey)
	d := Difference{WrongLength, r.ID, seal.SealedSize(r.Size, r.PartSize)}
	switch {
	case errors.Is(err, blob.ErrNotFound):
		d.Finding = MissingObject
	case err != nil:
		return fmt.Errorf("look at an object: %w", err)
	case info.Size == d.Bytes:
		return v.present(ctx, r)
	}
	now, err := scanLossRow(v.s.db.QueryRowContext(ctx, fileWithLoss, r.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read file again: %w", err)
	}
	live, err := v.s.isLive(ctx, now.File)
	if err != nil || !live || now.State != Stored && now.State != Damaged || now.blobKey != r.blobKey {
		return err
	}
	v.walk.Missing++
	v.tell(d)
	if !v.looks || now.State == Damaged {
		return nil
	}
	return v.s.countMissing(ctx, now.File)
}

// countMissing notes a look that missed a stored file's object. Only looks that
// agree for Settings.Lost make it damage: a wrong bucket in a configuration
// damages nothing in a day, and what it did damage recovers.
func (s *Service) countMissing(ctx context.Context, f File) error {
	now := s.clock()
	var since, looks int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, countMissing, f.ID, db.Micros(now)).Scan(&since, &looks)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil // somebody else has marked it, or it was deleted
	}
	if err != nil {
		return fmt.Errorf("count a look at a missing object: %w", err)
	}
	if looks < 3 || now.Sub(db.Time(since)) < s.set.Lost {
		return nil
	}
	return s.markDamage(ctx, f, damage{missing: since, cause: blob.ErrNotFound})
}

// present takes back what earlier looks said. No key is written twice, so that
// the exact length is proof of what was missing; wrong bytes are the scrub's to
// clear.
func (v *survey) present(ctx context.Context, r lossRow) error {
	if r.since == nil || !v.looks {
		return nil
	}
	if r.State == Damaged {
		return v.s.recoverDamaged(ctx, r.File)
	}
	err := v.s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, foundObject, r.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that an object is there again: %w", err)
	}
	return nil
}

// uploads looks for the rows of the bucket's uploads.
func (v *survey) uploads(ctx context.Context) error {
	page, next, err := v.s.blobs.Uploads(ctx, v.walk.Mark, v.s.page)
	if err != nil {
		return fmt.Errorf("list the bucket's uploads: %w", err)
	}
	var keys []string
	for _, u := range page {
		keys = append(keys, u.Key)
	}
	known, err := v.s.knownBlobs(ctx, keys)
	if err != nil {
		return err
	}
	for _, u := range page {
		v.seen.Open++
		if known[u.Key] == u.ID {
			continue
		}
		if !v.s.pastGrace(u.Initiated) {
			v.seen.Young++
			continue
		}
		d := Difference{Finding: OrphanUpload, ID: u.Key}
		if err := v.orphan(d, func() error { return v.s.blobs.Abort(ctx, u.Upload) }); err != nil {
			return err
		}
	}
	v.walk.Mark = next
	if next == (blob.UploadMark{}) {
		v.walk.Phase = phaseOpen
	}
	return nil
}

// open asks the bucket for the uploads that rows still fill. Files that are being
// sealed are left to the one who completes them.
func (v *survey) open(ctx context.Context) error {
	rows, err := queryAll(ctx, v.s.db, scanLossRow, openUploads, v.walk.Row, v.s.page)
	if err != nil {
		return fmt.Errorf("read open uploads: %w", err)
	}
	for _, r := range rows {
		if r.State == Receiving {
			if err := v.ask(ctx, r); err != nil {
				return err
			}
		}
		v.walk.Row = r.ID
	}
	if len(rows) < v.s.page {
		v.walk.Phase = ""
		v.walk.Walks++
	}
	return nil
}

func (v *survey) ask(ctx context.Context, r lossRow) error {
	v.asked++
	_, err := v.s.blobs.Parts(ctx, blob.Upload{Key: r.blobKey, ID: r.uploadID}, 0, 1)
	if err == nil {
		return nil
	}
	if !errors.Is(err, blob.ErrUploadNotFound) {
		return fmt.Errorf("look for an upload: %w", err)
	}
	now, err := scanLossRow(v.s.db.QueryRowContext(ctx, fileWithLoss, r.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read file again: %w", err)
	}
	live, err := v.s.isLive(ctx, now.File)
	if err != nil || !live || now.State != Receiving || now.uploadID != r.uploadID {
		return err
	}
	v.walk.Missing++
	v.tell(Difference{Finding: MissingUpload, ID: r.ID})
	if !v.looks || now.since != nil {
		return nil
	}
	if err := v.s.uploadGone(ctx, now.File); !errors.Is(err, ErrStorageUnavailable) {
		return err
	}
	return nil
}
