package catalog

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func mustLoad(t *testing.T) *Catalog {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fixture makes a catalogue of two languages.
func fixture(t *testing.T) *Catalog {
	t.Helper()
	c, err := load(fstest.MapFS{
		"a.en.json": {Data: []byte(`{"hello": "Hello {name}", "files.one": "{count} file", "files.other": "{count} files", "only.en": "English"}`)},
		"b.en.json": {Data: []byte(`{"other": "Of another file"}`)},
		"a.hi.json": {Data: []byte(`{"hello": "नमस्ते {name}", "files.one": "{count} फ़ाइल", "files.other": "{count} फ़ाइलें", "other": "और"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMatchChoosesALanguage(t *testing.T) {
	t.Parallel()
	c := mustLoad(t)
	for header, want := range map[string]string{
		"": "en", "en-GB,en;q=0.8": "en", "hi": "hi", "hi-IN": "hi", "de-DE, hi;q=0.4": "hi",
		"en;q=0.2, hi;q=0.9": "hi", "zz": "en", ",;q=": "en", strings.Repeat("x,", 9000): "en",
	} {
		if got := c.Match(header).Tag(); got != want {
			t.Errorf("%.40q gives %s, want %s", header, got, want)
		}
	}
	if dir := c.Match("hi").Dir(); dir != "ltr" {
		t.Errorf("Hindi runs %s", dir)
	}
	if c.Languages()[0].Tag() != "en" {
		t.Error("English is not the first language")
	}
}

func TestDirOfLanguagesFromTheRight(t *testing.T) {
	t.Parallel()
	c, err := load(fstest.MapFS{"a.en.json": {Data: []byte(`{}`)}, "a.ar.json": {Data: []byte(`{}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Match("ar-EG").Dir(); got != "rtl" {
		t.Errorf("Arabic runs %s", got)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	c := fixture(t)
	en, hi := c.Match("en"), c.Match("hi")
	for _, test := range []struct {
		got, want string
	}{
		{en.Text("hello", "name", "Anna"), "Hello Anna"},
		{en.Text("hello", "name", "{name} {count}"), "Hello {name} {count}"},
		{en.Text("hello"), "Hello {name}"},
		{en.Text("files", "count", 0), "0 files"},
		{en.Text("files", "count", 1), "1 file"},
		{en.Text("files", "count", int64(2630)), "2,630 files"},
		{hi.Text("files", "count", 0), "0 फ़ाइल"},
		{hi.Text("files", "count", 1), "1 फ़ाइल"},
		{hi.Text("files", "count", 1234567), "12,34,567 फ़ाइलें"},
		{hi.Text("only.en"), "English"},
		{hi.Text("other"), "और"},
		{en.Text("nothing", "count", 3), "nothing"},
		{Language{}.Text("key"), "key"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	if !en.Has("hello") || !en.Has("files") || en.Has("nothing") || !hi.Has("only.en") {
		t.Error("Has does not tell what Text finds")
	}
}

func TestMessagesFallBackToo(t *testing.T) {
	t.Parallel()
	got := fixture(t).Match("hi").Messages("only.", "files.")
	want := map[string]string{"only.en": "English", "files.one": "{count} फ़ाइल", "files.other": "{count} फ़ाइलें"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadRefusesBrokenFiles(t *testing.T) {
	t.Parallel()
	good := &fstest.MapFile{Data: []byte(`{"a": "A"}`)}
	for name, files := range map[string]fstest.MapFS{
		"no English":       {"a.hi.json": good},
		"no language":      {"a.en.json": good, "a.json": good},
		"unknown language": {"a.en.json": good, "a.!!.json": good},
		"repeated key":     {"a.en.json": {Data: []byte(`{"a": "A", "a": "B"}`)}},
		"key of two files": {"a.en.json": good, "b.en.json": good},
		"nested":           {"a.en.json": {Data: []byte(`{"a": {"b": "B"}}`)}},
		"a number":         {"a.en.json": {Data: []byte(`{"a": 1}`)}},
		"a list":           {"a.en.json": {Data: []byte(`["a"]`)}},
		"cut":              {"a.en.json": {Data: []byte(`{"a": "A"`)}},
		"trailing":         {"a.en.json": {Data: []byte(`{"a": "A"} {}`)}},
		"empty":            {"a.en.json": {}},
	} {
		if _, err := load(files); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

// TestLanguagesAreComplete finds what one language has and another has not: keys,
// plural forms, placeholders, and texts that nobody translated.
func TestLanguagesAreComplete(t *testing.T) {
	t.Parallel()
	c := mustLoad(t)
	english := c.Languages()[0]
	for _, l := range c.Languages() {
		for _, key := range slices.Sorted(maps.Keys(english.texts)) {
			text, ok := l.texts[key]
			if !ok {
				t.Errorf("%s: %s is missing", l.Tag(), key)
				continue
			}
			if strings.TrimSpace(text) != text || text == "" {
				t.Errorf("%s: %s is empty or has space around it", l.Tag(), key)
			}
			if diff := cmp.Diff(placeholders(english.texts[key]), placeholders(text)); diff != "" {
				t.Errorf("%s: %s has other placeholders than English: %s", l.Tag(), key, diff)
			}
			if base, ok := strings.CutSuffix(key, ".one"); ok && l.texts[base+".other"] == "" {
				t.Errorf("%s: %s has no form for many", l.Tag(), base)
			}
		}
		for key := range l.texts {
			if _, ok := english.texts[key]; !ok {
				t.Errorf("%s: %s is not in English", l.Tag(), key)
			}
		}
	}
}

// placeholders lists the names of values in a text, each once.
func placeholders(text string) []string {
	found := regexp.MustCompile(`\{\w+\}`).FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}
