package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Set by the release build with -ldflags -X; empty in a plain go build.
var (
	buildVersion string
	buildCommit  string
	buildTime    string
)

// buildInfo is what `app version` and GET /version say.
type buildInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	BuiltAt string `json:"built_at"`
	Go      string `json:"go"`
}

// readBuild takes the linked values, then what the Go tool stamped, then the
// commit that Render names in the environment.
func readBuild(env []string) buildInfo {
	b := buildInfo{Version: buildVersion, Commit: buildCommit, BuiltAt: buildTime, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.time" && b.BuiltAt == "":
				b.BuiltAt = s.Value
			}
		}
	}
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "RENDER_GIT_COMMIT="); ok && b.Commit == "" {
			b.Commit = v
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}

func newVersion(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and Go release",
		Example: "  app version\n  app version --json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			b := readBuild(inv.env)
			if asJSON {
				return json.NewEncoder(inv.io.out).Encode(b)
			}
			commit := b.Commit
			if commit == "" {
				commit = "unknown commit"
			}
			_, err := fmt.Fprintf(inv.io.out, "lenzeye %s (%s, %s)\n", b.Version, commit, b.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
