package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// keyFile is where the local environment keeps its master keys.
const keyFile = "master.keys"

// masterKeys gives the ring of master keys. From the environment it stays as it
// is; from the local file it is read again when a row names a version that it
// lacks, since another command may have added one.
type masterKeys struct {
	path string // empty: from the environment

	mu   sync.Mutex
	ring *seal.Ring
}

// errNoMasterKeys means that there is no key file.
var errNoMasterKeys = errors.New("there are no master keys")

// openMasterKeys reads the keys. Without any it is errNoMasterKeys, and the
// caller may make the first with makeMasterKeys.
func openMasterKeys(cfg *config.Config) (*masterKeys, error) {
	if name := givenKeys(cfg); name != "" {
		ring, err := seal.ParseRing(cmp.Or(cfg.MasterKeys.Reveal(), cfg.MasterKey.Reveal()))
		if err != nil {
			return nil, userError{fmt.Errorf("%s: %w", name, err)}
		}
		return &masterKeys{ring: ring}, nil
	}
	m := &masterKeys{path: filepath.Join(cfg.Data.Dir, keyFile)}
	return m, m.read()
}

// givenKeys is the name by which settings give master keys, "" where they do not.
func givenKeys(cfg *config.Config) string {
	switch {
	case cfg.MasterKeys.IsSet():
		return cfg.NameOf("master_keys")
	case cfg.MasterKey.IsSet():
		return cfg.NameOf("master_key")
	}
	return ""
}

func (m *masterKeys) read() error {
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoMasterKeys
	}
	if err != nil {
		return userError{fmt.Errorf("read master keys: %w", err)}
	}
	info, err := os.Stat(m.path)
	if err != nil {
		return userError{fmt.Errorf("read master keys: %w", err)}
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return userError{fmt.Errorf("%s can be read by others than its owner: chmod 600 it, and think about who may have read it", m.path)}
	}
	ring, err := seal.ParseRing(string(text))
	if err != nil {
		return userError{fmt.Errorf("%s: %w", m.path, err)}
	}
	m.ring = ring
	return nil
}

// get is account.Options.Ring.
func (m *masterKeys) get(_ context.Context, version uint32) (*seal.Ring, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.path != "" && (m.ring == nil || version != 0 && !m.ring.Has(version)) {
		if err := m.read(); err != nil {
			return nil, err
		}
	}
	return m.ring, nil
}

// make writes the first key, durably and for its owner only, before anything is
// sealed under it.
func (m *masterKeys) make() error {
	key, err := seal.GenerateMaster(rand.Reader)
	if err != nil {
		return err
	}
	text := "# Master keys of Lenzeye. Losing this file loses every file that was sent.\n" +
		seal.FormatEntry(seal.MasterKey{Version: 1, Key: key}) + "\n"
	if err := writeOnce(m.path, []byte(text)); err != nil {
		return fmt.Errorf("write master keys: %w", err)
	}
	return m.read()
}

// writeOnce makes a file that survives a power loss, whole or not at all, and
// never touches one that is there.
func writeOnce(path string, content []byte) (err error) {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-*") // for its owner only
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
