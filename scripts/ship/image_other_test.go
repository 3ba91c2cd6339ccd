//go:build !linux

package ship_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
)

func openTo(*testing.T, string) {}

// inImage is a command of the program, with nothing but the image's folder of data.
func inImage(ctx context.Context, root string, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin/app"), words...)
	cmd.Dir, cmd.Env = filepath.Join(root, "data"), []string{"APP_DATA_DIR=" + filepath.Join(root, "data")}
	return cmd
}
