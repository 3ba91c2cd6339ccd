package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryCommandHasAStory: some script of testdata/script does what each command
// of the tree is for, and sees it end well. Its help and its refusals are none.
func TestEveryCommandHasAStory(t *testing.T) {
	t.Parallel()
	told := stories(t)
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() { // its own help is all that it does
			return
		}
		seen++
		words := strings.Fields(cmd.CommandPath())
		if !slices.ContainsFunc(told, func(line []string) bool { return len(line) >= len(words) && slices.Equal(line[:len(words)], words) }) {
			t.Errorf("no script of testdata/script has a line: exec %s …", cmd.CommandPath())
		}
	}
	walk(newRoot(&invocation{}))
	if seen < 40 {
		t.Errorf("%d commands were looked at", seen)
	}
}

// stories are the commands of all scripts that must end well, word by word.
func stories(t *testing.T) (told [][]string) {
	t.Helper()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(text), "\n-- ") // what follows are files
		for line := range strings.Lines(script) {
			words := strings.Fields(line)
			if len(words) >= 2 && words[0] == "exits" && words[1] == "0" {
				words = words[1:]
				words[0] = "exec"
			}
			if len(words) < 2 || words[0] != "exec" || slices.Contains(words, "--help") {
				continue
			}
			for i, word := range words { // in a line of the shell too
				if strings.Trim(word, "'(") == "app" {
					told = append(told, append([]string{"app"}, words[i+1:]...))
				}
			}
		}
	}
	return told
}
