//go:build !linux

package ship_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func openTo(*testing.T, string) {}

// inImage is a command of the program, with nothing but the image's folder of data.
func inImage(t *testing.T, root string, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin/app"), words...)
	cmd.Dir, cmd.Env = filepath.Join(root, "data"), []string{"APP_DATA_DIR=" + filepath.Join(root, "data")}
	return cmd
}
