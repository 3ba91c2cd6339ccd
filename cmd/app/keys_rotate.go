package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
)

func newKeysRotate(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rotate",
		Short:   "Replace the master key, or the key of an account, while everything runs",
		Example: "  app keys rotate master\n  app keys rotate account anna@example.com",
		Args:    cobra.ArbitraryArgs, RunE: helpOrUnknown,
	}
	cmd.AddCommand(newRotateMaster(inv), newRotateAccount(inv))
	return cmd
}

// rotation is what `app keys rotate … --json` prints.
type rotation struct {
	Done   int64 `json:"done"`   // keys sealed anew
	Left   int64 `json:"left"`   // keys that wait
	Failed int64 `json:"failed"` // of these, such that do not open
}

// progressEvery bounds how often a rotation says how far it is.
const progressEvery = time.Second

// tellRotation says on standard error how far a rotation has come.
func (inv *invocation) tellRotation(what string) func(account.Rotated) {
	var last time.Time
	return func(r account.Rotated) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			fmt.Fprintf(inv.io.err, "%s: %d sealed anew, %d left\n", what, r.Done, r.Left)
		}
	}
}

func newRotateMaster(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "master",
		Short: "Seal every key under the master key that comes first in MASTER_KEYS",
		Long: `Seal every key under the master key that comes first in MASTER_KEYS. Rows are
changed, in batches, while everything runs; no stored file is touched. Stopped at
any moment, it goes on when it is called again.

An instance that lacks the new key cannot open what is sealed under it and answers
503 until it has it. So go in this order:

  1. app keys generate --version 2, and keep a copy where the server is not.
  2. Put the new key second everywhere: MASTER_KEYS=1:<old>,2:<new>. Deploy.
  3. Put it first everywhere: MASTER_KEYS=2:<new>,1:<old>. Deploy.
  4. app keys rotate master, with the same MASTER_KEYS.
  5. When app keys status says so, drop the old one: MASTER_KEYS=2:<new>. Keep
     a copy of it as long as there are backups from before.

Without MASTER_KEYS, put the new key on the first line of data/master.keys and
begin with step 4: a running server reads the file again.`,
		Example: "  app keys rotate master\n  MASTER_KEYS_FILE=/run/secrets/master app keys rotate master --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withParts(cmd, role{}, func(ctx context.Context, p *parts) error {
				ring, err := p.keys.get(ctx, 0)
				if err != nil {
					return err
				}
				r, err := p.accounts.RotateMaster(ctx, inv.tellRotation("master key"))
				return inv.reportRotation(r, err, asJSON, fmt.Sprintf("Every key is sealed under version %d of the master key.", ring.Current()))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newRotateAccount(inv *invocation) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "account EMAIL|ID… | --all",
		Short: "Give accounts a new key and seal their files' keys to it",
		Long: `Give accounts a new key and seal their files' keys to it. The old key is deleted
when nothing is sealed to it any more. Rows are changed, in batches, while
everything runs; no stored file is touched. Stopped at any moment, it goes on when
it is called again, and makes no further key before that is done.`,
		Example: "  app keys rotate account anna@example.com\n  app keys rotate account --all",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, words []string) error {
			if all == (len(words) > 0) {
				return userError{errors.New("which one? app keys rotate account anna@example.com, or --all (see app keys rotate account --help)")}
			}
			return inv.withParts(cmd, role{}, func(ctx context.Context, p *parts) error {
				chosen, err := p.chooseAccounts(ctx, words)
				if err != nil {
					return err
				}
				r, renewed, err := inv.rotateAccounts(ctx, p, chosen)
				return inv.reportRotation(r, err, asJSON, fmt.Sprintf("%d accounts have a new key.", renewed))
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every account, one after another")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// chosenAccounts are those that get a new key.
type chosenAccounts struct {
	all   []account.Account
	named bool // each by a word: one that is gone is a mistake
}

// chooseAccounts finds all that the words name, or without any all there are.
func (p *parts) chooseAccounts(ctx context.Context, words []string) (chosenAccounts, error) {
	chosen := chosenAccounts{named: len(words) > 0}
	for _, word := range words {
		a, err := p.findAccount(ctx, word)
		if err != nil {
			return chosen, err
		}
		chosen.all = append(chosen.all, a)
	}
	if chosen.named {
		return chosen, nil
	}
	return chosen, p.eachAccount(ctx, func(a account.Account) error {
		chosen.all = append(chosen.all, a)
		return nil
	})
}

// rotateAccounts goes on past an account that it fails on, and counts those that
// have a new key.
func (inv *invocation) rotateAccounts(ctx context.Context, p *parts, chosen chosenAccounts) (total account.Rotated, renewed int, err error) {
	var errs []error
	for _, a := range chosen.all {
		r, err := p.accounts.RotateAccount(ctx, a.ID, inv.tellRotation(a.ID))
		total.Done, total.Left, total.Failed = total.Done+r.Done, total.Left+r.Left, total.Failed+r.Failed
		if total.Reason == nil {
			total.Reason = r.Reason
		}
		isGone := errors.Is(err, account.ErrShredded) || errors.Is(err, account.ErrNotFound)
		switch {
		case err == nil:
			renewed++
		case isGone && chosen.named:
			errs = append(errs, userError{fmt.Errorf("account %s is deleted, and its key destroyed", a.ID)})
		case !isGone: // else it went after the list was made
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return total, renewed, together(errs)
}

// reportRotation says how a rotation ended. What does not open is no success.
func (inv *invocation) reportRotation(r account.Rotated, err error, asJSON bool, done string) error {
	if asJSON {
		err = errors.Join(err, json.NewEncoder(inv.io.out).Encode(rotation{Done: r.Done, Left: r.Left, Failed: r.Failed}))
	} else if err == nil {
		fmt.Fprintf(inv.io.out, "%d keys were sealed anew, %d are left.\n", r.Done, r.Left)
		if r.Left == 0 {
			fmt.Fprintln(inv.io.out, done)
		}
	}
	switch {
	case errors.Is(err, context.Canceled) && r.Left > 0:
		return fmt.Errorf("%d keys were sealed anew, %d are left, and the same command goes on with them: %w", r.Done, r.Left, context.Canceled)
	case err != nil:
		return err
	case r.Failed > 0:
		return fmt.Errorf("%d keys do not open and stay as they are; the first: %w", r.Failed, r.Reason)
	case r.Left > 0:
		return fmt.Errorf("%d keys came under an old key meanwhile: call it again", r.Left)
	}
	return nil
}
