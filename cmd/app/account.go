package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
)

func newAccount(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Make studios' accounts and look after them",
		Long: `Make studios' accounts and look after them, beside a running server. An account
is named by its email address or its id.`,
		Example: "  app account list\n  app account create anna@example.com --name \"Anna's Studio\"\n  app account quota anna@example.com 500GiB",
		Args:    cobra.ArbitraryArgs, RunE: helpOrUnknown,
	}
	cmd.AddCommand(newAccountCreate(inv), newAccountList(inv), newAccountShow(inv), newAccountQuota(inv),
		newAccountSignIn(inv), newAccountDisable(inv), newAccountEnable(inv), newAccountDelete(inv))
	return cmd
}

// accountFlags are the words of the commands under `app account`.
type accountFlags struct {
	name, language, quota, token string
	json, yes                    bool
}

// add adds what every command under account has.
func (f *accountFlags) add(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func newAccountCreate(inv *invocation) *cobra.Command {
	var f accountFlags
	cmd := &cobra.Command{
		Use:   "create EMAIL",
		Short: "Make an account",
		Long: `Make an account. With --token it gets an API token of that name, which is printed
this once.`,
		Example: "  app account create anna@example.com --name \"Anna's Studio\"\n  app account create anna@example.com --name Anna --quota 500GiB --token laptop --json",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			quota, err := readQuota(f.quota)
			if err != nil {
				return userError{fmt.Errorf("--quota %s: %w", f.quota, err)}
			}
			if cmd.Flags().Changed("token") && strings.TrimSpace(f.token) == "" {
				return userError{errors.New("--token is empty: give the token a name, such as laptop")}
			}
			if strings.TrimSpace(f.name) == "" {
				return userError{errors.New("--name is missing: guests see it as the studio's name")}
			}
			return inv.withParts(cmd, role{}, func(ctx context.Context, p *parts) error {
				return inv.createAccount(ctx, p, words[0], quota, f)
			})
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "the studio's name, as guests see it")
	cmd.Flags().StringVar(&f.language, "language", "", "language of its mail, such as en or hi")
	cmd.Flags().StringVar(&f.quota, "quota", "", "what it may hold, such as 500GiB, or none (default account.quota)")
	cmd.Flags().StringVar(&f.token, "token", "", "make an API token of this name too")
	return f.add(cmd)
}

// createAccount makes all that was asked for, or nothing.
func (inv *invocation) createAccount(ctx context.Context, p *parts, email string, quota quotaWord, f accountFlags) error {
	if err := p.checkLanguage(f.language); err != nil {
		return err
	}
	n := account.NewAccount{Email: email, Name: f.name, Language: f.language}
	if quota.given {
		n.Quota = &account.Quota{Bytes: quota.bytes}
	}
	var a account.Account
	var secret string
	var err error
	if f.token == "" {
		a, err = p.accounts.Create(ctx, n)
	} else {
		a, secret, err = p.accounts.CreateWithToken(ctx, n, f.token)
	}
	switch {
	case errors.Is(err, account.ErrEmailInvalid), errors.Is(err, account.ErrEmailTaken):
		return userError{fmt.Errorf("%s: %w", email, err)}
	case errors.Is(err, account.ErrNameInvalid):
		return userError{fmt.Errorf("--name: %w", err)}
	case errors.Is(err, account.ErrTokenName):
		return userError{fmt.Errorf("--token: %w", err)}
	case errors.Is(err, account.ErrQuotaInvalid):
		return userError{fmt.Errorf("--quota %s: %w", f.quota, err)}
	case err != nil:
		return err
	}
	view := viewAccount(a)
	view.APIToken = secret
	return view.print(inv.io.out, f.json)
}

// checkLanguage refuses a language that no mail is written in.
func (p *parts) checkLanguage(tag string) error {
	var known []string
	for _, l := range p.catalog.Languages() {
		known = append(known, l.Tag())
	}
	if tag == "" || slices.Contains(known, tag) {
		return nil
	}
	return userError{fmt.Errorf("--language %s: there is no mail in it; there is %s", tag, strings.Join(known, ", "))}
}

func newAccountQuota(inv *invocation) *cobra.Command {
	var f accountFlags
	return f.add(&cobra.Command{
		Use:   "quota EMAIL|ID SIZE|none",
		Short: "Set how many bytes an account may hold",
		Long: `Set how many bytes an account may hold. With less than it holds now, all of that
stays and nothing new comes in. Without a quota a folder's free space is the limit.`,
		Example: "  app account quota anna@example.com 500GiB\n  app account quota anna@example.com none",
		Args: func(cmd *cobra.Command, words []string) error {
			return wrongWords(cmd, cobra.ExactArgs(2)(cmd, words))
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			quota, err := readQuota(words[1])
			if err != nil || !quota.given {
				return userError{fmt.Errorf("%q is no quota: give a size such as 500GiB, or none", words[1])}
			}
			return inv.onAccount(cmd, words[0], f, func(ctx context.Context, p *parts, a account.Account) (account.Account, error) {
				return p.accounts.SetQuota(ctx, a.ID, quota.bytes)
			})
		},
	})
}

func newAccountDisable(inv *invocation) *cobra.Command {
	var f accountFlags
	return f.add(&cobra.Command{
		Use:   "disable EMAIL|ID",
		Short: "Close an account: its tokens, links and shares are refused",
		Long: `Close an account: its API tokens and those of its guests are refused, its links
are closed and its shares are not found, all at once. Nothing is lost: app account
enable opens it again. Its transfers expire as ever meanwhile.`,
		Example: "  app account disable anna@example.com",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			return inv.onAccount(cmd, words[0], f, func(ctx context.Context, p *parts, a account.Account) (account.Account, error) {
				return p.accounts.Disable(ctx, a.ID)
			})
		},
	})
}

