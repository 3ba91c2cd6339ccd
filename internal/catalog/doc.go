// Package catalog holds every text that people read on pages and in mail, in
// every language, and chooses a language for a reader.
//
// Messages live in messages/<name>.<language>.json: flat objects of key and text.
// A text holds values as {name}. A key that ends in .one or .other is a plural
// form: Text picks the form by the value named "count". Adding a language is
// adding files; adding a topic is adding one file a language.
//
// It promises that what Load returned never changes, is safe for concurrent use,
// and always answers with some text: a key missing in a language falls back to
// English, an unknown key to itself, so that a mistake is seen and never breaks a
// page. A test finds both before a reader does.
//
// It imports nothing of this project.
package catalog
