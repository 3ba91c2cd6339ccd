package config

import (
	"bytes"
	"errors"
	"strings"
)

// assignment is one NAME=value of an env file, and its line from 1.
type assignment struct {
	name, value string
	line        int
}

// badLine is a line of an env file that cannot be read. It does not hold the line, which may be a secret's.
type badLine struct {
	line   int
	reason error
}

var (
	errNoAssignment = errors.New("the line is not NAME=value")
	errOpenQuote    = errors.New("the quote is not closed on the line")
	errAfterQuote   = errors.New("something follows the closing quote")
)

// parseEnvFile reads lines NAME=value, with or without export in front. A value may stand in single quotes, which
// keep everything, or in double quotes, in which \n, \t, \" and \\ are escapes. Outside quotes a # after a blank
// begins a comment. Nothing is expanded: a $ is a $. Empty lines and lines that begin with # are skipped.
func parseEnvFile(data []byte) (found []assignment, bad []badLine) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, err := parseEnvLine(line)
		if err != nil {
			bad = append(bad, badLine{number, err})
			continue
		}
		found = append(found, assignment{name, value, number})
	}
	return found, bad
}

func parseEnvLine(line string) (name, value string, err error) {
	name, rest, ok := strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	if word, after, exported := strings.Cut(name, " "); exported && word == "export" {
		name = strings.TrimSpace(after)
	}
	if !ok || !isVariable(name) {
		return "", "", errNoAssignment
	}
	value, err = parseEnvValue(rest)
	return name, value, err
}

func isVariable(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func parseEnvValue(rest string) (string, error) {
	trimmed := strings.TrimSpace(rest)
	if trimmed == "" {
		return "", nil
	}
	if quote := trimmed[0]; quote == '"' || quote == '\'' {
		value, after, err := unquote(trimmed[1:], quote)
		if err != nil {
			return "", err
		}
		if after = strings.TrimSpace(after); after != "" && after[0] != '#' {
			return "", errAfterQuote
		}
		return value, nil
	}
	for i := range len(rest) {
		if rest[i] == '#' && i > 0 && (rest[i-1] == ' ' || rest[i-1] == '\t') {
			rest = rest[:i]
			break
		}
	}
	return strings.TrimSpace(rest), nil
}

// unquote reads up to the closing quote, and returns what follows it.
func unquote(text string, quote byte) (value, after string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return b.String(), text[i+1:], nil
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			writeEscape(&b, text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errOpenQuote
}

// writeEscape writes what a backslash and c stand for; what is no escape keeps its backslash.
func writeEscape(b *strings.Builder, c byte) {
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case '"', '\\', '$':
	default:
		b.WriteByte('\\')
	}
	b.WriteByte(c)
}
