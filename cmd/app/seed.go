package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// seedFlags are the words of one `app seed`.
type seedFlags struct {
	email, slug string
	json, yes   bool
}

func newSeed(inv *invocation) *cobra.Command {
	var f seedFlags
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Make a studio, an upload link and a demo transfer to try things with",
		Long: `Make a studio, an upload link and a demo transfer to try things with.

It may run again and again, beside a running serve and before the first one. Each
run makes the studio a new API token named "seed" and revokes its earlier one.`,
		Example: "  app seed\n  app seed --email anna@example.com --slug anna --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := inv.settings(cmd, needsOfServer()...)
			if err != nil {
				return err
			}
			if cfg.IsProduction() && !f.yes {
				return userError{errors.New("this is the production environment: app seed would make an account and a token there; say --yes to do it")}
			}
			return seed(cmd.Context(), inv, cfg, f)
		},
	}
	cmd.Flags().StringVar(&f.email, "email", "studio@example.com", "the studio's email address")
	cmd.Flags().StringVar(&f.slug, "slug", "demo", "the link's slug")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "also in production")
	addSettings(cmd)
	hideSettings(cmd)
	return cmd
}

// seeded is what `app seed --json` prints.
type seeded struct {
	Account struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	} `json:"account"`
	Link struct {
		ID   string `json:"id"`
		Slug string `json:"slug"`
		URL  string `json:"url"`
	} `json:"link"`
	APIToken string `json:"api_token"`
}

