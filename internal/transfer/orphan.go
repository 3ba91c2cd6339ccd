package transfer

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
)

// orphanSteps bounds the steps of one sweep, and sweepAsks the requests that it
// makes about single objects and uploads.
const (
	orphanSteps = 20
	sweepAsks   = 1000
)

// walk is where the walk through the bucket stands, kept as JSON in the chore's
// cursor. The first walk ever only reports, so that a wrong database beside a
// bucket cannot empty it before somebody notices.
type walk struct {
	Phase   string          `json:"phase"` // objects, uploads, open, or "" between walks
	After   string          `json:"after"`
	Mark    blob.UploadMark `json:"mark"`
	Row     string          `json:"row"`   // the last file whose open upload was asked for
	Begun   int64           `json:"begun"` // micros
	Walks   int64           `json:"walks"`
	Found   int64           `json:"found"` // in this walk: what no row names
	Doomed  int64           `json:"doomed"`
	Missing int64           `json:"missing"` // in this walk: what rows name and the bucket has not
}

// The phases of a walk.
const (
	phaseObjects = "objects"
	phaseUploads = "uploads"
	phaseOpen    = "open" // uploads that rows name
)

// sweepOrphans walks through bucket and rows, some pages a sweep, and mends
// where they differ.
func (s *Service) sweepOrphans(ctx context.Context) error {
	w, err := s.readWalk(ctx)
	if err != nil {
		return err
	}
	if w.Phase == "" {
		if w.Walks > 0 && s.clock().Sub(db.Time(w.Begun)) < s.set.Cycle {
			return nil
		}
		w = walk{Phase: phaseObjects, Begun: s.micros(), Walks: w.Walks}
	}
	v := &survey{s: s, walk: &w, drops: w.Walks > 0, looks: w.Walks > 0}
	v.tell = func(d Difference) { s.observe.Found(d.Finding) }
	for range orphanSteps {
		if err := v.step(ctx); err != nil {
			return err
		}
		if err := s.writeWalk(ctx, w); err != nil {
			return err
		}
		if w.Phase == "" || v.asked >= sweepAsks {
			break
		}
	}
	if w.Phase == "" && w.Found+w.Missing > 0 {
		s.log.WarnContext(ctx, "bucket and rows differ", "without_a_row", w.Found, "deleted", w.Doomed, "missing", w.Missing)
	}
	return v.denied
}

func (s *Service) pastGrace(t time.Time) bool { return s.clock().Sub(t) > s.set.Grace }

// knownBlobs gives the keys that a row names, with the upload that it names.
func (s *Service) knownBlobs(ctx context.Context, keys []string) (map[string]string, error) {
	known := make(map[string]string, len(keys))
	for chunk := range slices.Chunk(keys, pathsPerStatement) {
		args := make([]any, len(chunk))
		for i, key := range chunk {
			args[i] = key
		}
		rows, err := queryAll(ctx, s.db, scanBlobRow, blobsKnownHead+placeholders(1, len(chunk))+")", args...)
		if err != nil {
			return nil, fmt.Errorf("look for the rows of blobs: %w", err)
		}
		for _, r := range rows {
			known[r[0]] = r[1]
		}
	}
	return known, nil
}

func scanBlobRow(row scanner) ([2]string, error) {
	var key string
	var upload *string
	err := row.Scan(&key, &upload)
	return [2]string{key, orEmpty(upload)}, err
}

func (s *Service) readWalk(ctx context.Context) (walk, error) {
	var w walk
	cursor, err := s.readCursor(ctx, choreOrphans)
	if err != nil || cursor == "" {
		return w, err
	}
	if err := json.Unmarshal([]byte(cursor), &w); err != nil {
		return walk{Walks: 1}, nil // a cursor of another version: begin anew
	}
	return w, nil
}

func (s *Service) writeWalk(ctx context.Context, w walk) error {
	return s.writeCursor(ctx, choreSweep, choreOrphans, w)
}

// readCursor gives where a chore stands, "" at its beginning.
func (s *Service) readCursor(ctx context.Context, chore string) (string, error) {
	cursor, err := scanOne[string](s.db.QueryRowContext(ctx, cursorOfChore, chore))
	if err = missing(err, nil); err != nil {
		return "", fmt.Errorf("read where %s stands: %w", chore, err)
	}
	return cursor, nil
}

// holdsChore locks a chore's row and tells whether its lease is still ours, so
// that what follows in the transaction is done by its holder or not at all.
// Errors: errLeaseLost.
func (s *Service) holdsChore(ctx context.Context, tx *sql.Tx, chore string) error {
	ok, err := changed(tx.ExecContext(ctx, keepChore, chore, s.owner))
	if err == nil && !ok {
		err = errLeaseLost
	}
	return err
}

// writeCursor keeps where a chore stands as JSON, for who holds the lease that it
// is done under. Errors: errLeaseLost.
func (s *Service) writeCursor(ctx context.Context, lease, chore string, cursor any) error {
	text, err := json.Marshal(cursor)
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.holdsChore(ctx, tx, lease); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertChore, chore); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, moveChore, chore, string(text))
		return err
	})
	if err != nil {
		return fmt.Errorf("write where %s stands: %w", chore, err)
	}
	return nil
}
