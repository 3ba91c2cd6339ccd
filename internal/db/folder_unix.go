//go:build !windows

package db

import (
	"errors"
	"os"
)

// syncFolder makes the names in a folder outlive a loss of power.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
