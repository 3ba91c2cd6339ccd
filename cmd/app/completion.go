package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// addCompletion adds cobra's own commands, help and completion, with examples and
// with this program's exit codes. They come last: cobra looks at the others.
func addCompletion(root *cobra.Command) {
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	examples := map[string]string{
		"completion": "  app completion bash > /etc/bash_completion.d/app\n  app completion zsh --help",
		"bash":       "  app completion bash > /etc/bash_completion.d/app\n  source <(app completion bash)",
		"zsh":        "  app completion zsh > \"${fpath[1]}/_app\"",
		"fish":       "  app completion fish > ~/.config/fish/completions/app.fish",
		"powershell": "  app completion powershell | Out-String | Invoke-Expression",
	}
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Example, cmd.Args, cmd.RunE = examples[cmd.Name()], cobra.ArbitraryArgs, helpOrUnknown
		for _, shell := range cmd.Commands() {
			shell.Example, shell.Args = examples[shell.Name()], noArgs
		}
	}
}

// newHelp is cobra's help with an error where there is nothing to help with.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Say what a command does",
		Long:    "Say what a command does, like --help behind it.",
		Example: "  app help send\n  app help keys rotate",
		RunE: func(_ *cobra.Command, words []string) error {
			about, rest, err := root.Find(words)
			if err != nil || len(rest) > 0 {
				return userError{fmt.Errorf("there is no command %q (see app --help)", strings.Join(words, " "))}
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
