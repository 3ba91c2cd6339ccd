package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/transfer"
)

// reconcileFlags are the words of one `app reconcile`.
type reconcileFlags struct {
	limit             int
	delete, yes, json bool
}

func newReconcile(inv *invocation) *cobra.Command {
	var f reconcileFlags
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare what is stored with what the database says",
		Long: `Compare what is stored with what the database says, both ways: objects and
unfinished uploads that no row names, and stored files whose object is missing or
has another length. It only lists the bucket; app scrub reads what is in it.

It reports and changes nothing. With --delete it then deletes the objects and
aborts the uploads that no row names and that are older than sweep.grace, after
asking. Files are never deleted by it. One whose object is missing for a day is
marked as damaged by the sweep of serve or worker, which tells its studio.

It may run beside serve and workers. Exit code 0 means that both agree, 1 that
they do not.`,
		Example: "  app reconcile\n  app reconcile --json | jq .differences\n  app reconcile --delete",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 0 {
				return userError{fmt.Errorf("--limit %d: at least 0", f.limit)}
			}
			return inv.withParts(cmd, role{stores: true}, func(ctx context.Context, p *parts) error { return reconcile(ctx, inv, p, f) })
		},
	}
	cmd.Flags().IntVar(&f.limit, "limit", 20, "how many of each kind to list")
	cmd.Flags().BoolVar(&f.delete, "delete", false, "delete objects and uploads that no row names, after asking")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// difference is what was found of one kind.
type difference struct {
	Count int64    `json:"count"`
	Bytes int64    `json:"bytes"`
	First []string `json:"first"` // ids of files, or keys of what no row names
}

// reconciled is what `app reconcile --json` prints.
type reconciled struct {
	Agree       bool                             `json:"agree"`
	Objects     int64                            `json:"objects"`
	Bytes       int64                            `json:"bytes"`
	OpenUploads int64                            `json:"open_uploads"`
	StoredFiles int64                            `json:"stored_files"`
	Young       int64                            `json:"young"`
	Deleted     int64                            `json:"deleted"`
	Differences map[transfer.Finding]*difference `json:"differences"`
}

func reconcile(ctx context.Context, inv *invocation, p *parts, f reconcileFlags) error {
	r, err := reconcileOnce(ctx, inv, p, f.limit, transfer.ReconcileOptions{})
	if err != nil {
		return err
	}
	objects, uploads := r.Differences[transfer.OrphanObject], r.Differences[transfer.OrphanUpload]
	if f.delete && objects.Count+uploads.Count > 0 {
		question := fmt.Sprintf("Delete %d objects (%s) and abort %d uploads that no row names, for good?",
			objects.Count, bytesText(objects.Bytes), uploads.Count)
		if !f.yes {
			if err := inv.confirm(ctx, question, "nothing was deleted"); err != nil {
				return err
			}
		}
		if r, err = reconcileOnce(ctx, inv, p, f.limit, transfer.ReconcileOptions{Delete: true}); err != nil {
			return err
		}
	}
	if f.json {
		err = json.NewEncoder(inv.io.out).Encode(r)
	} else {
		err = r.print(inv.io.out)
	}
	if err == nil && !r.Agree {
		err = errors.New("what is stored and what the database says differ")
	}
	return err
}

func reconcileOnce(ctx context.Context, inv *invocation, p *parts, limit int, o transfer.ReconcileOptions) (*reconciled, error) {
	r := &reconciled{Differences: map[transfer.Finding]*difference{}}
	for _, k := range transfer.Findings() {
		r.Differences[k] = &difference{First: []string{}}
	}
	var found int64
	o.Found = func(d transfer.Difference) {
		all := r.Differences[d.Finding]
		all.Count, all.Bytes = all.Count+1, all.Bytes+d.Bytes
		if len(all.First) < limit {
			all.First = append(all.First, d.ID)
		}
		found++
	}
	said := time.Now()
	o.Page = func(seen transfer.Reconciled) {
		if time.Since(said) >= plainEvery {
			said = time.Now()
			fmt.Fprintf(inv.io.err, "%d objects, %d stored files, %d differences so far\n", seen.Objects, seen.Files, found)
		}
	}
	seen, err := p.transfers.Reconcile(ctx, o)
	r.Objects, r.Bytes, r.OpenUploads, r.StoredFiles = seen.Objects, seen.Bytes, seen.Open, seen.Files
	r.Young, r.Deleted, r.Agree = seen.Young, seen.Deleted, found == seen.Deleted
	return r, err
}

func (r *reconciled) print(out io.Writer) error {
	fmt.Fprintf(out, "Stored: %d objects, %s; %d unfinished uploads. Rows: %d stored files with bytes.\n",
		r.Objects, bytesText(r.Bytes), r.OpenUploads, r.StoredFiles)
	if r.Young > 0 {
		fmt.Fprintf(out, "No row names %d more objects and uploads, which are younger than sweep.grace and may get one.\n", r.Young)
	}
	for _, kind := range transfer.Findings() {
		d := r.Differences[kind]
		if d.Count == 0 {
			continue
		}
		fmt.Fprintf(out, "%s: %d", wordsOf(kind), d.Count)
		if d.Bytes > 0 {
			fmt.Fprintf(out, ", %s", bytesText(d.Bytes))
		}
		fmt.Fprintln(out)
		for _, id := range d.First {
			fmt.Fprintf(out, "  %s\n", id)
		}
		if more := d.Count - int64(len(d.First)); more > 0 {
			fmt.Fprintf(out, "  and %d more\n", more)
		}
	}
	last := "They agree."
	switch {
	case r.Deleted > 0:
		last = fmt.Sprintf("Deleted %d objects and uploads that no row names.", r.Deleted)
	case !r.Agree:
		last = "Nothing was changed."
	}
	_, err := fmt.Fprintln(out, last)
	return err
}

func wordsOf(f transfer.Finding) string {
	switch f {
	case transfer.OrphanObject:
		return "Objects that no row names"
	case transfer.OrphanUpload:
		return "Unfinished uploads that no row names"
	case transfer.MissingObject:
		return "Stored files without their object"
	case transfer.WrongLength:
		return "Stored files whose object has another length"
	}
	return "Files being received whose upload is gone"
}
