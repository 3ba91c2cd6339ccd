package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/seal"
)

func newKeys(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Short: "Make and look after keys",
		Example: "  app keys status\n  app keys generate --version 2\n  app keys rotate master",
		Args:    cobra.ArbitraryArgs, RunE: helpOrUnknown,
	}
	cmd.AddCommand(newKeysGenerate(inv), newKeysList(inv), newKeysStatus(inv), newKeysRotate(inv))
	return cmd
}

func newKeysGenerate(inv *invocation) *cobra.Command {
	var version uint32
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make a master key and print it as an entry of MASTER_KEYS",
		Long: `Make a master key and print it as an entry of MASTER_KEYS.

The key is printed and kept nowhere. Whoever loses all master keys loses every
file, so keep a copy where the server is not. To add a key to others, give it the
next version: MASTER_KEYS is a list like 2:<hex>,1:<hex>; the first seals, all open.
In data/master.keys it has a line of its own, the first one where it is to seal; two
keys of one version are refused. app keys rotate master --help says in which order.`,
		Example: "  app keys generate\n  app keys generate --version 2\n  app keys generate --version 2 --json | jq -r .entry",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if version == 0 {
				return userError{fmt.Errorf("--version 0: a version is at least 1")}
			}
			key, err := seal.GenerateMaster(rand.Reader)
			if err != nil {
				return err
			}
			entry := seal.FormatEntry(seal.MasterKey{Version: version, Key: key})
			if asJSON {
				return json.NewEncoder(inv.io.out).Encode(map[string]any{"version": version, "entry": entry})
			}
			_, err = fmt.Fprintln(inv.io.out, entry)
			return err
		},
	}
	cmd.Flags().Uint32Var(&version, "version", 1, "version of the key")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
