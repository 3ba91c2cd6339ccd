//go:build !unix

package testenv

import (
	"errors"
	"os"
	"syscall"
)

var errPlatform = errors.New("testenv starts its servers on Unix systems only")

type account struct{}

func unprivileged(string) (account, error) { return account{}, errPlatform }

func (account) give(string) error { return errPlatform }

func (account) attributes() *syscall.SysProcAttr { return nil }

func lockFile(*os.File) error { return errPlatform }
