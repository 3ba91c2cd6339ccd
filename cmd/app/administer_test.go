package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
)

// seededFolder is a studio in a folder, and the accounts in it.
func seededFolder(t *testing.T, emails ...string) (o operator, accounts map[string]accountView) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	o = operator{env: []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + dir, "APP_STORAGE_MIN_FREE=0"}, opts: db.Options{Path: filepath.Join(dir, "app.db")}}
	accounts = map[string]accountView{}
	for _, email := range emails {
		name, _, _ := strings.Cut(email, "@")
		o.does(t, exitOK, "seed", "--email", email, "--slug", name)
		accounts[email] = o.shows(t, email)
	}
	return o, accounts
}

func (o operator) shows(t *testing.T, word string) (v accountView) {
	t.Helper()
	code, out, stderr := call(t, o.env, "account", "show", word, "--json")
	if err := json.Unmarshal([]byte(out), &v); code != exitOK || err != nil {
		t.Fatalf("show %s: exit %d, %v, %s", word, code, err, stderr)
	}
	return v
}

// noticed calls a function when a text was written.
type noticed struct {
	text string
	then func()
	safeBuffer
}

// Write keeps p.
func (n *noticed) Write(p []byte) (int, error) {
	k, err := n.safeBuffer.Write(p)
	if strings.Contains(n.String(), n.text) {
		n.then()
	}
	return k, err
}

// TestInterruptedDeleteIsFinished interrupts an account's delete when it has said
// what goes: what must not stop half-way does not.
func TestInterruptedDeleteIsFinished(t *testing.T) {
	t.Parallel()
	o, accounts := seededFolder(t, "carl@example.com")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out safeBuffer
	errs := &noticed{text: "Nobody will read these files again.", then: interrupt}
	code := run(ctx, []string{"account", "delete", "carl@example.com", "--yes"}, o.env, stdio{in: strings.NewReader(""), out: &out, err: errs})
	if ctx.Err() == nil || code != exitOK || !strings.Contains(out.String(), "its keys are destroyed") {
		t.Errorf("exit %d, %s%s", code, out.String(), errs)
	}
	if v := o.shows(t, accounts["carl@example.com"].ID); v.State != account.StateDeleted || v.Used != 0 {
		t.Errorf("%+v", v)
	}
}

// TestRotationOfSeveralFailures: where one account fails for our reasons, that
// another was deleted does not make it the caller's mistake.
func TestRotationOfSeveralFailures(t *testing.T) {
	t.Parallel()
	o, accounts := seededFolder(t, "anna@example.com", "ben@example.com", "carl@example.com")
	ben, carl := accounts["ben@example.com"].ID, accounts["carl@example.com"].ID
	o.does(t, exitOK, "account", "delete", "carl@example.com", "--yes")
	says(t, o.does(t, exitUser, "keys", "rotate", "account", "anna@example.com", carl), "account "+carl+" is deleted")
	p := o.opens(t)
	r, renewed, err := (&invocation{io: stdio{err: &safeBuffer{}}}).rotateAccounts(t.Context(), p,
		chosenAccounts{all: []account.Account{{ID: carl}, {ID: ben}}})
	if err != nil || renewed != 1 || r.Done == 0 {
		t.Errorf("one that went meanwhile: %+v, %d, %v", r, renewed, err)
	}
	o.does(t, exitOK, "account", "create", "dora@example.com", "--name", "Dora") // whose key a start tries, since it is the latest
	o.executes(t, `UPDATE keys SET state = 'retiring', private_sealed = X'00' WHERE owner_id = '`+ben+`' AND state = 'active'`)
	said := o.does(t, exitOurs, "keys", "rotate", "account", carl, ben)
	says(t, said, "account "+carl+" is deleted", "rotate the key of account "+ben)
}

// opens gives the parts of a command.
func (o operator) opens(t *testing.T) *parts {
	t.Helper()
	return o.opensAs(t, role{})
}

// opensAs gives those of another process.
func (o operator) opensAs(t *testing.T, r role) *parts {
	t.Helper()
	cfg, err := config.Load(config.Source{Environ: o.env, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.close() })
	return p
}

// TestRestoreIsAlone: a restore and another command on the same database keep each
// other out.
func TestRestoreIsAlone(t *testing.T) {
	t.Parallel()
	o, _ := seededFolder(t, "anna@example.com")
	backup := filepath.Join(t.TempDir(), "lenzeye.db")
	o.does(t, exitOK, "backup", backup)
	p := o.opens(t)
	says(t, o.does(t, exitUser, "restore", "--yes", backup), "another command has the database open")
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	alone, err := db.LockAlone(o.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"account", "create", "ben@example.com", "--name", "Ben"}, {"keys", "rotate", "master"}, {"serve"}, {"migrate", "version"}, {"backup", backup, "--yes"}} {
		says(t, o.does(t, exitUser, args...), "app restore puts another database in its place")
	}
	if err := alone.Unlock(); err != nil {
		t.Fatal(err)
	}
	o.does(t, exitOK, "restore", "--yes", backup)
	o.shows(t, "anna@example.com")
}
