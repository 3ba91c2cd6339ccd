package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
)

// keyRow is one row of `app keys list`.
type keyRow struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // account or code
	AccountID string    `json:"account_id,omitempty"`
	Version   uint32    `json:"version"`
	Master    uint32    `json:"master_version"`
	State     string    `json:"state"`
	Files     int64     `json:"files"` // file keys sealed to it
	CreatedAt time.Time `json:"created_at"`
}

func newKeysList(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys of the database: of each account, and of codes",
		Long: `List the keys of the database: of each account, and of codes. No key itself is
shown. MASTER is the version of the master key that a key is sealed under; FILES
how many files have their key sealed to it.`,
		Example: "  app keys list\n  app keys list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withParts(cmd, role{anyKeys: true}, func(ctx context.Context, p *parts) error {
				return p.listKeys(ctx, inv.io.out, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func (p *parts) listKeys(ctx context.Context, out io.Writer, asJSON bool) error {
	rows := []keyRow{}
	err := p.eachKey(ctx, func(k account.KeyInfo) error {
		rows = append(rows, keyRow{ID: k.ID, Kind: k.Kind, AccountID: k.AccountID, Version: k.Version, Master: k.Master,
			State: k.State, Files: k.Files, CreatedAt: k.CreatedAt})
		return nil
	})
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(out).Encode(rows)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tACCOUNT\tVERSION\tMASTER\tSTATE\tFILES\tCREATED")
	for _, k := range rows {
		owner := k.AccountID
		if owner == "" {
			owner = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%d\t%s\n", k.Kind, owner, k.Version, k.Master, k.State, k.Files, k.CreatedAt.Format(time.RFC3339))
	}
	return t.Flush()
}

// keysStatus is what `app keys status --json` prints.
type keysStatus struct {
	Masters  []masterStatus `json:"masters"`
	Rotating []keyRow       `json:"rotating"` // account keys that retire, with the files left
}

// masterStatus is one version of the master key.
type masterStatus struct {
	Version uint32 `json:"version"`
	Held    bool   `json:"held"`     // in these settings
	Seals   bool   `json:"seals"`    // it comes first in them
	Keys    int64  `json:"keys"`     // that lie under it
	Failed  int64  `json:"failed"`   // of these, such that do not open with these settings
	Drop    bool   `json:"may_drop"` // nothing lies under it, and another one seals
	Reason  string `json:"reason,omitempty"`
}

func newKeysStatus(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say which master keys are in use, and whether an old one may be dropped",
		Long: `Say which master keys are in use, and whether an old one may be dropped. Every
key of the database is opened for it, with the master keys of these settings.

It ends with 2 when a key does not open with them, and names the version that is
missing or wrong.`,
		Example: "  app keys status\n  app keys status --json | jq '.masters[] | select(.may_drop)'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inv.withParts(cmd, role{anyKeys: true}, func(ctx context.Context, p *parts) error {
				s, err := p.keysStatus(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					err = json.NewEncoder(inv.io.out).Encode(s)
				} else {
					err = s.print(inv.io.out)
				}
				return errors.Join(err, p.keysVerdict(s))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

func (p *parts) keysStatus(ctx context.Context) (keysStatus, error) {
	s := keysStatus{Masters: []masterStatus{}, Rotating: []keyRow{}}
	uses, err := p.accounts.MasterUses(ctx)
	if errors.Is(err, errNoMasterKeys) {
		return s, userError{fmt.Errorf("%s: %w", p.keysName(), errNoMasterKeys)}
	}
	if err != nil {
		return s, err
	}
	for _, u := range uses {
		m := masterStatus{Version: u.Version, Held: u.Held, Seals: u.Seals, Keys: u.Keys, Failed: u.Failed, Drop: u.Keys == 0 && !u.Seals}
		if u.Reason != nil {
			m.Reason = u.Reason.Error()
		}
		s.Masters = append(s.Masters, m)
	}
	return s, p.eachKey(ctx, func(k account.KeyInfo) error {
		if k.State == "retiring" {
			s.Rotating = append(s.Rotating, keyRow{ID: k.ID, Kind: k.Kind, AccountID: k.AccountID, Version: k.Version,
				Master: k.Master, State: k.State, Files: k.Files, CreatedAt: k.CreatedAt})
		}
		return nil
	})
}

func (s keysStatus) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MASTER KEY\tHERE IT\tKEYS UNDER IT\tDO NOT OPEN\tTO DO")
	for _, m := range s.Masters {
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%s\n", m.Version, m.use(), m.Keys, m.Failed, m.advice())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, k := range s.Rotating {
		fmt.Fprintf(out, "The key version %d of account %s retires: %d files are left. app keys rotate account %s goes on.\n",
			k.Version, k.AccountID, k.Files, k.AccountID)
	}
	return nil
}

func (m masterStatus) use() string {
	switch {
	case m.Seals:
		return "seals and opens"
	case m.Held:
		return "opens"
	}
	return "is missing"
}

func (m masterStatus) advice() string {
	switch {
	case m.Failed > 0 && m.Held:
		return "this is not the key of that version, or the rows are damaged: look for the right one"
	case m.Failed > 0:
		return "put it back"
	case m.Drop:
		return "drop it once every instance seals with another and no backup needs it"
	case !m.Seals:
		return "app keys rotate master"
	}
	return "-"
}

// keysVerdict is an error where keys do not open.
func (p *parts) keysVerdict(s keysStatus) error {
	var errs []error
	for _, m := range s.Masters {
		if m.Failed > 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d keys under master key version %d do not open: %s",
				p.keysName(), m.Failed, m.Keys, m.Version, m.Reason))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return userError{errors.Join(errs...)}
}
