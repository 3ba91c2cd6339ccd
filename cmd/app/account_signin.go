package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
)

// signInLink is what `app account signin --json` prints.
type signInLink struct {
	AccountID string    `json:"account_id"`
	Email     string    `json:"email"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func newAccountSignIn(inv *invocation) *cobra.Command {
	var f accountFlags
	return f.add(&cobra.Command{
		Use:   "signin EMAIL|ID",
		Short: "Print a link that signs a studio in once",
		Long: fmt.Sprintf(`Print a link that signs a studio in, once, within %d minutes: for a studio whose
mail does not arrive, or where no mail can be sent. Who has it is the studio, so
hand it over as you would a password. No mail is sent.

The link begins with http.public_url (APP_HTTP_PUBLIC_URL), which production needs
for it; elsewhere, without that, with the address that the server listens on.`, account.LoginLife/time.Minute),
		Example: "  app account signin anna@example.com\n  app account signin anna@example.com --json | jq -r .url",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, words []string) error {
			return inv.withParts(cmd, role{needs: []config.Need{config.NeedPublicURL}}, func(ctx context.Context, p *parts) error {
				return inv.printSignInLink(ctx, p, words[0], f)
			})
		},
	})
}

func (inv *invocation) printSignInLink(ctx context.Context, p *parts, word string, f accountFlags) error {
	a, err := p.findAccount(ctx, word)
	if err != nil {
		return err
	}
	address, expires, err := p.signIn.Link(ctx, a.ID)
	switch {
	case errors.Is(err, account.ErrNotActive) && a.State == account.StateDisabled:
		return userError{fmt.Errorf("account %s is disabled: app account enable %s opens it", word, word)}
	case errors.Is(err, account.ErrNotActive):
		return userError{fmt.Errorf("account %s is deleted", word)}
	case err != nil:
		return ofAccount(word, err)
	}
	if f.json {
		return json.NewEncoder(inv.io.out).Encode(signInLink{AccountID: a.ID, Email: a.Email, URL: address, ExpiresAt: expires.UTC()})
	}
	fmt.Fprintln(inv.io.out, address)
	fmt.Fprintf(inv.io.err, "It signs %s (%s) in once, until %s.\n", a.Name, a.Email, expires.UTC().Format(time.RFC3339))
	return nil
}
