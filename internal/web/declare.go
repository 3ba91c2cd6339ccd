package web

import (
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// declareFailure is a declare of which no file stands: the first file's problem
// answers for all, with each file's own beside it.
type declareFailure struct {
	error
	problem api.Problem
}

func (e *declareFailure) Unwrap() error { return e.error }

func (s *Server) declare(c *call) error {
	var in api.Declare
	if err := c.decode(&in); err != nil {
		return err
	}
	switch {
	case len(in.Files) == 0:
		return errNoFiles
	case len(in.Files) > api.MaxDeclare:
		return errTooManyFiles
	}
	files := make([]transfer.NewFile, len(in.Files))
	for i, f := range in.Files {
		files[i] = transfer.NewFile{Path: f.Path, Size: int64(f.Size), Modified: f.Modified.Std(), Type: f.Type}
	}
	got, err := s.transfers.Declare(c.r.Context(), c.access, c.id(), files)
	if err != nil {
		return err
	}
	out := api.Declared{Files: []api.DeclaredFile{}, Errors: []api.DeclareError{}}
	for _, f := range got.Files {
		out.Files = append(out.Files, api.DeclaredFile{Index: f.Index, File: wireFile(f.File)})
	}
	for _, e := range got.Errors {
		out.Errors = append(out.Errors, s.declareError(e))
	}
	if len(out.Files) == 0 && len(out.Errors) > 0 {
		p, _, _ := s.problem(got.Errors[0].Err)
		p.File, p.Errors = out.Errors[0].File, out.Errors
		return &declareFailure{got.Errors[0].Err, p}
	}
	return c.reply(out)
}

func (s *Server) declareError(e transfer.DeclareError) api.DeclareError {
	p, _, _ := s.problem(e.Err)
	out := api.DeclareError{Index: e.Index, Path: e.Path, Code: p.Code, Detail: p.Detail, MaxFileBytes: p.MaxFileBytes}
	if e.Existing != nil {
		f := wireFile(*e.Existing)
		out.File = &f
	}
	return out
}
