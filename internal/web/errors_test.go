package web

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

func TestEveryErrorHasARow(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	eachFile(t, ".", func(f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, ok := pair.Key.(*ast.Ident)
			value, isSelector := pair.Value.(*ast.SelectorExpr)
			if ok && isSelector && key.Name == "is" {
				rows[fmt.Sprintf("%s.%s", value.X, value.Sel)] = true
			}
			return true
		})
	})
	found := 0
	for _, pkg := range []string{"transfer", "account"} {
		eachFile(t, "../"+pkg, func(f *ast.File) {
			for _, d := range f.Decls {
				for _, name := range sentinels(d) {
					found++
					if full := pkg + "." + name; !rows[full] {
						t.Errorf("%s has no row in the table of errors", full)
					}
				}
			}
		})
	}
	if found < 40 {
		t.Errorf("only %d errors were found", found)
	}
}

// sentinels are the exported Err variables of a declaration.
func sentinels(d ast.Decl) (names []string) {
	gen, ok := d.(*ast.GenDecl)
	if !ok || gen.Tok != token.VAR {
		return nil
	}
	for _, spec := range gen.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			if strings.HasPrefix(name.Name, "Err") {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func eachFile(t *testing.T, dir string, fn func(*ast.File)) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		fn(f)
	}
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	s := &Server{errors: errorRows(), codes: newCodeTable()}
	for _, row := range s.errors {
		if s.codes[row.code].Status == 0 {
			t.Errorf("%v: code %s is not listed", row.is, row.code)
		}
		wrapped := fmt.Errorf("secret of below: %w", row.is)
		p, retry, known := s.problem(wrapped)
		if !known || strings.Contains(p.Detail, "secret of below") || p.Detail == "" || p.Title == "" {
			t.Errorf("%v: %+v, known %v", row.is, p, known)
		}
		if waits := p.Status == 503 || p.Status == 507 || p.Status == 429; waits != (retry > 0) && p.Code != api.StillSealing {
			t.Errorf("%s: status %d, Retry-After %v", p.Code, p.Status, retry)
		}
	}
	if p, _, known := s.problem(errors.New("secret of below")); known || p.Code != api.Internal || strings.Contains(fmt.Sprint(p), "secret") {
		t.Errorf("unknown: %+v", p)
	}
}

