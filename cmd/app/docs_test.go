package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

// TestHTTPPageNamesEveryRoute holds docs/http.md to the document that a server
// makes from its own table of routes.
func TestHTTPPageNamesEveryRoute(t *testing.T) {
	t.Parallel()
	link, _ := greeted(t)
	base, _, _ := strings.Cut(link, "/u/")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	var served []string
	for path, methods := range document.Paths {
		for method := range methods {
			if method = strings.ToUpper(method); method != http.MethodHead {
				served = append(served, method+" "+path)
			}
		}
	}
	slices.Sort(served)
	described := found(t, "http.md", "(?m)^### `([A-Z]+ /[^`]*)`$")
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("routes, served (-) and described (+):\n%s", diff)
	}
}

func TestHTTPPageNamesEveryCodeAndEvent(t *testing.T) {
	t.Parallel()
	var codes, kinds []string
	for _, c := range api.Codes() {
		codes = append(codes, fmt.Sprintf("| `%s` | %d | %s |", c.Code, c.Status, c.Title))
	}
	slices.Sort(codes)
	if diff := cmp.Diff(codes, found(t, "http.md", "(?m)^(\\| `[a-z_0-9]+` \\| [0-9]{3} \\| [^|]* \\|)")); diff != "" {
		t.Errorf("codes, of the program (-) and described (+):\n%s", diff)
	}
	for _, k := range account.EventKinds() {
		kinds = append(kinds, string(k))
	}
	slices.Sort(kinds)
	_, table, _ := strings.Cut(page(t, "http.md"), "| kind | what happened |")
	table, _, _ = strings.Cut(table, "\n## ")
	var described []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		described = append(described, m[1])
	}
	slices.Sort(described)
	if diff := cmp.Diff(kinds, described); diff != "" {
		t.Errorf("events, of the program (-) and described (+):\n%s", diff)
	}
}

func TestOperationsPageNamesEveryMetric(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, name := range regexp.MustCompile(`"(lenzeye_[a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		made = append(made, name[1])
	}
	_, table, _ := strings.Cut(page(t, "operations.md"), "| name | labels | counts |")
	table, _, _ = strings.Cut(table, "\n\n")
	described := regexp.MustCompile(`lenzeye_[a-z_]+`).FindAllString(table, -1)
	slices.Sort(made)
	slices.Sort(described)
	if diff := cmp.Diff(made, described); diff != "" {
		t.Errorf("metrics, made (-) and described (+):\n%s", diff)
	}
}

// TestLinksOfTheDocs finds links to files that are not there.
func TestLinksOfTheDocs(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("found %d pages: %v", len(pages), err)
	}
	for _, p := range append(pages, "../../README.md", "../../CHANGELOG.md") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", p, m[1], err)
			}
		}
	}
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// found gives the first group of every match in a page, sorted.
func found(t *testing.T, name, pattern string) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(page(t, name), -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return all
}
