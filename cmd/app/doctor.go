package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/config"
)

// Verdicts of a check.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailed  = "failed"
)

// finding is one row of `app doctor`.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, warning or failed
	Detail string `json:"detail"`
	ToDo   string `json:"to_do,omitempty"`

	mistake bool // of the settings, or of what they name, for the caller to mend
}

// doctor looks at everything that the settings name, and changes nothing.
type doctor struct {
	cfg      *config.Config
	parts    *parts
	mailTo   string
	lost     bool // the database does not answer
	findings []finding
}

func (d *doctor) ok(check, detail string) {
	d.findings = append(d.findings, finding{Check: check, Result: checkOK, Detail: detail})
}

func (d *doctor) warn(check, detail, todo string) {
	d.findings = append(d.findings, finding{Check: check, Result: checkWarning, Detail: detail, ToDo: todo})
}

func (d *doctor) fail(check, detail, todo string) {
	d.findings = append(d.findings, finding{Check: check, Result: checkFailed, Detail: detail, ToDo: todo})
}

// wrong is a failure because of a setting, for which serve would not start or
// would not become ready.
func (d *doctor) wrong(check, detail, todo string) {
	d.findings = append(d.findings, finding{Check: check, Result: checkFailed, Detail: detail, ToDo: todo, mistake: true})
}

// doctorTimeout bounds each check.
const doctorTimeout = 30 * time.Second

func newDoctor(inv *invocation) *cobra.Command {
	var asJSON bool
	var mailTo string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that the settings name, and say what to do",
		Long: `Check everything that the settings name, and say what to do: database, schema,
master keys, store, clock, disk, queue and mail. It runs beside a server or before
the first start, and changes nothing: in the bucket it puts one small object and
deletes it, and mail is sent only to the address of --mail-to.

app s3-check looks closer at a bucket, app config at the settings. Exit code 0
means that nothing fails, though there may be warnings; 2 that a setting is wrong,
or what it names does not answer; 1 that something else fails.`,
		Example: "  app doctor\n  app doctor --mail-to me@example.com\n  app doctor --json | jq '.[] | select(.result != \"ok\")'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := inv.settings(cmd, needsOfServer()...)
			if err != nil {
				return err
			}
			return inv.examine(cmd.Context(), cfg, mailTo, asJSON)
		},
	}
	cmd.Flags().StringVar(&mailTo, "mail-to", "", "send one message to this address")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func (inv *invocation) examine(ctx context.Context, cfg *config.Config, mailTo string, asJSON bool) (err error) {
	p := &parts{cfg: cfg, log: newLogger(io.Discard, cfg.Log), metrics: newMetrics(), keys: &masterKeys{}}
	defer func() { err = errors.Join(err, p.close()) }()
	d := &doctor{cfg: cfg, parts: p, mailTo: mailTo}
	d.ok("settings", fmt.Sprintf("environment %s, app config shows them all", cfg.Environment))
	for _, check := range []func(context.Context){d.database, d.keys, d.store, d.queue, d.mail} {
		bounded, cancel := context.WithTimeout(ctx, doctorTimeout)
		check(bounded)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if asJSON {
		err = json.NewEncoder(inv.io.out).Encode(d.findings)
	} else {
		err = printFindings(inv.io.out, d.findings)
	}
	return errors.Join(err, verdict(d.findings))
}

func printFindings(out io.Writer, all []finding) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CHECK\tRESULT\tDETAIL")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Check, f.Result, f.Detail)
		if f.ToDo != "" {
			fmt.Fprintf(t, "\t\tTo do: %s\n", f.ToDo)
		}
	}
	return t.Flush()
}

func verdict(all []finding) error {
	var failed []string
	mistakes := false
	for _, f := range all {
		if f.Result == checkFailed {
			failed = append(failed, f.Check+": "+f.Detail)
			mistakes = mistakes || f.mistake
		}
	}
	if len(failed) == 0 {
		return nil
	}
	err := fmt.Errorf("%d of %d checks fail: %s", len(failed), len(all), strings.Join(failed, "; "))
	if mistakes {
		return userError{err}
	}
	return err
}