// TestWhatGoesWrongBelowHasAnAnswer: each class of the stores and the databases
// is one of the table, or never reaches it, for the reason given here.
func TestWhatGoesWrongBelowHasAnAnswer(t *testing.T) {
	t.Parallel()
	want := map[string]api.Code{
		"blob.ErrFull": api.StorageFull, "blob.ErrDenied": api.StorageUnavailable, "blob.ErrStalled": api.Stalled,
		"blob.ErrUnavailable": api.StorageUnavailable, "blob.ErrAccessKey": api.StorageUnavailable,
		"blob.ErrSecretKey": api.StorageUnavailable, "blob.ErrClock": api.StorageUnavailable,
		"blob.ErrRegion": api.StorageUnavailable, "blob.ErrLockedOut": api.StorageUnavailable,
		"blob.ErrNoBucket":  api.StorageUnavailable,
		"db.ErrUnavailable": api.DatabaseUnavailable, "db.ErrUnreachable": api.DatabaseUnavailable,
		"db.ErrOutcomeUnknown": api.DatabaseUnavailable, "db.ErrRefused": api.DatabaseUnavailable,
		"db.ErrLocked": api.DatabaseUnavailable, "db.ErrReadOnly": api.DatabaseUnavailable, "db.ErrFull": api.StorageFull,
		// What transfer makes a loss, a repair or a body's own error of.
		"blob.ErrNotFound": api.Internal, "blob.ErrUploadNotFound": api.Internal, "blob.ErrPartMismatch": api.Internal,
		"blob.ErrBody": api.Internal, "blob.ErrLength": api.Internal,
		// Mistakes of ours.
		"blob.ErrTooSmall": api.Internal, "blob.ErrExists": api.Internal, "blob.ErrInvalid": api.Internal,
		// Met by commands only, or before anybody is served.
		"blob.ErrUnsupported": api.Internal, "db.ErrNoBackup": api.Internal, "db.ErrDirty": api.Internal, "db.ErrNoMigration": api.Internal, "db.ErrNotDurable": api.Internal, "db.ErrNoFlush": api.Internal,
	}
	classes := map[string]error{
		"blob.ErrFull": blob.ErrFull, "blob.ErrDenied": blob.ErrDenied, "blob.ErrStalled": blob.ErrStalled,
		"blob.ErrUnavailable": blob.ErrUnavailable, "blob.ErrAccessKey": blob.ErrAccessKey, "blob.ErrSecretKey": blob.ErrSecretKey,
		"blob.ErrClock": blob.ErrClock, "blob.ErrRegion": blob.ErrRegion, "blob.ErrLockedOut": blob.ErrLockedOut,
		"blob.ErrNoBucket": blob.ErrNoBucket, "db.ErrUnavailable": db.ErrUnavailable, "db.ErrUnreachable": db.ErrUnreachable,
		"db.ErrOutcomeUnknown": db.ErrOutcomeUnknown, "db.ErrRefused": db.ErrRefused, "db.ErrLocked": db.ErrLocked,
		"db.ErrReadOnly": db.ErrReadOnly, "db.ErrFull": db.ErrFull,
	}
	for _, pkg := range []string{"blob", "db"} {
		eachFile(t, "../"+pkg, func(f *ast.File) {
			for _, d := range f.Decls {
				for _, name := range sentinels(d) {
					if full := pkg + "." + name; want[full] == "" || (want[full] != api.Internal) != (classes[full] != nil) {
						t.Errorf("nobody has said what a guest is told of %s", full)
					}
				}
			}
		})
	}
	s := &Server{errors: errorRows(), codes: newCodeTable()}
	for name, class := range classes {
		p, retry, known := s.problem(fmt.Errorf("put part: %w", class))
		if p.Code != want[name] || !known || retry == 0 || p.Status != 503 && p.Status != 507 {
			t.Errorf("%s is answered by %d %s, come again after %v", name, p.Status, p.Code, retry)
		}
	}
}

func TestErrorsThatSayMore(t *testing.T) {
	t.Parallel()
	s := &Server{errors: errorRows(), codes: newCodeTable()}
	look := func(err error) (api.Problem, time.Duration) {
		p, retry, _ := s.problem(fmt.Errorf("declare: %w", err))
		return p, retry
	}
	if p, _ := look(&account.QuotaError{Left: 7}); *p.BytesLeft != 7 || p.Status != 413 {
		t.Errorf("%+v", p)
	}
	if p, _ := look(&transfer.PartSizeError{Expected: 5}); *p.Expected != 5 {
		t.Errorf("%+v", p)
	}
	if p, _ := look(&transfer.FileTooLargeError{Max: 9}); *p.MaxFileBytes != 9 {
		t.Errorf("%+v", p)
	}
	if p, _ := look(&transfer.FieldError{Field: "title", Reason: "too long"}); p.Field != "title" || p.Status != 422 {
		t.Errorf("%+v", p)
	}
	if _, retry := look(&transfer.SealingError{RetryAfter: 3 * time.Second}); retry != 3*time.Second {
		t.Errorf("retry %v", retry)
	}
	if _, retry := look(&account.TryLimitError{RetryAfter: time.Minute}); retry != time.Minute {
		t.Errorf("retry %v", retry)
	}
	p, _ := look(&transfer.IncompleteError{Count: 200, First: []transfer.File{{ID: "x"}}})
	if *p.UnfinishedCount != 200 || len(p.Files) != 1 || p.Files[0].Received == nil {
		t.Errorf("%+v", p)
	}
}
