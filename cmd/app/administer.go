package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
)

// withParts opens the program for a command that works beside running servers,
// and gives everything back.
func (inv *invocation) withParts(cmd *cobra.Command, r role, do func(context.Context, *parts) error) (err error) {
	cfg, err := inv.settings(cmd, append(needsOfServer(), r.needs...)...)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	r.hints, r.listens = r.hints && cfg.UsesRedis(), cfg.ListenAddr()
	p, err := open(ctx, cfg, newLogger(inv.io.err, cfg.Log), r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return do(ctx, p)
}

// findAccount finds an account by its email address, or in any state by its id.
func (p *parts) findAccount(ctx context.Context, word string) (account.Account, error) {
	a, err := p.accounts.ByEmail(ctx, word)
	if errors.Is(err, account.ErrNotFound) {
		a, err = p.accounts.ByID(ctx, word)
	}
	if errors.Is(err, account.ErrNotFound) {
		return a, userError{fmt.Errorf("there is no account %q: give its email address or its id (app account list)", word)}
	}
	return a, err
}

// eachAccount goes through all accounts that are not deleted, newest first.
func (p *parts) eachAccount(ctx context.Context, do func(account.Account) error) error {
	for cursor := ""; ; {
		page, next, err := p.accounts.List(ctx, account.Page{Cursor: cursor, Limit: 1000})
		if err != nil {
			return err
		}
		for _, a := range page {
			if err := do(a); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// eachKey goes through all keys, newest first.
func (p *parts) eachKey(ctx context.Context, do func(account.KeyInfo) error) error {
	for cursor := ""; ; {
		page, next, err := p.accounts.Keys(ctx, account.Page{Cursor: cursor, Limit: 1000})
		if err != nil {
			return err
		}
		for _, k := range page {
			if err := do(k); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}
