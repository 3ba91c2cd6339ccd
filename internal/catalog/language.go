package catalog

import (
	"fmt"
	"maps"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// Language is one language's texts. It is a small value; its zero value answers
// every key with the key.
type Language struct {
	tag      language.Tag
	texts    map[string]string
	fallback map[string]string
}

func newLanguage(tag language.Tag, texts, fallback map[string]string) Language {
	return Language{tag: tag, texts: texts, fallback: fallback}
}

// Tag is the BCP 47 name, such as "en", as HTML's lang attribute wants it.
func (l Language) Tag() string { return l.tag.String() }

// Dir is "rtl" for languages written from right to left, else "ltr".
func (l Language) Dir() string {
	script, _ := l.tag.Script()
	switch script.String() {
	case "Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm":
		return "rtl"
	}
	return "ltr"
}

// Text is the message of a key, its {name} placeholders filled from args, which
// are pairs of a name and a value. Whole numbers are grouped as the language does
// it. A value named "count" picks the plural form where the key has forms.
func (l Language) Text(key string, args ...any) string {
	text, ok := l.find(key, args)
	if !ok {
		return key
	}
	if !strings.Contains(text, "{") {
		return text
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		pairs = append(pairs, fmt.Sprintf("{%v}", args[i]), l.value(args[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Has tells whether the key, or its plural forms, exist.
func (l Language) Has(key string) bool {
	_, ok := l.lookup(key)
	if !ok {
		_, ok = l.lookup(key + ".other")
	}
	return ok
}

// Messages are all texts whose key starts with one of the prefixes, for a
// program that fills them itself, as the pages' scripts do.
func (l Language) Messages(prefixes ...string) map[string]string {
	out := map[string]string{}
	for _, texts := range []map[string]string{l.fallback, l.texts} {
		for _, prefix := range prefixes {
			maps.Copy(out, startingWith(texts, prefix))
		}
	}
	return out
}

func startingWith(texts map[string]string, prefix string) map[string]string {
	out := map[string]string{}
	for key, text := range texts {
		if strings.HasPrefix(key, prefix) {
			out[key] = text
		}
	}
	return out
}

func (l Language) find(key string, args []any) (string, bool) {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] != "count" {
			continue
		}
		if n, ok := whole(args[i+1]); ok {
			if text, ok := l.lookup(key + "." + l.form(n)); ok {
				return text, true
			}
		}
	}
	return l.lookup(key)
}

func (l Language) lookup(key string) (string, bool) {
	if text, ok := l.texts[key]; ok {
		return text, true
	}
	text, ok := l.fallback[key]
	return text, ok
}

// form names the CLDR plural form of a count; the catalogues have one and other.
func (l Language) form(n int64) string {
	if n < 0 {
		n = -n
	}
	// The rules look at the last digits only, and n may pass what int holds.
	if plural.Cardinal.MatchPlural(l.tag, int(min(n, 1_000_000)), 0, 0, 0, 0) == plural.One {
		return "one"
	}
	return "other"
}

func (l Language) value(v any) string {
	if n, ok := whole(v); ok {
		return message.NewPrinter(l.tag).Sprint(number.Decimal(n))
	}
	return fmt.Sprint(v)
}

func whole(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case int32:
		return int64(n), true
	}
	return 0, false
}
