package ship_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// openTo gives the image's user what the image gives it: the folder of data.
func openTo(t *testing.T, root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(filepath.Join(root, "data"), imageUser, imageUser); err != nil {
		t.Fatal(err)
	}
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// inImage is a command of the program with the image as its whole file system.
// Only root may do that; others start it with nothing but the image's folder of
// data and without an environment.
func inImage(t *testing.T, root string, words ...string) *exec.Cmd {
	t.Helper()
	ctx := t.Context()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("in CI the image is tried in a chroot, which needs root")
		}
		cmd := exec.CommandContext(ctx, filepath.Join(root, "bin/app"), words...)
		cmd.Dir, cmd.Env = filepath.Join(root, "data"), []string{"APP_DATA_DIR=" + filepath.Join(root, "data")}
		return cmd
	}
	cmd := exec.CommandContext(ctx, "/bin/app", words...)
	cmd.Dir, cmd.Env = "/", []string{"APP_DATA_DIR=/data"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser},
	}
	return cmd
}
