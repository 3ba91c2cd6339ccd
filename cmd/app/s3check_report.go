package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/config"
)

// bucketReport is what `app s3-check --json` prints.
type bucketReport struct {
	Bucket   string         `json:"bucket"`
	Endpoint string         `json:"endpoint"`
	Region   string         `json:"region"`
	Prefix   string         `json:"prefix"` // of all keys that were written
	Passed   bool           `json:"passed"`
	Problem  *bucketProblem `json:"problem,omitempty"`
	Rows     []bucketRow    `json:"rows"`
	Left     []string       `json:"left"` // keys that could not be deleted
}

type bucketProblem struct {
	Setting string `json:"setting"` // WASABI_SECRET_KEY, or clock
	Cause   string `json:"cause"`
}

type bucketRow struct {
	Capability string  `json:"capability"`
	Needed     bool    `json:"needed"`
	Result     string  `json:"result"` // ok, warning, no, failed, not tried
	Seconds    float64 `json:"seconds"`
	Found      string  `json:"found"`
	Advice     string  `json:"advice"`
}

// reportBucket prints a report and turns it into the outcome of the command.
func (inv *invocation) reportBucket(ctx context.Context, cfg *config.Config, f s3CheckFlags, r blob.Report) error {
	var problem *bucketProblem
	if p := r.Problem; p != nil {
		problem = &bucketProblem{Setting: settingName(cfg, p.Setting), Cause: p.Cause}
	}
	write := func() error { return printBucketTable(inv.io.out, r) }
	if f.json {
		write = func() error { return printBucketJSON(inv.io.out, cfg, r, problem) }
	}
	if err := write(); err != nil {
		return err
	}
	for _, key := range r.Left {
		fmt.Fprintf(inv.io.err, "left in the bucket: %s\n", key)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case problem != nil:
		return wrongBucket(cfg, r.Problem)
	case !r.Passed():
		return fmt.Errorf("the bucket %s does not pass: %s", cfg.S3.Bucket, strings.Join(lacking(r), ", "))
	}
	if !f.json {
		fmt.Fprintf(inv.io.out, "\nThe bucket %s at %s passes.\n", cfg.S3.Bucket, cfg.S3Endpoint())
	}
	return nil
}

// lacking are the needed capabilities that are not there.
func lacking(r blob.Report) (all []string) {
	for _, row := range r.Rows {
		if row.Needed && row.Result != blob.ResultOK && row.Result != blob.ResultWarning {
			all = append(all, row.Capability)
		}
	}
	return all
}

func printBucketTable(out io.Writer, r blob.Report) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CAPABILITY\tNEEDED\tRESULT\tTIME\tWHAT TO DO")
	for _, row := range r.Rows {
		needed, took, result, advice := "optional", "-", string(row.Result), row.Advice
		if row.Needed {
			needed = "needed"
		}
		if row.Took > 0 {
			took = row.Took.Round(time.Millisecond).String()
		}
		if row.Result == blob.ResultOK && row.Found != "" {
			result += ", " + row.Found
		} else if row.Found != "" {
			advice = strings.TrimSuffix(sentence(row.Found)+". "+row.Advice, ". ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.Capability, needed, result, took, cmp.Or(advice, "-"))
	}
	return table.Flush()
}

// sentence begins with a capital, unless it begins with a status or a name.
func sentence(text string) string {
	first, rest, _ := strings.Cut(text, " ")
	if strings.ToLower(first) != first || strings.ContainsAny(first, ":/.") {
		return text
	}
	return strings.TrimSpace(strings.ToUpper(first[:1]) + first[1:] + " " + rest)
}

func printBucketJSON(out io.Writer, cfg *config.Config, r blob.Report, problem *bucketProblem) error {
	report := bucketReport{
		Bucket: cfg.S3.Bucket, Endpoint: cfg.S3Endpoint(), Region: cfg.S3.Region, Prefix: r.Prefix,
		Passed: r.Passed(), Problem: problem, Rows: []bucketRow{}, Left: append([]string{}, r.Left...),
	}
	for _, row := range r.Rows {
		report.Rows = append(report.Rows, bucketRow{
			Capability: row.Capability, Needed: row.Needed, Result: string(row.Result),
			Seconds: row.Took.Seconds(), Found: row.Found, Advice: row.Advice,
		})
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}

// bucketProgress says on a terminal which row is being tried.
type bucketProgress struct {
	out  io.Writer
	live bool

	mu   sync.Mutex
	last string
}

func (p *bucketProgress) step(done, total int, capability string) {
	if !p.live {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = fmt.Sprintf("%d of %d: %s", done+1, total, capability)
	fmt.Fprintf(p.out, "\r\x1b[K%s", p.last)
}

// interrupted says why it does not end at once.
func (p *bucketProgress) interrupted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintln(p.out, "Taking away what the check wrote. Ctrl-C again ends at once; the next check then takes the rest away, after an hour.")
}

func (p *bucketProgress) close() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
