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
