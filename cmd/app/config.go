package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newConfig(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where it came from",
		Long: `Print every setting, its value and where it came from. Secrets are redacted.

A setting a.b_c is the flag --a.b-c, the variable APP_A_B_C and in YAML a: {b_c: …}.
A flag wins over a variable, that over an env file, that over the YAML file.`,
		Example: "  app config\n  app config --json\n  APP_HTTP_MAX_STREAMS=8 app config --config app.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := inv.settings(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(inv.io.out)
				out.SetIndent("", "  ")
				return out.Encode(cfg.Describe())
			}
			table := tabwriter.NewWriter(inv.io.out, 0, 4, 2, ' ', 0)
			for _, e := range cfg.Describe() {
				fmt.Fprintf(table, "%s\t%s\t%s\n", e.Name, e.Value, e.Origin)
			}
			return table.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSettings(cmd)
	return cmd
}