func seed(ctx context.Context, inv *invocation, cfg *config.Config, f seedFlags) (err error) {
	p, err := open(ctx, cfg, newLogger(inv.io.err, cfg.Log), role{hints: cfg.UsesRedis(), stores: true, listens: cfg.ListenAddr()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	email, err := account.CheckEmail(f.email)
	if err != nil {
		return userError{fmt.Errorf("--email %s: %w", f.email, err)}
	}
	if err := p.checkSlug(ctx, f.slug, email); err != nil {
		return err
	}
	a, err := p.seedAccount(ctx, email)
	if err != nil {
		return err
	}
	l, err := p.seedLink(ctx, a, f.slug)
	if err != nil {
		return err
	}
	done, err := p.seedTransfer(ctx, a, l)
	if err != nil {
		return fmt.Errorf("make the demo transfer: %w", err)
	}
	_, token, err := p.accounts.ReplaceToken(ctx, a.ID, "seed", account.Origin{})
	if err != nil {
		return fmt.Errorf("make the API token: %w", err)
	}
	address := cfg.PublicURL(cfg.ListenAddr())
	var s seeded
	s.Account.ID, s.Account.Email = a.ID, a.Email
	s.Link.ID, s.Link.Slug, s.Link.URL = l.ID, l.Slug, address+"/u/"+l.Slug
	s.APIToken = token
	if f.json {
		return json.NewEncoder(inv.io.out).Encode(s)
	}
	_, err = fmt.Fprintf(inv.io.out, `Studio        %s (%s)
Upload link   %s
Demo share    %s/d/%s   code %s
API token     %s
`, a.Name, a.Email, s.Link.URL, address, done.Token, account.FormatCode(done.Code), token)
	return err
}

// checkSlug refuses a slug that cannot be this studio's before anything is made.
func (p *parts) checkSlug(ctx context.Context, slug, email string) error {
	owner, err := p.transfers.SlugOwner(ctx, slug)
	switch {
	case errors.Is(err, transfer.ErrSlugInvalid):
		return userError{fmt.Errorf("--slug %s: %w", slug, err)}
	case errors.Is(err, transfer.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	a, err := p.accounts.ByEmail(ctx, email)
	if errors.Is(err, account.ErrNotFound) || err == nil && a.ID != owner {
		return userError{fmt.Errorf("--slug %s: another account has this link, or it was deleted; choose another", slug)}
	}
	return err
}

func (p *parts) seedAccount(ctx context.Context, email string) (account.Account, error) {
	a, err := p.accounts.Create(ctx, account.NewAccount{Email: email, Name: "Demo studio"})
	if errors.Is(err, account.ErrEmailTaken) {
		a, err = p.accounts.ByEmail(ctx, email)
	}
	if err != nil {
		return account.Account{}, fmt.Errorf("make the studio: %w", err)
	}
	if a.State == account.StateDisabled {
		return a, userError{fmt.Errorf("--email %s: the account is disabled: app account enable %s opens it", email, email)}
	}
	return a, nil
}

func (p *parts) seedLink(ctx context.Context, a account.Account, slug string) (transfer.Link, error) {
	l, err := p.transfers.CreateLink(ctx, a.ID, transfer.LinkFields{
		Slug: slug, Title: "Anna & Jonas, wedding", Message: "Please send every card just as it is.",
	}, transfer.Client{})
	switch {
	case errors.Is(err, transfer.ErrSlugInvalid):
		return l, userError{fmt.Errorf("--slug %s: %w", slug, err)}
	case !errors.Is(err, transfer.ErrSlugTaken):
		return l, err
	}
	l, err = p.transfers.LinkBySlug(ctx, a.ID, slug)
	if errors.Is(err, transfer.ErrNotFound) {
		return l, userError{fmt.Errorf("--slug %s: another account has this link, or it was deleted; choose another", slug)}
	}
	return l, err
}

// demoFiles are what the demo transfer holds.
func demoFiles() map[string]string {
	return map[string]string{
		"Card A/HLD_0001.txt": "A photograph would be here.\n",
		"Card A/HLD_0002.txt": strings.Repeat("A larger photograph would be here.\n", 4096),
		"Card B/empty.txt":    "",
	}
}

// seedTransfer makes the demo transfer, or finds it: its idempotency key is
// derived from the link under the code key, so running again finds the same one
// and nobody else can. One that has ended
// by itself is followed by another.
func (p *parts) seedTransfer(ctx context.Context, a account.Account, l transfer.Link) (transfer.Completed, error) {
	for turn := range 1000 {
		key, _, err := p.accounts.HashCode(ctx, fmt.Sprintf("lenzeye/seed/v1 %s %s %d", a.ID, l.ID, turn))
		if err != nil {
			return transfer.Completed{}, err
		}
		done, err := p.seedOnce(ctx, l, key)
		if errors.Is(err, transfer.ErrTransferEnded) || errors.Is(err, transfer.ErrTransferExpired) ||
			errors.Is(err, transfer.ErrUnauthenticated) {
			continue
		}
		return done, err
	}
	return transfer.Completed{}, errors.New("too many demo transfers have ended on this link; choose another --slug")
}

func (p *parts) seedOnce(ctx context.Context, l transfer.Link, key []byte) (transfer.Completed, error) {
	s, err := p.transfers.Start(ctx, l.Slug, transfer.NewTransfer{
		SenderEmail: "anna@example.com", SenderName: "Anna", Message: "All cards, as they came.", IdempotencyKey: key,
	})
	if err != nil {
		return transfer.Completed{}, seedRefusal(l, err)
	}
	access, err := p.transfers.AuthUpload(ctx, s.UploadToken)
	if err != nil {
		return transfer.Completed{}, err
	}
	if s.Transfer.State == transfer.Receiving {
		if err := p.seedFiles(ctx, access, s.Transfer.ID); err != nil {
			return transfer.Completed{}, err
		}
	}
	return p.transfers.CompleteTransfer(ctx, access, s.Transfer.ID, s.UploadToken, transfer.Client{})
}

// seedRefusal names a link that takes no transfer as the user's to mend.
func seedRefusal(l transfer.Link, err error) error {
	for _, refusal := range []error{transfer.ErrLinkClosed, transfer.ErrLinkExpired, transfer.ErrLinkFull, transfer.ErrPasswordWrong} {
		if errors.Is(err, refusal) {
			return userError{fmt.Errorf("--slug %s: %w", l.Slug, refusal)}
		}
	}
	return err
}

func (p *parts) seedFiles(ctx context.Context, access transfer.Access, id string) error {
	modified := time.Date(2026, 6, 14, 14, 6, 0, 0, time.UTC)
	var in []transfer.NewFile
	for path, text := range demoFiles() {
		in = append(in, transfer.NewFile{Path: path, Size: int64(len(text)), Modified: &modified, Type: "text/plain"})
	}
	d, err := p.transfers.Declare(ctx, access, id, in)
	if err != nil {
		return err
	}
	for _, e := range d.Errors {
		return fmt.Errorf("declare %s: %w", e.Path, e.Err)
	}
	for _, f := range d.Files {
		if f.File.PartCount == 0 {
			continue
		}
		u, err := p.transfers.BeginPart(ctx, access, f.File.ID, 1, f.File.Size)
		if err != nil {
			return err
		}
		if _, err := u.Receive(ctx, strings.NewReader(demoFiles()[f.File.Path]), nil); err != nil {
			return err
		}
	}
	return nil
}
