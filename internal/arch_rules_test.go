package internal

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 80
	screenLines      = 40 // nine functions of ten fit in it
	maxInterfaces    = 8  // in the whole module
	maxMethods       = 8  // of one interface
)

// rule finds what breaks it in the module's source.
type rule struct {
	name string
	why  string
	find func([]source) []string
}

func rules() []rule {
	return []rule{
		{"imports", "arrows point downward only; the table in internal/arch_test.go has all of them", imports},
		{"package docs", "one doc a package: what for, what it hides and promises, what it may import", packageDocs},
		{"package names", "a package is named by what it holds", packageNames},
		{"no init", "nothing happens at import", noInit},
		{"no mutable variable", "state belongs to values that are passed; at package level only errors, patterns and embedded files", noVariables},
		{"file size", fmt.Sprintf("at most %d lines a file", maxFileLines), fileSize},
		{"function size", fmt.Sprintf("at most %d lines a function, and nine of ten at most %d", maxFunctionLines, screenLines), functionSize},
		{"interfaces", fmt.Sprintf("at most %d in the module, of at most %d methods", maxInterfaces, maxMethods), interfaces},
		{"environment", "only main reads the process's environment; all else gets its settings", environment},
		{"honest tests", "no skips, no sleeping outside of synctest, no mocks", honestTests},
		{"nothing left over", "what has to be done stands in an issue", leftOver},
	}
}

func packageNames(tree []source) (found []string) {
	refused := []string{"util", "utils", "common", "helper", "helpers", "types", "models", "core", "shared", "manager", "misc"}
	for _, s := range tree {
		if slices.Contains(refused, path.Base(s.dir)) {
			found = append(found, s.at(s.file.Name, "a package called %s says nothing", path.Base(s.dir)))
		}
	}
	return found
}

func noInit(tree []source) (found []string) {
	for _, s := range tree {
		for _, f := range s.functions() {
			if f.Name.Name == "init" && f.Recv == nil {
				found = append(found, s.at(f, "func init"))
			}
		}
	}
	return found
}

// linked are the variables that only the linker sets, by -ldflags -X.
var linked = regexp.MustCompile(`^cmd/app/version\.go build(Version|Commit|Time)$`)

// noVariables looks at the program only: what tests share they must not change,
// and the race detector sees it where they do.
func noVariables(tree []source) (found []string) {
	for _, s := range tree {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if !s.constantLike(g, v, i) && !linked.MatchString(s.path+" "+name.Name) {
						found = append(found, s.at(name, "variable %s at package level", name.Name))
					}
				}
			}
		}
	}
	return found
}

// constantLike tells whether the i-th variable of v never changes: an error, a
// compiled pattern, an embedded file, an assertion on types, a test's server that
// is started once, or what the Redis client can be told once for a whole process.
func (s source) constantLike(g *ast.GenDecl, v *ast.ValueSpec, i int) bool {
	name := v.Names[i].Name
	if name == "_" || isEmbedded(g.Doc) || isEmbedded(v.Doc) {
		return true
	}
	if len(v.Values) != len(v.Names) {
		return false
	}
	sentinel := strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
	if ref, ok := v.Values[i].(*ast.SelectorExpr); ok {
		return sentinel && strings.HasPrefix(ref.Sel.Name, "Err") // another package's sentinel under our name
	}
	switch callee(v.Values[i]) {
	case "errors.New", "fmt.Errorf":
		return sentinel
	case "regexp.MustCompile":
		return true
	case "sync.OnceValue", "sync.OnceValues":
		return s.dir == "internal/testenv" || s.dir == "internal/jobs"
	}
	return false
}

func isEmbedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func fileSize(tree []source) (found []string) {
	for _, s := range tree {
		if n := s.lines(s.file.FileStart, s.file.FileEnd) - 1; n > maxFileLines {
			found = append(found, s.at(s.file.Name, "%d lines", n))
		}
	}
	return found
}

func functionSize(tree []source) (found []string) {
	var all, large int
	for _, s := range tree {
		for _, f := range s.functions() {
			n := s.lines(f.Pos(), f.End())
			all++
			if n > screenLines {
				large++
			}
			if n > maxFunctionLines {
				found = append(found, s.at(f, "%s has %d lines", f.Name.Name, n))
			}
		}
	}
	if large*10 > all {
		found = append(found, fmt.Sprintf("%d of %d functions have more than %d lines", large, all, screenLines))
	}
	return found
}

func interfaces(tree []source) (found []string) {
	var all []string
	for _, s := range tree {
		if s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			t, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if i, ok := t.Type.(*ast.InterfaceType); ok {
				all = append(all, s.dir+"."+t.Name.Name)
				if m := i.Methods.NumFields(); m > maxMethods {
					found = append(found, s.at(t, "interface %s has %d methods", t.Name.Name, m))
				}
			}
			return true
		})
	}
	if len(all) > maxInterfaces {
		found = append(found, fmt.Sprintf("%d interfaces: %s", len(all), list(all)))
	}
	return found
}

func environment(tree []source) (found []string) {
	for _, s := range tree {
		if s.test || s.path == "cmd/app/main.go" || s.dir == "internal/testenv" || strings.HasPrefix(s.dir, "scripts/") {
			continue
		}
		for _, c := range s.calls("os.Getenv", "os.LookupEnv", "os.Environ", "os.Setenv") {
			found = append(found, s.at(c, "%s", callee(c)))
		}
	}
	return found
}

func honestTests(tree []source) (found []string) {
	for _, s := range tree {
		if !s.test {
			continue
		}
		fake := slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
		if !fake {
			for _, c := range s.calls("time.Sleep") {
				found = append(found, s.at(c, "time.Sleep on the real clock"))
			}
		}
		for _, c := range s.calls("t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "f.Skip") {
			found = append(found, s.at(c, "%s", callee(c)))
		}
		for _, i := range s.file.Imports {
			if strings.Contains(i.Path.Value, "mock") || strings.Contains(i.Path.Value, "testify") {
				found = append(found, s.at(i, "import of %s", i.Path.Value))
			}
		}
	}
	return found
}

// leftover matches a note to oneself in a comment.
var leftover = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func leftOver(tree []source) (found []string) {
	for _, s := range tree {
		for _, g := range s.file.Comments {
			if note := leftover.FindString(g.Text()); note != "" {
				found = append(found, s.at(g, "a comment with %s", note))
			}
		}
	}
	return found
}
