package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/config"
)

// s3CheckFlags are the words of `app s3-check`.
type s3CheckFlags struct {
	require         []string
	json, yes       bool
	cors, lifecycle bool
	size            string
	stall, timeout  time.Duration
}

func newS3Check(inv *invocation) *cobra.Command {
	var f s3CheckFlags
	cmd := &cobra.Command{
		Use:   "s3-check",
		Short: "Try everything on the bucket that this program relies on",
		Long: `Try everything on the configured bucket that this program relies on, and print
a table: capability, needed or optional, result, time, what to do.

All that is written has keys under v1/0000000000000000, a folder that belongs to
no account, and is deleted at the end, after Ctrl-C too. By default some 10 MB
go there and back, for about a minute: so long a body is silent, to see when the
bucket gives up on it. What a check left that was killed, the next one takes away
after an hour. Wasabi bills what is deleted for 90 days: mind that with --size.

The exit code is 0 when everything needed is there, 1 when not, and 2 when the
settings are wrong: bucket, region, endpoint, keys or this machine's clock.

--fix-cors and --fix-lifecycle show the rules as they are and as they will be, in
the form of the aws command line, ask, and set them before the check begins.
--fix-cors needs http.public_url.

Capabilities: ` + wrapWords(blob.CheckNames(), 66),
		Example: `  app s3-check
  app s3-check --require presign,cors
  app s3-check --fix-cors --http.public-url https://send.example.com
  app s3-check --size 1GB --stall 5s
  app s3-check --json | jq '.rows[] | select(.result != "ok")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return inv.checkBucket(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.require, "require", nil, "optional capabilities that are needed here, such as cors,presign")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.cors, "fix-cors", false, "let pages at http.public_url send parts to the bucket and read from it")
	flags.BoolVar(&f.lifecycle, "fix-lifecycle", false, "have unfinished uploads ended after 30 days, and no sooner than 28")
	flags.BoolVar(&f.yes, "yes", false, "do not ask before a change")
	flags.StringVar(&f.size, "size", "2MiB", "what each figure of throughput moves")
	flags.DurationVar(&f.stall, "stall", time.Minute, "how long a body is silent")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long a row may take")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// wrapWords sets words in lines.
func wrapWords(words []string, width int) string {
	var text strings.Builder
	column := len("Capabilities: ")
	for i, word := range words {
		if i > 0 {
			text.WriteString(", ")
			column += 2
		}
		if column+len(word) > width {
			text.WriteString("\n")
			column = 0
		}
		text.WriteString(word)
		column += len(word)
	}
	return strings.ReplaceAll(text.String(), ", \n", ",\n")
}

// options are those of a check of the configured bucket.
func (f s3CheckFlags) options(cfg *config.Config) (blob.CheckOptions, error) {
	size, err := config.ParseByteSize(f.size)
	if err != nil || size < 1 || int64(size) > blob.MaxPartSize {
		return blob.CheckOptions{}, fmt.Errorf("--size %s: give a size of at most 5GiB, such as 100MB", f.size)
	}
	if f.stall <= 0 || f.timeout <= 0 {
		return blob.CheckOptions{}, errors.New("--stall and --timeout are times above 0, such as 30s")
	}
	known := blob.CheckNames()
	for _, name := range f.require {
		if !slices.Contains(known, name) {
			return blob.CheckOptions{}, fmt.Errorf("--require %s: there is no such capability; there are %s", name, strings.Join(known, ", "))
		}
	}
	return blob.CheckOptions{
		S3: bucketOptions(cfg, 0), Origin: originOf(cfg.PublicURL(cfg.ListenAddr())), Require: f.require,
		Size: int64(size), Stall: f.stall, Timeout: f.timeout,
	}, nil
}

// originOf is an address without its path, as browsers name a page's origin.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

func (inv *invocation) checkBucket(cmd *cobra.Command, f s3CheckFlags) (err error) {
	ctx := cmd.Context()
	cfg, err := inv.settings(cmd, config.NeedBucket)
	if err != nil {
		return err
	}
	if !cfg.UsesBucket() {
		return userError{errors.New(cfg.NameOf("s3.bucket") + " is not set: there is no bucket to check")}
	}
	if f.cors && cfg.HTTP.PublicURL == "" && cfg.Render.ExternalURL == "" {
		return userError{fmt.Errorf("--fix-cors needs the address that people open: set --http.public-url (%s)", cfg.NameOf("http.public_url"))}
	}
	o, err := f.options(cfg)
	if err != nil {
		return userError{err}
	}
	shown := &bucketProgress{out: inv.io.err, live: isTerminal(inv.io.err)}
	o.Progress = shown.step
	c, err := blob.OpenBucketCheck(o)
	if err != nil {
		return userError{fmt.Errorf("s3: %w", err)}
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := inv.fixBucket(ctx, c, f); err != nil {
		return err
	}
	release := holdEchoes(ctx)
	defer release()
	stop := context.AfterFunc(ctx, shown.interrupted)
	report := c.Run(ctx)
	stop()
	shown.close()
	return inv.reportBucket(ctx, cfg, f, report)
}

// echoes is how soon after a signal another one is taken for the same: those
// who start programs send it to the program and to its group.
const echoes = 2 * time.Second

// holdEchoes keeps the signals that come right after the first from ending the
// program while it takes away what it wrote. Later ones do.
func holdEchoes(ctx context.Context) (release func()) {
	held := make(chan os.Signal, 1)
	signal.Notify(held, os.Interrupt, syscall.SIGTERM)
	release = func() { signal.Stop(held) }
	context.AfterFunc(ctx, func() { time.AfterFunc(echoes, release) })
	return release
}

// fixBucket makes the changes that were asked for. A bucket that is not reached
// is left to the check, which says why.
func (inv *invocation) fixBucket(ctx context.Context, c *blob.BucketCheck, f s3CheckFlags) error {
	var plans []func(context.Context) (blob.BucketChange, error)
	if f.cors {
		plans = append(plans, c.PlanCORS)
	}
	if f.lifecycle {
		plans = append(plans, c.PlanLifecycle)
	}
	if len(plans) == 0 || c.Reach(ctx) != nil {
		return ctx.Err()
	}
	for _, plan := range plans {
		change, err := plan(ctx)
		if errors.Is(err, blob.ErrUnsupported) {
			fmt.Fprintf(inv.io.err, "Nothing was changed: %v\n", err)
			continue
		}
		if err != nil {
			return causeOf(ctx, err)
		}
		if err := inv.fix(ctx, change, f); err != nil {
			return causeOf(ctx, err)
		}
	}
	return nil
}

// causeOf is the interruption where that is why a call failed.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (inv *invocation) fix(ctx context.Context, change blob.BucketChange, f s3CheckFlags) error {
	out := inv.io.out
	if f.json {
		out = inv.io.err // the output is for a program
	}
	if !change.IsNeeded() {
		fmt.Fprintf(out, "The bucket's %s need no change.\n", change.What)
		return nil
	}
	was := change.Was
	if was == "" {
		was = "none\n"
	}
	fmt.Fprintf(out, "The bucket's %s are now:\n%sand will be:\n%s", change.What, was, change.Will)
	if !f.yes {
		if err := inv.confirm(ctx, fmt.Sprintf("Change the bucket's %s?", change.What), "nothing was changed"); err != nil {
			return err
		}
	}
	if err := change.Apply(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "The bucket's %s are changed.\n", change.What)
	return nil
}
