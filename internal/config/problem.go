package config

import (
	"fmt"
	"strings"
)

// Problem is one key or value that is wrong.
type Problem struct {
	Name    string `json:"name"`              // what the user wrote or must write: a variable, a flag, a YAML key
	Origin  string `json:"origin,omitempty"`  // where it stands when the name does not say it: a file, with its line
	Value   string `json:"value,omitempty"`   // as given; [redacted] for a secret
	Reason  string `json:"reason"`            // what is wrong
	Allowed string `json:"allowed,omitempty"` // the range, or the form
	Suggest string `json:"suggest,omitempty"` // the nearest name that exists
}

// String is the problem as one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Name)
	if p.Origin != "" {
		fmt.Fprintf(&b, " (%s)", p.Origin)
	}
	if p.Value != "" {
		fmt.Fprintf(&b, " = %q", p.Value)
	}
	fmt.Fprintf(&b, ": %s", p.Reason)
	if p.Allowed != "" {
		fmt.Fprintf(&b, "; allowed: %s", p.Allowed)
	}
	if p.Suggest != "" {
		fmt.Fprintf(&b, "; did you mean %s?", p.Suggest)
	}
	return b.String()
}

// Problems is the error of Load: everything that is wrong, never empty.
type Problems []Problem

// Error is one line for each problem, after a line that says what they are.
func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not usable:")
	for _, problem := range p {
		b.WriteString("\n  ")
		b.WriteString(problem.String())
	}
	return b.String()
}

// nearest returns the name that needs the fewest edits to become the unknown one, or nothing when all are far off.
func nearest(unknown string, names []string) string {
	if len(unknown) > maxNameLength {
		return ""
	}
	found, best := "", max(2, len(unknown)/3)+1
	for _, name := range names {
		if d := distance(unknown, name); d < best {
			found, best = name, d
		}
	}
	return found
}

// maxNameLength bounds the work of nearest; no name of ours is half as long.
const maxNameLength = 100

// distance is the Levenshtein distance, by the method of Wagner and Fischer with one row kept.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
