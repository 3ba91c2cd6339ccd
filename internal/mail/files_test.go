package mail

import (
	"bytes"
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func queueing(f *fixture, m Message, id *string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) (err error) {
		*id, err = f.Queue(ctx, tx, m)
		return err
	}
}

func envelope(id string) Envelope {
	return Envelope{ID: id, Key: "key-" + id, MessageID: id + "@studio.example", From: "mail@studio.example", To: "guest@example.com",
		Subject: "Received", Text: "text\n", HTML: "<p>html</p>\n", Date: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
}

func TestFilesAreWholeAndPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "mail")
	var log bytes.Buffer
	f, err := OpenFiles(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	// What a crash in the middle of an earlier try left.
	if err := os.WriteFile(filepath.Join(dir, ".1.eml.tmp"), bytes.Repeat([]byte("x"), 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := compose(envelope("1"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one after a lost answer
		if err := f.Send(t.Context(), envelope("1")); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "1.eml"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("file (%v):\n%s", err, got)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v, %v; want the one message", entries, err)
	}
	for name, perm := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "1.eml"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != perm {
			t.Errorf("%s: %v, %v; want %o", name, info.Mode(), err, perm)
		}
	}
	if !strings.Contains(log.String(), "subject=Received") {
		t.Errorf("log: %s", log.String())
	}
}

func TestFilesRefuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := OpenFiles(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Send(t.Context(), envelope("../outside")); err == nil {
		t.Error("a message was written outside of the folder")
	}
	e := envelope("2")
	e.To = "nobody"
	if err := f.Send(t.Context(), e); err == nil {
		t.Error("a message without an address was written")
	}
	if err := os.Mkdir(filepath.Join(dir, "3.eml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), envelope("3")); err == nil {
		t.Error("a name that cannot be taken is no error")
	}
	blocked := filepath.Join(dir, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFiles(filepath.Join(blocked, "mail"), nil); err == nil {
		t.Error("a folder below a file is no error")
	}
}
