package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// scrubFlags are the words of one `app scrub`.
type scrubFlags struct {
	bytes, account, transfer string
	older                    time.Duration
	json                     bool
}

func newScrub(inv *invocation) *cobra.Command {
	var f scrubFlags
	cmd := &cobra.Command{
		Use:   "scrub",
		Short: "Read stored files back and authenticate every byte",
		Long: `Read stored files back and authenticate every byte, the longest unchecked file
first. serve and worker do it by themselves, scrub.bytes_per_day each day; this
is for more of it at once, and minds no budget but --bytes.

A file that does not authenticate is marked as damaged, which tells its studio;
one that was damaged and authenticates again is whole again. A file whose object
is missing is reported, and is marked by the sweep after a day.

Ctrl-C keeps what is done: the next run goes on with the files that were not
checked yet, in the midst of a large one. --older 24h leaves out those that were
checked within a day. Exit code 0 means that all that was read is whole, 1 that
something is not.`,
		Example: "  app scrub\n  app scrub --bytes 10GB\n  app scrub --transfer 0193b5a0-0000-7000-8000-000000000001 --json\n  app scrub --account anna@example.com --older 24h",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o transfer.ScrubOptions
			if f.bytes != "" {
				n, err := config.ParseByteSize(f.bytes)
				if err != nil || n < 1 {
					return userError{fmt.Errorf("--bytes %s: a size above 0, like 500MB or 10GiB", f.bytes)}
				}
				o.Bytes = int64(n)
			}
			if f.older < 0 {
				return userError{fmt.Errorf("--older %s: at least 0", f.older)}
			}
			o.Older, o.TransferID = f.older, f.transfer
			return inv.withParts(cmd, role{stores: true, hints: true}, func(ctx context.Context, p *parts) error {
				if f.account != "" {
					a, err := p.findAccount(ctx, f.account)
					if err != nil {
						return err
					}
					o.AccountID = a.ID
				}
				return scrub(ctx, inv, p, o, f)
			})
		},
	}
	cmd.Flags().StringVar(&f.bytes, "bytes", "", "stop after so many stored bytes, like 10GB (default all)")
	cmd.Flags().StringVar(&f.account, "account", "", "only this studio's files: its address or id")
	cmd.Flags().StringVar(&f.transfer, "transfer", "", "only this transfer's files: its id")
	cmd.Flags().DurationVar(&f.older, "older", 0, "only files that were not checked for so long")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// scrubbed is what `app scrub --json` prints.
type scrubbed struct {
	Files     int64         `json:"files"` // that all of it authenticated
	Bytes     int64         `json:"bytes"`
	Left      int64         `json:"left"` // files that were not reached
	Recovered int64         `json:"recovered"`
	Skipped   int64         `json:"skipped"`
	Damaged   int64         `json:"damaged"`
	First     []damagedFile `json:"first"` // of the damaged ones
}

// maxDamagedListed bounds what a run holds of what it found.
const maxDamagedListed = 10_000

type damagedFile struct {
	File     string `json:"file_id"`
	Transfer string `json:"transfer_id"`
	Account  string `json:"account_id"`
	Reason   string `json:"reason"` // changed or missing
}

func scrub(ctx context.Context, inv *invocation, p *parts, o transfer.ScrubOptions, f scrubFlags) error {
	r := scrubbed{First: []damagedFile{}}
	o.Damaged = func(d transfer.ScrubDamage) {
		reason := "changed"
		if d.Missing {
			reason = "missing"
		}
		if len(r.First) < maxDamagedListed {
			r.First = append(r.First, damagedFile{d.FileID, d.TransferID, d.AccountID, reason})
		}
	}
	said := time.Now()
	o.Progress = func(s transfer.Scrubbed) {
		if time.Since(said) >= plainEvery {
			said = time.Now()
			fmt.Fprintf(inv.io.err, "%d of %d files, %s, %d damaged\n", s.Files+s.Damaged+s.Skipped, s.Total, bytesText(s.Bytes), s.Damaged)
		}
	}
	seen, err := p.transfers.ScrubNow(ctx, o)
	switch {
	case errors.Is(err, transfer.ErrTransferMissing):
		return userError{fmt.Errorf("--transfer %s: there is no such transfer", o.TransferID)}
	case errors.Is(err, transfer.ErrScrubBusy):
		return fmt.Errorf("%w, of serve, a worker or another app scrub: try again when it is done", err)
	}
	r.Files, r.Bytes, r.Recovered, r.Skipped, r.Damaged = seen.Files, seen.Bytes, seen.Recovered, seen.Skipped, seen.Damaged
	r.Left = max(0, seen.Total-seen.Files-seen.Damaged-seen.Skipped)
	var printed error
	if f.json {
		printed = json.NewEncoder(inv.io.out).Encode(r)
	} else {
		printed = r.print(inv.io.out)
	}
	if err = errors.Join(err, printed); err == nil && r.Damaged+r.Skipped > 0 {
		err = fmt.Errorf("%d files are damaged, and %d could not be read", r.Damaged, r.Skipped)
	}
	return err
}

func (r *scrubbed) print(out io.Writer) error {
	fmt.Fprintf(out, "Read %s: %d files are whole, %d damaged, %d could not be read, %d are left.\n",
		bytesText(r.Bytes), r.Files, r.Damaged, r.Skipped, r.Left)
	if r.Recovered > 0 {
		fmt.Fprintf(out, "Whole again, after damage: %d\n", r.Recovered)
	}
	for _, d := range r.First {
		if _, err := fmt.Fprintf(out, "  file %s of transfer %s: %s\n", d.File, d.Transfer, d.Reason); err != nil {
			return err
		}
	}
	if more := r.Damaged - int64(len(r.First)); more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
	return nil
}
