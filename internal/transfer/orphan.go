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

// orphanPage is how much of the bucket one step looks at; orphanSteps bounds
// the steps of one sweep.
const (
	orphanPage  = 1000
	orphanSteps = 20
)

// walk is where the walk through the bucket stands, kept as JSON in the chore's
// cursor. The first walk ever only reports, so that a wrong database beside a
// bucket cannot empty it before somebody notices.
type walk struct {
	Phase  string          `json:"phase"` // objects, uploads, or "" between walks
	After  string          `json:"after"`
	Mark   blob.UploadMark `json:"mark"`
	Begun  int64           `json:"begun"` // micros
	Walks  int64           `json:"walks"`
	Found  int64           `json:"found"` // in this walk
	Doomed int64           `json:"doomed"`
}

// sweepOrphans walks through the bucket, some pages a sweep: first the bucket is
// listed, then rows are read, so that what is recorded meanwhile is found. Only
// what the bucket's own clock shows older than the grace is touched.
func (s *Service) sweepOrphans(ctx context.Context) error {
	w, err := s.readWalk(ctx)
	if err != nil {
		return err
	}
	if w.Phase == "" {
		if w.Walks > 0 && s.clock().Sub(db.Time(w.Begun)) < s.set.Cycle {
			return nil
		}
		w = walk{Phase: "objects", Begun: s.micros(), Walks: w.Walks}
	}
	for range orphanSteps {
		if err := s.walkStep(ctx, &w); err != nil {
			return err
		}
		if err := s.writeWalk(ctx, w); err != nil {
			return err
		}
		if w.Phase == "" {
			break
		}
	}
	return nil
}

func (s *Service) walkStep(ctx context.Context, w *walk) error {
	if w.Phase == "objects" {
		page, err := s.blobs.List(ctx, w.After, orphanPage)
		if err != nil {
			return fmt.Errorf("list the bucket: %w", err)
		}
		if len(page) == 0 {
			w.Phase = "uploads"
			return nil
		}
		w.After = page[len(page)-1].Key
		return s.dropObjects(ctx, w, page)
	}
	page, next, err := s.blobs.Uploads(ctx, w.Mark, orphanPage)
	if err != nil {
		return fmt.Errorf("list the bucket's uploads: %w", err)
	}
	if err := s.dropUploads(ctx, w, page); err != nil {
		return err
	}
	w.Mark = next
	if next == (blob.UploadMark{}) {
		w.Phase, w.Walks = "", w.Walks+1
		if w.Found > 0 {
			s.log.WarnContext(ctx, "the bucket held what no row knows", "found", w.Found, "deleted", w.Doomed)
		}
	}
	return nil
}

// dropObjects deletes the page's objects that no row names.
func (s *Service) dropObjects(ctx context.Context, w *walk, page []blob.Info) error {
	var old []string
	for _, o := range page {
		if s.pastGrace(o.Modified) {
			old = append(old, o.Key)
		}
	}
	known, err := s.knownBlobs(ctx, old)
	if err != nil {
		return err
	}
	for _, key := range old {
		if _, ok := known[key]; ok {
			continue
		}
		w.Found++
		if w.Walks == 0 {
			continue
		}
		if err := s.blobs.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete orphan %s: %w", key, err)
		}
		w.Doomed++
	}
	return nil
}

// dropUploads aborts the page's uploads that no file still fills.
func (s *Service) dropUploads(ctx context.Context, w *walk, page []blob.UploadInfo) error {
	var old []blob.Upload
	var keys []string
	for _, u := range page {
		if s.pastGrace(u.Initiated) {
			old, keys = append(old, u.Upload), append(keys, u.Key)
		}
	}
	known, err := s.knownBlobs(ctx, keys)
	if err != nil {
		return err
	}
	for _, u := range old {
		if known[u.Key] == u.ID {
			continue
		}
		w.Found++
		if w.Walks == 0 {
			continue
		}
		if err := s.blobs.Abort(ctx, u); err != nil {
			return fmt.Errorf("abort orphan upload %s: %w", u.Key, err)
		}
		w.Doomed++
	}
	return nil
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
	cursor, err := scanOne[string](s.db.QueryRowContext(ctx, cursorOfChore, choreOrphans))
	if err = missing(err, nil); err != nil || cursor == "" {
		return w, err
	}
	if err := json.Unmarshal([]byte(cursor), &w); err != nil {
		return walk{Walks: 1}, nil // a cursor of another version: begin anew
	}
	return w, nil
}

func (s *Service) writeWalk(ctx context.Context, w walk) error {
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insertChore, choreOrphans); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, moveChore, choreOrphans, string(text))
		return err
	})
}
