package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// accountView is an account as the commands under `app account` print it.
type accountView struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Quota     *int64    `json:"quota_bytes"` // null: none
	Used      int64     `json:"used_bytes"`
	Reserved  int64     `json:"reserved_bytes"`
	Language  string    `json:"language"`
	CreatedAt time.Time `json:"created_at"`
	APIToken  string    `json:"api_token,omitempty"` // once, of a create

	Holds *holdings `json:"holds,omitempty"`
}

// holdings is what an account has, in `app account show`.
type holdings struct {
	Links     int64 `json:"links"`
	Transfers int64 `json:"transfers"`
	Files     int64 `json:"files"`
	Bytes     int64 `json:"bytes"`
	Tokens    int   `json:"api_tokens"`
}

func viewAccount(a account.Account) accountView {
	return accountView{ID: a.ID, Email: a.Email, Name: a.Name, State: a.State, Quota: a.Quota, Used: a.Used,
		Reserved: a.Reserved, Language: a.Language, CreatedAt: a.CreatedAt}
}

func (v accountView) quota() string {
	if v.Quota == nil {
		return "none"
	}
	return bytesText(*v.Quota)
}

func (v accountView) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(v)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"ID", v.ID}, {"Email", v.Email}, {"Name", v.Name}, {"State", v.State}, {"Quota", v.quota()},
		{"Used", bytesText(v.Used)}, {"Reserved", bytesText(v.Reserved)}, {"Created", v.CreatedAt.Format(time.RFC3339)},
		{"API token", v.APIToken},
	} {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
		}
	}
	if h := v.Holds; h != nil {
		fmt.Fprintf(t, "Links\t%d\nTransfers\t%d\nFiles\t%d, %s\nAPI tokens\t%d\n", h.Links, h.Transfers, h.Files, bytesText(h.Bytes), h.Tokens)
	}
	return t.Flush()
}

func newAccountShow(inv *invocation) *cobra.Command {
	var f accountFlags
	return f.add(&cobra.Command{
		Use:     "show EMAIL|ID",
		Short:   "Show an account and how much it holds",
		Example: "  app account show anna@example.com\n  app account show anna@example.com --json | jq .used_bytes",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			return inv.withParts(cmd, role{}, func(ctx context.Context, p *parts) error {
				a, err := p.findAccount(ctx, words[0])
				if err != nil {
					return err
				}
				v := viewAccount(a)
				if v.Holds, err = p.holdings(ctx, a.ID); err != nil {
					return err
				}
				return v.print(inv.io.out, f.json)
			})
		},
	})
}

func (p *parts) holdings(ctx context.Context, id string) (*holdings, error) {
	held, err := p.transfers.Holdings(ctx, id)
	if err != nil {
		return nil, err
	}
	h := fromHoldings(held)
	for cursor := ""; ; {
		tokens, next, err := p.accounts.Tokens(ctx, id, account.Page{Cursor: cursor, Limit: 1000})
		if err != nil {
			return nil, err
		}
		h.Tokens += len(tokens)
		if next == "" {
			return &h, nil
		}
		cursor = next
	}
}

func fromHoldings(h transfer.Holdings) holdings {
	return holdings{Links: h.Links, Transfers: h.Transfers, Files: h.Files, Bytes: h.Bytes}
}

func newAccountList(inv *invocation) *cobra.Command {
	var f accountFlags
	return f.add(&cobra.Command{
		Use:     "list",
		Short:   "List the accounts that are not deleted, newest first",
		Example: "  app account list\n  app account list --json | jq -r '.[].email'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withParts(cmd, role{}, func(ctx context.Context, p *parts) error {
				rows := []accountView{}
				err := p.eachAccount(ctx, func(a account.Account) error {
					rows = append(rows, viewAccount(a))
					return nil
				})
				if err != nil {
					return err
				}
				return printAccounts(inv.io.out, rows, f)
			})
		},
	})
}

func printAccounts(out io.Writer, rows []accountView, f accountFlags) error {
	if f.json {
		return json.NewEncoder(out).Encode(rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "There is no account. app account create makes one.")
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "EMAIL\tNAME\tSTATE\tUSED\tRESERVED\tQUOTA\tID")
	for _, v := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Email, v.Name, v.State, bytesText(v.Used), bytesText(v.Reserved), v.quota(), v.ID)
	}
	return t.Flush()
}
