package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/db"
)

// stateFile keeps between runs what cannot be asked again, in a folder of the
// user's own: $XDG_STATE_HOME/lenzeye, else ~/.local/state/lenzeye.
type stateFile struct {
	path string // empty: there is no such folder, nothing is kept
}

// sendState is kept by `app send` for one link and one set of paths.
type sendState struct {
	Key         client.Key `json:"idempotency_key"`
	TransferID  string     `json:"transfer_id,omitempty"`
	UploadToken string     `json:"upload_token,omitempty"`
	// InputModified is the date that the standard input has in the transfer, so
	// that the same input is known again.
	InputModified *time.Time `json:"input_modified,omitempty"`
}

// getState is kept by `app get` for one download link, so that a second run
// neither asks for the code again nor counts as a second download.
type getState struct {
	AccessToken string `json:"access_token"`
}

// state finds the file of what is named, like a link and what goes to it.
func (inv *invocation) state(kind string, named ...string) stateFile {
	dir := inv.getenv("XDG_STATE_HOME")
	switch home := inv.getenv("HOME"); {
	case filepath.IsAbs(dir):
	case runtime.GOOS == "windows" && inv.getenv("LOCALAPPDATA") != "":
		dir = inv.getenv("LOCALAPPDATA")
	case home != "":
		dir = filepath.Join(home, ".local", "state")
	default:
		return stateFile{}
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(named, "\x00")))
	return stateFile{filepath.Join(dir, "lenzeye", kind+"-"+hex.EncodeToString(sum[:12])+".json")}
}

// lock keeps a second run of the same from working beside this one, where there
// is a folder for it. doing says what the other one does.
func (s stateFile) lock(doing string) (unlock func(), err error) {
	if s.path == "" {
		return func() {}, nil
	}
	lock, err := db.LockPath(strings.TrimSuffix(s.path, ".json") + ".lock")
	if errors.Is(err, db.ErrLocked) {
		return nil, userError{fmt.Errorf("another run %s right now: wait until it ends, or end it", doing)}
	}
	if err != nil {
		return nil, fmt.Errorf("keep what a later run needs: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil // the process ends next, and the lock with it
}

func (inv *invocation) getenv(name string) (value string) {
	for _, kv := range inv.env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v // as in a shell the last one counts
		}
	}
	return value
}

// load reads the file into v. ok is false when there is none; one that cannot
// be read is an error, for beginning anew would leave a transfer behind.
func (s stateFile) load(v any) (ok bool, err error) {
	if s.path == "" {
		return false, nil
	}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return false, fmt.Errorf("read what was kept of the last run in %s (delete it to begin anew): %w", s.path, err)
	}
	return true, nil
}

// orNone gives the file, or none where its folder cannot be written to, which it
// says with what that means.
func (s stateFile) orNone(say func(string, ...any), meaning string) stateFile {
	if s.path == "" {
		return s
	}
	dir := filepath.Dir(s.path)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, "new-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		say("%s cannot be written to (%v): %s", dir, reason(err), meaning)
		return stateFile{}
	}
	return s
}

// save writes v, for its owner only, so that a crash leaves the old or the new.
func (s stateFile) save(v any) error {
	if s.path == "" {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("keep what a later run needs: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), "new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep what a later run needs: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep what a later run needs: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// forget removes the file when all is done.
func (s stateFile) forget() error {
	if s.path == "" {
		return nil
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget what was kept for a later run: %w", err)
	}
	return nil
}
