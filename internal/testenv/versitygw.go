package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
)

const versitygwPackage = "github.com/versity/versitygw"

// versitygw builds the S3 server once for this machine and keeps it in the
// user's cache folder, under its version. The server is started from a binary of
// its own, and not by go run, so that its process is the one that is ended.
func versitygw() (path string, err error) {
	module, err := root()
	if err != nil {
		return "", err
	}
	modfile := filepath.Join(module, "scripts", "tools", "go.mod")
	text, err := os.ReadFile(modfile)
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(regexp.QuoteMeta(versitygwPackage) + ` (v[0-9][^\s]*)`).FindSubmatch(text)
	if version == nil {
		return "", fmt.Errorf("%s does not name a version of %s", modfile, versitygwPackage)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "lenzeye")
	path = filepath.Join(cache, fmt.Sprintf("versitygw-%s-%s-%s", version[1], runtime.GOOS, runtime.GOARCH))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	return path, buildVersitygw(modfile, path)
}

// buildVersitygw lets one process build while the others wait for it.
func buildVersitygw(modfile, path string) (err error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := lockFile(lock); err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", path+".new", versitygwPackage+"/cmd/versitygw")
	cmd.Dir = filepath.Dir(modfile)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build versitygw: %w\n%s", err, out)
	}
	return os.Rename(path+".new", path)
}
