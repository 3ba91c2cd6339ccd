// Command promql reads expressions of Prometheus from standard input, one a line,
// with Prometheus' own parser. For each it prints a line of JSON: the series that it
// selects, the labels that it groups by, or what is wrong with it. The
// test that holds configs/ to the metrics runs it; a module of its own keeps
// Prometheus out of the program's.
//
// It imports Prometheus' parser.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// selector is a series that an expression selects.
type selector struct {
	Metric   string    `json:"metric"`
	Matchers []matcher `json:"matchers"`
}

// matcher is a condition on a label.
type matcher struct {
	Label string `json:"label"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// expression is what one line says.
type expression struct {
	Error     string     `json:"error,omitempty"`
	Type      string     `json:"type,omitempty"`
	Selectors []selector `json:"selectors,omitempty"`
	Grouping  []string   `json:"grouping,omitempty"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := out.Encode(read(lines.Text())); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func read(text string) expression {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return expression{Error: err.Error()}
	}
	e := expression{Type: string(parsed.Type())}
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			s := selector{Metric: n.Name}
			for _, m := range n.LabelMatchers {
				if m.Name != labels.MetricName {
					s.Matchers = append(s.Matchers, matcher{m.Name, m.Type.String(), m.Value})
				}
			}
			e.Selectors = append(e.Selectors, s)
		case *parser.AggregateExpr:
			e.Grouping = append(e.Grouping, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				e.Grouping = append(e.Grouping, n.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	return e
}
