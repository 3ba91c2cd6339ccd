// Package internal holds no code of its own. Its tests read the source of the
// whole module and hold it to docs/architecture.md: which package may import
// which, that each says so, and how large and how mutable things may get.
//
// It imports the standard library only.
package internal

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lenzeye/lenzeye/"

// allowance is what one package may import beyond the standard library.
type allowance struct {
	own   []string // folders of this module
	third []string // modules or folders of others, with all below them
}

// allowances is the import table. A package that is not in it fails: a new one
// needs a line here and in docs/architecture.md, and a reason in its review.
func allowances() map[string]allowance {
	return map[string]allowance{
		"cmd/app": {
			own: []string{"internal/account", "internal/api", "internal/archive", "internal/blob", "internal/catalog",
				"internal/client", "internal/config", "internal/db", "internal/jobs", "internal/mail", "internal/names",
				"internal/seal", "internal/transfer", "internal/web", "migrations"},
			third: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/charmbracelet/log",
				"github.com/prometheus/client_golang", "go.opentelemetry.io/otel",
				"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf",
				"github.com/KimMachineGun/automemlimit", "github.com/vbauerster/mpb/v8", "golang.org/x/term"},
		},
		"internal/web": {
			own: []string{"internal/api", "internal/transfer", "internal/account", "internal/archive", "internal/catalog"},
			// barcode draws the QR codes of links; it has no dependencies of its own.
			third: []string{"github.com/boombuler/barcode"},
		},
		"internal/client": {own: []string{"internal/api", "internal/names"}},
		"internal/transfer": {own: []string{"internal/db", "internal/blob", "internal/jobs", "internal/seal",
			"internal/account", "internal/mail", "internal/names"}},
		"internal/account": {
			own:   []string{"internal/db", "internal/seal", "internal/mail"},
			third: []string{"golang.org/x/crypto/argon2"},
		},
		"internal/mail": {
			own:   []string{"internal/db", "internal/catalog"},
			third: []string{"github.com/wneessen/go-mail"},
		},
		"internal/archive": {own: []string{"internal/names"}},
		"internal/db": {
			own: []string{"migrations"},
			third: []string{"github.com/jackc/pgx/v5", "modernc.org/sqlite", "github.com/golang-migrate/migrate/v4",
				"github.com/google/uuid", "golang.org/x/sys"},
		},
		"internal/testenv": {
			own:   []string{"internal/db", "internal/blob"},
			third: []string{"github.com/jackc/pgx/v5/stdlib", "github.com/emersion/go-smtp", "github.com/emersion/go-sasl"},
		},
		"internal/blob":    {third: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "golang.org/x/sys"}},
		"internal/jobs":    {third: []string{"github.com/hibiken/asynq", "github.com/redis/go-redis/v9"}},
		"internal/config":  {third: []string{"github.com/spf13/viper"}},
		"internal/names":   {third: []string{"golang.org/x/text"}},
		"internal/catalog": {third: []string{"golang.org/x/text"}},
		"internal":         {},
		"internal/api":     {},
		"internal/preview": {},
		"internal/seal":    {},
		"migrations":       {},
	}
}

func TestArchitecture(t *testing.T) {
	t.Parallel()
	tree := readTree(t, "..")
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, found := range r.find(tree) {
				t.Errorf("%s\n\trule: %s", found, r.why)
			}
		})
	}
}

// imports finds arrows that the table does not have. A test may import what it
// needs, save the program itself; a command under scripts may too.
func imports(tree []source) (found []string) {
	table := allowances()
	for _, s := range tree {
		allowed, known := table[s.dir]
		script := strings.HasPrefix(s.dir, "scripts/")
		if !known && !script {
			found = append(found, s.at(s.file.Name, "package %s is not in the import table of internal/arch_test.go", s.dir))
			continue
		}
		for _, i := range s.file.Imports {
			target := strings.Trim(i.Path.Value, `"`)
			own, ours := strings.CutPrefix(target, module)
			switch {
			case ours && strings.HasPrefix(own, "cmd/"):
				found = append(found, s.at(i, "%s imports a command, %s", s.dir, own))
			case s.test || script || isStandard(target):
			case ours && !slices.Contains(allowed.own, own):
				found = append(found, s.at(i, "%s must not import %s; it may: %s", s.dir, own, list(allowed.own)))
			case !ours && !slices.ContainsFunc(allowed.third, func(m string) bool { return within(target, m) }):
				found = append(found, s.at(i, "%s must not import %s; it may: %s", s.dir, target, list(allowed.third)))
			}
		}
	}
	return found
}

// packageDocs finds packages without a doc, with two, or with one that does not
// say what it may import.
func packageDocs(tree []source) (found []string) {
	docs := map[string][]source{}
	var dirs []string
	for _, s := range tree {
		if s.test && s.dir != "internal" {
			continue
		}
		if !slices.Contains(dirs, s.dir) {
			dirs = append(dirs, s.dir)
		}
		if s.file.Doc != nil {
			docs[s.dir] = append(docs[s.dir], s)
		}
	}
	for _, dir := range dirs {
		if len(docs[dir]) != 1 {
			found = append(found, fmt.Sprintf("%s has %d package docs, want 1 in doc.go", dir, len(docs[dir])))
			continue
		}
		s := docs[dir][0]
		text := strings.Join(strings.Fields(s.file.Doc.Text()), " ")
		opening := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			opening = "Command " + path.Base(dir) + " "
		} else if !strings.Contains(text, "mports ") && !strings.Contains(text, "may import ") {
			found = append(found, s.at(s.file.Doc, "the doc of %s does not say what it may import", dir))
		}
		if !strings.HasPrefix(text, opening) {
			found = append(found, s.at(s.file.Doc, "the doc of %s does not begin with %q", dir, opening))
		}
	}
	return found
}

// isStandard tells whether target is in Go's standard library.
func isStandard(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".")
}

// within tells whether target is m or below it.
func within(target, m string) bool { return target == m || strings.HasPrefix(target, m+"/") }

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
