package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	rotations       = "rotations"
	mastersReplaced = "master keys replaced"
	keysLeft        = "keys left under old keys"
)

// rotator replaces master and account keys, as an operator does, beside the
// program and through everything that happens to it. One process has its master
// keys from a file; several have theirs from the environment, by one deploy after
// another.
type rotator struct {
	run    *run
	random *mathrand.Rand
	newest int
	step   int // of several processes
}

func newRotator(r *run) *rotator {
	return &rotator{run: r, random: mathrand.New(mathrand.NewPCG(r.plan.seed, 4)), newest: 1}
}

// rotate goes on until ctx ends.
func (k *rotator) rotate(ctx context.Context) error {
	for n := 0; rest(ctx, 200*time.Millisecond+mathrand.N(time.Second)); n++ {
		switch {
		case n%2 == 1:
			_ = k.attempt(ctx, "keys", "rotate", "account", "--all")
		case k.run.plan.fleet():
			k.advance(ctx)
		default:
			if err := k.addMaster(); err != nil {
				return err
			}
			if k.attempt(ctx, "keys", "rotate", "master") == nil {
				k.run.book.add(mastersReplaced, 1)
			}
		}
	}
	return nil
}

// attempt runs a command. Half of them are killed at a random moment, and others
// meet a database that is away: the next one goes on.
func (k *rotator) attempt(ctx context.Context, words ...string) error {
	limit := 20 * time.Second
	if k.random.IntN(2) == 0 {
		limit = time.Duration(k.random.Int64N(int64(time.Second)))
	}
	err := k.command(ctx, limit, words...)
	if err != nil {
		k.run.book.fault("rotation cut")
		return err
	}
	k.run.book.add(rotations, 1)
	return nil
}

func (k *rotator) command(ctx context.Context, limit time.Duration, words ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit) // its end kills
	defer cancel()
	out, err := k.run.app.command(ctx, nil, words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("app %s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

func (k *rotator) file() string { return filepath.Join(k.run.app.data(), "master.keys") }

// addMaster puts a new master key on the first line.
func (k *rotator) addMaster() error {
	old, err := os.ReadFile(k.file())
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	k.newest++
	return k.write(fmt.Sprintf("%d:%s\n%s", k.newest, hex.EncodeToString(key), old))
}

func (k *rotator) write(text string) error {
	next := k.file() + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, k.file())
}

// finish rotates to the end when all is well, and drops every master key but the
// newest: the lives that follow have that alone.
func (k *rotator) finish(ctx context.Context) error {
	if k.run.plan.fleet() {
		if err := k.complete(ctx); err != nil {
			return err
		}
	}
	for _, words := range [][]string{
		{"keys", "rotate", "master"}, {"keys", "rotate", "account", "--all"}, {"keys", "rotate", "account", "--all"}, {"keys", "status"},
	} {
		if err := k.command(ctx, time.Minute, words...); err != nil {
			return err
		}
		k.run.book.add(rotations, 1)
	}
	if err := k.auditKeys(ctx); err != nil {
		return fmt.Errorf("look for old keys: %w", err)
	}
	if k.run.plan.fleet() {
		return nil
	}
	all, err := os.ReadFile(k.file())
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(all), "\n")
	return k.write(first + "\n")
}

func (k *rotator) auditKeys(ctx context.Context) error {
	db, err := k.run.rows.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var seen int
	err = each(ctx, db, `SELECT id, master_version, state FROM keys`, func(scan func(...any) error) error {
		var id, state string
		var master int
		err := scan(&id, &master, &state)
		seen++
		if master != k.newest || state != "active" {
			k.run.book.wrong(keysLeft, 1, "%s is %s, under master key version %d and not %d", id, state, master, k.newest)
		}
		return err
	})
	if err == nil && seen == 0 {
		err = errors.New("there are no keys, so this proves nothing")
	}
	return err
}
