package main

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is text that a terminal may get, whoever wrote it: names of files, and
// all that a server says. What a terminal obeys instead of showing it, and what
// turns the direction of writing, is spelled out.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isObeyed) {
		return text
	}
	var out strings.Builder
	for _, r := range text { // bytes that are no UTF-8 are U+FFFD
		if isObeyed(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// printableLines is printable for text of several lines.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func isObeyed(r rune) bool {
	return unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}
