package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// addSettings gives a command one flag for every key of the configuration.
func addSettings(cmd *cobra.Command) {
	for _, k := range config.Keys() {
		if k.Flag == "" {
			continue
		}
		usage := strings.ReplaceAll(k.Doc, "`", "") // to pflag a back-quoted word names the value
		if k.Default != "" {
			usage += fmt.Sprintf(" (default %s)", k.Default)
		}
		cmd.Flags().String(k.Flag, "", usage)
		if k.Kind == config.KindBool {
			cmd.Flags().Lookup(k.Flag).NoOptDefVal = "true"
		}
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			if near := config.NearestFlag(unknown.GetSpecifiedName()); near != "" {
				err = fmt.Errorf("%w, did you mean --%s?", err, near)
			}
		}
		return userError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
}

// hideSettings leaves only the settings in a command's help that say where its
// data is; the others work all the same.
func hideSettings(cmd *cobra.Command) {
	for _, k := range config.Keys() {
		if k.Flag != "" && k.Name != "config" && k.Name != "data.dir" && k.Name != "environment" {
			_ = cmd.Flags().MarkHidden(k.Flag) // the flag exists: it was just added
		}
	}
}

// settings reads the configuration for a command. Whatever is wrong with it is
// the user's to mend.
func (inv *invocation) settings(cmd *cobra.Command, needs ...config.Need) (*config.Config, error) {
	given := map[string]string{}
	known := map[string]bool{}
	for _, k := range config.Keys() {
		known[k.Flag] = true
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if known[f.Name] {
			given[f.Name] = f.Value.String()
		}
	})
	cfg, err := config.Load(config.Source{
		Flags: given, Environ: inv.env, Dir: ".", Needs: needs,
		Checks: map[string]func(string) error{"master_keys": checkRing, "master_key": checkRing},
	})
	if err != nil {
		return nil, userError{err}
	}
	return cfg, nil
}

func checkRing(value string) error {
	_, err := seal.ParseRing(value)
	return err
}
