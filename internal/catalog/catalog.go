package catalog

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

//go:embed messages/*.json
var embedded embed.FS

// fallback is the language that is complete by definition: the others are held
// to its keys, and readers of none of the languages get it.
const fallback = "en"

// Catalog is the loaded set of languages.
type Catalog struct {
	languages []Language // the fallback first
	matcher   language.Matcher
}

// Load reads the embedded message files. It fails on a file that does not parse,
// a key given twice, or a language without a valid name.
func Load() (*Catalog, error) {
	files, err := fs.Sub(embedded, "messages")
	if err != nil {
		return nil, fmt.Errorf("open the message files: %w", err)
	}
	return load(files)
}

func load(files fs.FS) (*Catalog, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list the message files: %w", err)
	}
	texts := map[string]map[string]string{}
	for _, name := range names {
		parts := strings.Split(name, ".")
		if len(parts) != 3 {
			return nil, fmt.Errorf("message file %s: the name is not <name>.<language>.json", name)
		}
		if err := mergeFile(files, name, parts[1], texts); err != nil {
			return nil, fmt.Errorf("message file %s: %w", name, err)
		}
	}
	return build(texts)
}

// build orders the languages, English first, and prepares the choice of one.
func build(texts map[string]map[string]string) (*Catalog, error) {
	if texts[fallback] == nil {
		return nil, fmt.Errorf("no message file of the language %q", fallback)
	}
	order := []string{fallback}
	for name := range texts {
		if name != fallback {
			order = append(order, name)
		}
	}
	slices.Sort(order[1:])
	c := &Catalog{}
	var tags []language.Tag
	for _, name := range order {
		tag, err := language.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("language %q: %w", name, err)
		}
		tags = append(tags, tag)
		c.languages = append(c.languages, newLanguage(tag, texts[name], texts[fallback]))
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

// Match chooses the language for an Accept-Language header, or for a single tag
// as kept in a row. What cannot be read, or is not served, gives English.
func (c *Catalog) Match(acceptLanguage string) Language {
	_, index := language.MatchStrings(c.matcher, acceptLanguage)
	return c.languages[index]
}

// Languages lists all languages, English first.
func (c *Catalog) Languages() []Language { return slices.Clone(c.languages) }
