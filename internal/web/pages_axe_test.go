package web

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// violation is what axe-core finds against a rule of accessibility.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML, FailureSummary string
	}
}

// axe holds the page as it is to axe-core: what it calls serious or critical fails.
func (b *tab) axe(name string) {
	b.t.Helper()
	b.axeScript.Do(func() {
		script, err := os.ReadFile(testenv.Checker(b.t, "axe-core/axe.min.js"))
		b.must(err)
		b.axeText = string(script)
	})
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	// The protocol's own evaluation, which the content policy does not concern. The
	// script goes anew into every page.
	run := `(async () => {
		if (!window.axe) { ` + b.axeText + `; }
		const {violations} = await window.axe.run(document, {resultTypes: ["violations"]});
		return JSON.stringify(violations.filter(({impact}) => impact === "serious" || impact === "critical"));
	})()`
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](run, chromedp.EvalAwaitPromise))
	b.must(err)
	var found []violation
	b.must(json.Unmarshal([]byte(text), &found))
	for _, v := range found {
		var where []string
		for _, node := range v.Nodes[:min(len(v.Nodes), 3)] {
			where = append(where, fmt.Sprintf("%s: %s", node.HTML, node.FailureSummary))
		}
		b.t.Errorf("%s: %s (%s, %d times): %s", name, v.Help, v.ID, len(v.Nodes), strings.Join(where, "\n\t"))
	}
}

// axeOnce is the script, read once for a tab.
type axeOnce struct {
	axeScript  sync.Once
	axeText    string
	scriptless bool // the browser runs no script, and so not this one
}
