package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

// parsed is what scripts/promql says about an expression.
type parsed struct {
	Error     string
	Type      string
	Selectors []struct {
		Metric   string
		Matchers []struct{ Label, Type, Value string }
	}
	Grouping []string
}

// parsePromQL reads expressions with Prometheus' own parser.
func parsePromQL(t *testing.T, expressions []string) []parsed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "-C", "../../scripts/promql", ".")
	cmd.Stdin = strings.NewReader(strings.Join(expressions, "\n") + "\n")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/promql: %v\n%s", err, errs.String())
	}
	var all []parsed
	for line := range bytes.Lines(out) {
		var p parsed
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) != len(expressions) {
		t.Fatalf("%d of %d expressions were read", len(all), len(expressions))
	}
	return all
}

// exported are the metrics that a process has, with their labels: those that it
// shows, and those of the registry that show nothing until something happens.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	s := newSolo(t)
	s.sends()
	scrape := s.asks("GET", "/metrics", "", "")
	if scrape.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d", scrape.StatusCode)
	}
	metrics := map[string][]string{"up": nil}
	for line := range strings.Lines(string(scrape.body)) {
		if m := regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `).FindStringSubmatch(line); m != nil {
			metrics[m[1]] = nil
			for _, l := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(m[2], -1) {
				metrics[m[1]] = append(metrics[m[1]], l[1])
			}
		}
	}
	known := make(chan *prometheus.Desc)
	go func() {
		newMetrics().registry.Describe(known)
		close(known)
	}()
	for d := range known {
		m := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`).FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("%s cannot be read", d)
		}
		if _, shown := metrics[m[1]]; !shown && metrics[m[1]+"_bucket"] == nil {
			metrics[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
		}
	}
	return metrics
}

// values are those that a label of ours can have, where they are few.
func values() map[string][]string {
	var kinds []string
	for _, f := range []transfer.Finding{transfer.OrphanObject, transfer.OrphanUpload, transfer.MissingObject, transfer.WrongLength, transfer.MissingUpload} {
		kinds = append(kinds, string(f))
	}
	return map[string][]string{"part": {"database", "blob", "job"}, "by": {"client", "server"}, "kind": kinds}
}

// wantKnown holds expressions to the metrics that there are.
func wantKnown(t *testing.T, metrics map[string][]string, expressions []string) (used map[string]bool) {
	t.Helper()
	used = map[string]bool{}
	fromOutside := []string{"job", "instance"}
	for i, p := range parsePromQL(t, expressions) {
		if p.Error != "" {
			t.Errorf("%s\n\t%s", expressions[i], p.Error)
		}
		var has []string
		for _, s := range p.Selectors {
			used[s.Metric] = true
			labels, found := metrics[s.Metric]
			if !found {
				t.Errorf("there is no metric %s, in\n\t%s", s.Metric, expressions[i])
			}
			has = append(has, append(labels, fromOutside...)...)
			for _, m := range s.Matchers {
				if !slices.Contains(append(labels, fromOutside...), m.Label) {
					t.Errorf("%s has no label %s, in\n\t%s", s.Metric, m.Label, expressions[i])
				}
				wantValue(t, m.Label, m.Type, m.Value, expressions[i])
			}
		}
		for _, label := range p.Grouping {
			if !slices.Contains(has, label) {
				t.Errorf("nothing has a label %s, in\n\t%s", label, expressions[i])
			}
		}
	}
	return used
}

// wantValue wants every alternative of a matcher to be a value that there is.
func wantValue(t *testing.T, label, how, value, expression string) {
	t.Helper()
	known := values()[label]
	if known == nil || strings.HasPrefix(value, "$") {
		return
	}
	for one := range strings.SplitSeq(value, "|") {
		if !slices.Contains(known, one) {
			t.Errorf("%s%s%q: it is never %q but one of %v, in\n\t%s", label, how, value, one, known, expression)
		}
	}
}

// The dashboard shows every metric of ours, and only what there is.
func TestDashboard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../configs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		UID    string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	var expressions []string
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || (p.Type != "row") != (len(p.Targets) > 0) {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			expressions = append(expressions, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
		}
	}
	metrics := exported(t)
	used := wantKnown(t, metrics, expressions)
	for name := range metrics {
		if !strings.HasPrefix(name, "lenzeye_") {
			continue
		}
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !used[base] && !used[base+"_bucket"] && !used[base+"_count"] {
			t.Errorf("%s is not on the dashboard", base)
		}
	}
}

// Every alert asks for what there is, says how bad it is and what to do, and
// names a section that exists.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../configs/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert       string
				Expr        string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(&file); err != nil {
		t.Fatal(err)
	}
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var names, expressions []string
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			expressions = append(expressions, r.Expr)
			if !strings.HasPrefix(r.Alert, "Lenzeye") || slices.Contains(names, r.Alert) {
				t.Errorf("an alert is called %q", r.Alert)
			}
			names = append(names, r.Alert)
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s is %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || len(r.Annotations["description"]) < 40 || len(r.Annotations) != 3 {
				t.Errorf("%s says too little: %v", r.Alert, r.Annotations)
			}
			anchor, found := strings.CutPrefix(r.Annotations["runbook_url"], "https://github.com/lenzeye/lenzeye/blob/main/docs/operations.md#")
			if !found || anchor != strings.ToLower(r.Alert) || !bytes.Contains(operations, []byte("\n### "+r.Alert+"\n")) {
				t.Errorf("%s leads to %s", r.Alert, r.Annotations["runbook_url"])
			}
			if r.For != "" && !regexp.MustCompile(`^[1-9][0-9]*[mh]$`).MatchString(r.For) {
				t.Errorf("%s waits for %q", r.Alert, r.For)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Lenzeye\w+)$`).FindAllSubmatch(operations, -1) {
		if !slices.Contains(names, string(m[1])) {
			t.Errorf("docs/operations.md has a section for %s, which is no alert", m[1])
		}
	}
	for i, p := range parsePromQL(t, expressions) {
		if p.Type != "vector" {
			t.Errorf("%s gives a %s", names[i], p.Type)
		}
	}
	wantKnown(t, exported(t), expressions)
}
