package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// Files is the driver that writes messages into a folder, for a studio without
// a mail server and for development. Any mail program opens them.
type Files struct {
	root *os.Root
	log  *slog.Logger
}

// OpenFiles opens the folder dir and makes it, for its owner only, if there is
// none. log may be nil.
func OpenFiles(dir string, log *slog.Logger) (*Files, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make mail folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open mail folder: %w", err)
	}
	return &Files{root: root, log: log}, nil
}

// Close gives the folder back.
func (f *Files) Close() error { return f.root.Close() }

// Send writes <id>.eml, readable by its owner only, and logs a code that is in
// it. When it returns nil the
// file is whole and on disk; a repeat replaces it by the same bytes, and a
// crash leaves no half of it under that name.
func (f *Files) Send(ctx context.Context, e Envelope) error {
	message, err := compose(e)
	if err != nil {
		return err
	}
	name := e.ID + ".eml"
	if err := f.write(name, message); err != nil {
		return fmt.Errorf("write mail %s: %w", e.ID, err)
	}
	attrs := []slog.Attr{slog.String("file", name), slog.String("subject", e.Subject)}
	if e.Code != "" { // who runs this has no mail server to look into
		attrs = append(attrs, slog.String("code", e.Code))
	}
	f.log.LogAttrs(ctx, slog.LevelInfo, "mail_written", attrs...)
	return nil
}

// write needs no name of its own for the temporary file: the lease of a message
// keeps a second writer away, and what a crash left is written over.
func (f *Files) write(name string, content []byte) error {
	temporary := "." + name + ".tmp"
	file, err := f.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, f.root.Remove(temporary))
	}
	if err := f.root.Rename(temporary, name); err != nil {
		return err
	}
	return f.syncFolder()
}

// syncFolder makes the new name last through a power loss.
func (f *Files) syncFolder() error {
	folder, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