func newAccountEnable(inv *invocation) *cobra.Command {
	var f accountFlags
	return f.add(&cobra.Command{
		Use:     "enable EMAIL|ID",
		Short:   "Open a disabled account again",
		Example: "  app account enable anna@example.com",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			return inv.onAccount(cmd, words[0], f, func(ctx context.Context, p *parts, a account.Account) (account.Account, error) {
				return p.accounts.Enable(ctx, a.ID)
			})
		},
	})
}

// onAccount changes one account and prints what it is then.
func (inv *invocation) onAccount(cmd *cobra.Command, word string, f accountFlags, do func(context.Context, *parts, account.Account) (account.Account, error)) error {
	return inv.withParts(cmd, role{}, func(ctx context.Context, p *parts) error {
		a, err := p.findAccount(ctx, word)
		if err != nil {
			return err
		}
		if a, err = do(ctx, p, a); err != nil {
			return ofAccount(word, err)
		}
		return viewAccount(a).print(inv.io.out, f.json)
	})
}

// ofAccount makes what an account refuses the caller's to mend.
func ofAccount(word string, err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return userError{fmt.Errorf("account %s is deleted", word)}
	}
	if errors.Is(err, account.ErrQuotaInvalid) {
		return userError{err}
	}
	return err
}

// quotaWord is a quota as it is typed.
type quotaWord struct {
	given bool
	bytes *int64 // nil: none
}

func readQuota(word string) (quotaWord, error) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "":
		return quotaWord{}, nil
	case "none":
		return quotaWord{given: true}, nil
	}
	size, err := config.ParseByteSize(word)
	if err != nil {
		return quotaWord{}, err
	}
	bytes := int64(size)
	return quotaWord{given: true, bytes: &bytes}, nil
}

func newAccountDelete(inv *invocation) *cobra.Command {
	var f accountFlags
	cmd := &cobra.Command{
		Use:   "delete EMAIL|ID",
		Short: "Destroy an account's keys, and with them all its files, for good",
		Long: `Destroy an account's keys, and with them all its files, for good. It says what
there is, and asks.

First the account's key is destroyed: from then on its files are noise, within 60
seconds also for servers that are reading them. Then its transfers end, the bytes
they used are given back, and the purge takes what is stored. Backups from before
hold the key until they are deleted.`,
		Example: "  app account delete anna@example.com\n  app account delete anna@example.com --yes --json",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			return inv.withParts(cmd, role{hints: true}, func(ctx context.Context, p *parts) error {
				return inv.deleteAccount(ctx, p, words[0], f)
			})
		},
	}
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	return f.add(cmd)
}

func (inv *invocation) deleteAccount(ctx context.Context, p *parts, word string, f accountFlags) error {
	a, err := p.findAccount(ctx, word)
	if err != nil {
		return err
	}
	held, err := p.transfers.Holdings(ctx, a.ID)
	if err != nil {
		return err
	}
	if a.State != account.StateDeleted {
		fmt.Fprintf(inv.io.err, "%s <%s>: %d links, %d transfers with %d files, %s. Nobody will read these files again.\n",
			a.Name, a.Email, held.Links, held.Transfers, held.Files, bytesText(held.Bytes))
		if !f.yes {
			if err := inv.confirm(ctx, fmt.Sprintf("Destroy all of %s for good?", a.Email), "nothing was deleted"); err != nil {
				return err
			}
		}
	}
	ending, stop := outlive(ctx, endingGrace)
	defer stop()
	if err := p.accounts.Delete(ending, a.ID); err != nil {
		return err
	}
	if err := p.transfers.EndAccount(ending, a.ID); err != nil {
		return fmt.Errorf("the account's keys are destroyed; its transfers end with the next sweep: %w", err)
	}
	if f.json {
		return json.NewEncoder(inv.io.out).Encode(map[string]any{
			"id": a.ID, "state": account.StateDeleted, "transfers": held.Transfers, "files": held.Files, "bytes": held.Bytes,
		})
	}
	_, err = fmt.Fprintf(inv.io.out, "Account %s is deleted, its keys are destroyed. What is stored is purged by the running server.\n", a.ID)
	return err
}
