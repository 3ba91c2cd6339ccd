package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lenzeye/lenzeye/internal/api"
)

// declare declares all sources before the first byte leaves, so that a quota
// that does not suffice is known at once.
func (r *sendRound) declare(ctx context.Context, sources []*Source) ([]declared, error) {
	works := make([]declared, 0, len(sources))
	for batch := range slices.Chunk(sources, api.MaxDeclare) {
		stand, taken, err := r.declareBatch(ctx, batch)
		if err != nil {
			return nil, err
		}
		works = append(works, stand...)
		free, err := r.clear(ctx, taken)
		if err != nil {
			return nil, err
		}
		stand, taken, err = r.declareBatch(ctx, free)
		if err != nil {
			return nil, err
		}
		works = append(works, stand...)
		for _, t := range taken {
			r.failed = append(r.failed, Failure{t.src.Path, refusedFile(t.DeclareError)})
		}
	}
	return works, nil
}

// takenPath is a source whose path the transfer gives to another file.
type takenPath struct {
	api.DeclareError
	src *Source
}

func (r *sendRound) declareBatch(ctx context.Context, batch []*Source) (stand []declared, taken []takenPath, err error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	files := make([]api.NewFile, len(batch))
	for i, src := range batch {
		files[i] = src.declaration()
	}
	d, err := r.Upload.Declare(ctx, files)
	if err != nil {
		return nil, nil, err
	}
	if len(d.Files)+len(d.Errors) != len(batch) {
		return nil, nil, fmt.Errorf("declare files: %d asked, %d answered", len(batch), len(d.Files)+len(d.Errors))
	}
	for _, f := range d.Files {
		if f.Index < 0 || f.Index >= len(batch) || f.PartCount < 0 || (f.PartCount == 0) != (f.Size == 0) || f.PartCount > 0 && f.PartSize <= 0 || f.Size != batch[f.Index].Size {
			return nil, nil, errors.New("declare files: the answer does not fit what was asked")
		}
		if src := batch[f.Index]; f.Path != src.Path && r.isAnothers(f.Path) {
			r.failed = append(r.failed, Failure{src.Path, refusedFile(api.DeclareError{Code: api.PathTaken, File: &f.File})})
			continue
		}
		stand = append(stand, declaredFrom(batch[f.Index], f.File))
	}
	for _, e := range d.Errors {
		if e.Index < 0 || e.Index >= len(batch) {
			return nil, nil, errors.New("declare files: the answer does not fit what was asked")
		}
		src := batch[e.Index]
		if e.Code == api.PathTaken {
			taken = append(taken, takenPath{e, src})
		} else {
			r.failed = append(r.failed, Failure{src.Path, refusedFile(e)})
		}
	}
	return stand, taken, nil
}

// isAnothers tells whether what stands under a path that was written otherwise is
// that of another source of this run. Two names that are one to the server, as ü
// in one character and in two, would else be one file if their sizes and dates
// are the same, and the second take the place of the first.
func (r *sendRound) isAnothers(path string) bool {
	another := r.planned()[path] || r.renamed[path]
	if r.renamed == nil {
		r.renamed = map[string]bool{}
	}
	r.renamed[path] = true
	return another
}

// clear takes away what an earlier run left of files that are others today, and
// returns the sources that may be declared now. A path that another file of this
// same run holds stays with that one, and so does every path where others send to
// the transfer too: what stands there may be theirs.
func (r *sendRound) clear(ctx context.Context, taken []takenPath) (free []*Source, err error) {
	for _, t := range taken {
		if t.File == nil || r.Shared || t.File.Path != t.src.Path && r.planned()[t.File.Path] {
			r.failed = append(r.failed, Failure{t.src.Path, refusedFile(t.DeclareError)})
			continue
		}
		if err := r.Upload.DeleteFile(ctx, t.File.ID); err != nil && !IsCode(err, api.NotFound) {
			return nil, err
		}
		r.Watch.Anew(t.src.Path, errors.New("it is another file than was sent before"))
		free = append(free, t.src)
	}
	return free, nil
}

// refusedFile is why a file was not taken.
func refusedFile(e api.DeclareError) error {
	p := &api.Problem{Code: e.Code, Detail: e.Detail, File: e.File, MaxFileBytes: e.MaxFileBytes}
	for _, info := range api.Codes() {
		if info.Code == e.Code {
			p.Status, p.Title = info.Status, info.Title
		}
	}
	return p
}
