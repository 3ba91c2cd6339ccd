package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// backlog is what operators see of all the work that waits.
type backlog struct {
	parts   *parts
	archive *jobs.Archive // nil without Redis, or when it does not answer
	lost    error         // why there is no archive though Redis is configured; the caller's to mend
}

// workItem is one row of `app jobs list`.
type workItem struct {
	ID        string    `json:"id"`   // what retry and delete take
	Kind      string    `json:"kind"` // of the job
	State     string    `json:"state"`
	AccountID string    `json:"account_id,omitempty"`
	Tries     int       `json:"tries"`
	At        time.Time `json:"at"` // when it is due; of a hint that was given up, when that was
	Detail    string    `json:"detail,omitempty"`
}

func (inv *invocation) withBacklog(cmd *cobra.Command, do func(context.Context, *backlog) error) (err error) {
	cfg, err := inv.settings(cmd, needsOfServer()...)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	w := &backlog{}
	if cfg.UsesRedis() {
		if err := w.openArchive(ctx, cfg); err != nil {
			return err
		}
		if w.archive != nil {
			defer func() { err = errors.Join(err, w.archive.Close()) }()
		}
	}
	w.parts, err = open(ctx, cfg, newLogger(inv.io.err, cfg.Log), role{hints: w.archive != nil, listens: cfg.ListenAddr()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.parts.close()) }()
	return do(ctx, w)
}

// openArchive notes why Redis cannot be used: the rows can be listed all the same.
func (w *backlog) openArchive(ctx context.Context, cfg *config.Config) (err error) {
	limited, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	w.archive, err = jobs.OpenArchive(limited, cfg.Redis.URL.Reveal())
	if err != nil {
		w.lost = wrongQueue(cfg, err)
	}
	return ctx.Err()
}

// list prints at most f.limit rows of each sort, and where there are more says
// so: beside JSON on stderr, so that it stays JSON.
func (w *backlog) list(ctx context.Context, out, beside io.Writer, f jobsFlags) error {
	items, err := w.items(ctx, f.limit+1)
	if err != nil {
		return err
	}
	items, more := firstOfEach(items, f.limit)
	slices.SortStableFunc(items, func(a, b workItem) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	if f.json {
		err = json.NewEncoder(out).Encode(items)
	} else {
		err, beside = printWork(out, items), out
	}
	if more && err == nil {
		_, err = fmt.Fprintf(beside, "and more: --limit %d\n", 2*f.limit)
	}
	return errors.Join(err, w.lost)
}

// firstOfEach keeps at most limit items of each sort, and says whether there were
// more.
func firstOfEach(items []workItem, limit int) (kept []workItem, more bool) {
	kept = []workItem{}
	seen := map[string]int{}
	for _, i := range items {
		sort, _, _ := strings.Cut(i.ID, "/")
		if seen[sort]++; seen[sort] <= limit {
			kept = append(kept, i)
		}
	}
	return kept, len(kept) < len(items)
}

// items are at most limit of each sort: rows that are due first, and hints that
// were given up last, come first.
func (w *backlog) items(ctx context.Context, limit int) (items []workItem, err error) {
	rows, err := w.parts.transfers.Waiting(ctx, limit)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		sort := "file/"
		if r.Kind == transfer.JobPurgeTransfer {
			sort = "transfer/"
		}
		items = append(items, workItem{ID: sort + r.ID, Kind: r.Kind, State: r.State, AccountID: r.AccountID, At: r.Due})
	}
	mails, err := w.parts.mail.Waiting(ctx, limit)
	if err != nil {
		return nil, err
	}
	for _, m := range mails {
		items = append(items, workItem{
			ID: "mail/" + m.ID, Kind: mail.JobDeliver, State: m.State, AccountID: m.AccountID, Tries: m.Attempts, At: m.Due,
			Detail: strings.Join(slices.DeleteFunc([]string{string(m.Kind), m.Recipient, m.Reason}, func(s string) bool { return s == "" }), "; "),
		})
	}
	if w.archive != nil {
		hints, err := w.archive.List(limit)
		if err != nil {
			return nil, err
		}
		for _, h := range hints {
			items = append(items, workItem{
				ID: h.Key, Kind: h.Kind, State: "given up", Tries: h.Tries, At: h.At, Detail: h.ID + "; " + h.Reason,
			})
		}
	}
	return items, nil
}

func printWork(out io.Writer, items []workItem) error {
	if len(items) == 0 {
		_, err := fmt.Fprintln(out, "Nothing waits.")
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tJOB\tSTATE\tTRIES\tAT\tDETAIL")
	for _, i := range items {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.Kind, i.State, i.Tries, i.At.UTC().Format(time.RFC3339), i.Detail)
	}
	return t.Flush()
}

// each does one thing to every ID, and goes on past those that it fails on.
func (w *backlog) each(ctx context.Context, out io.Writer, ids []string, do func(context.Context, string) (string, error)) error {
	if w.lost != nil { // before anything is changed
		return w.lost
	}
	var errs []error
	for _, id := range ids {
		done, err := do(ctx, id)
		if err != nil {
			err = fmt.Errorf("%s: %w", id, err)
			if isNoSuchWork(err) {
				err = userError{err}
			}
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(out, "%s %s\n", id, done)
	}
	return together(errs)
}

var errNoSuchWork = errors.New("there is no such work")

func isNoSuchWork(err error) bool {
	for _, no := range []error{errNoSuchWork, transfer.ErrNotFound, mail.ErrNoSuchMail, jobs.ErrNoSuchHint} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

func (w *backlog) retry(ctx context.Context, id string) (done string, err error) {
	sort, row, _ := strings.Cut(id, "/")
	switch sort {
	case "file":
		err = w.parts.transfers.HastenFile(ctx, row)
	case "transfer":
		err = w.parts.transfers.HastenPurge(ctx, row)
	case "mail":
		err = w.retryMail(ctx, row)
	default:
		err = w.archived(id, (*jobs.Archive).Retry)
	}
	return "is due now", err
}

func (w *backlog) retryMail(ctx context.Context, id string) error {
	if err := w.parts.mail.Retry(ctx, id); err != nil || w.parts.queue == nil {
		return err
	}
	if err := w.parts.hint(ctx, jobs.Hint{Kind: mail.JobDeliver, ID: id}); err != nil {
		w.parts.log.Warn("hint not queued, the sweep will find it", "error", err)
	}
	return nil
}

func (w *backlog) delete(ctx context.Context, id string) (done string, err error) {
	sort, row, _ := strings.Cut(id, "/")
	switch sort {
	case "file", "transfer":
		err = fmt.Errorf("%w that can be forgotten: delete the transfer, and it is purged", errNoSuchWork)
	case "mail":
		err = w.parts.mail.Delete(ctx, row)
	default:
		err = w.archived(id, (*jobs.Archive).Delete)
	}
	return "is forgotten", err
}

// archived does one thing to a hint that was given up.
func (w *backlog) archived(key string, do func(*jobs.Archive, string) error) error {
	if w.archive == nil {
		return fmt.Errorf("%w: without REDIS_URL no hints are kept", errNoSuchWork)
	}
	return do(w.archive, key)
}
