package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// addFile writes a transfer and a file without content, with a key of f.
func (f *fixture) addFile(t *testing.T, accountID string) (fileID string, key seal.Key) {
	t.Helper()
	sealer, err := f.NewFileKeys(t.Context(), accountID)
	if err != nil {
		t.Fatal(err)
	}
	fileID = db.NewID()
	key, keyID, sealed, err := sealer.New(fileID)
	if err != nil {
		t.Fatal(err)
	}
	f.insertFile(t, accountID, fileID)
	if err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
		return f.InsertFileKey(ctx, tx, fileID, keyID, sealed)
	}); err != nil {
		t.Fatal(err)
	}
	return fileID, key
}

func (f *fixture) insertFile(t *testing.T, accountID, fileID string) {
	t.Helper()
	transfer := db.NewID()
	f.exec(t, `INSERT INTO transfers (id, account_id, state, upload_token_hash, last_part_at, created_at, expires_at)
		VALUES ($1, $2, 'receiving', $3, 0, 0, 0)`, transfer, accountID, HashSecret(transfer))
	f.exec(t, `INSERT INTO files (id, transfer_id, account_id, position, path, path_key, size, part_size, part_count, state, format, sealing, created_at)
		VALUES ($1, $2, $3, 0, 'a', $4, 0, 0, 0, 'stored', 1, 'server', 0)`, fileID, transfer, accountID, []byte("a"))
}

// forget empties the cache, as a restart does.
func (f *fixture) forget() { f.fileKeys = newKeyCache() }

func TestFileKeyComesBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id, other := f.create(t, "a@example.com"), f.create(t, "b@example.com")
		file, want := f.addFile(t, id)
		second, wantSecond := f.addFile(t, id)
		if want == wantSecond {
			t.Error("two files have one key")
		}
		for range 2 { // from the database, then from the cache
			for file, want := range map[string]seal.Key{file: want, second: wantSecond} {
				if got, err := f.FileKey(t.Context(), file, id); err != nil || got != want {
					t.Errorf("FileKey: %v, the key made: %v", err, got == want)
				}
			}
			if _, err := f.FileKey(t.Context(), file, other); !errors.Is(err, ErrShredded) {
				t.Errorf("another account's key: %v, want ErrShredded", err)
			}
			for _, unknown := range []string{db.NewID(), "", "\xff"} {
				if _, err := f.FileKey(t.Context(), unknown, id); !errors.Is(err, ErrShredded) {
					t.Errorf("key of file %q: %v, want ErrShredded", unknown, err)
				}
			}
		}
	})
}

func TestMovedFileKeyDoesNotOpen(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := f.create(t, "a@example.com")
		file, _ := f.addFile(t, id)
		foreign := db.NewID()
		f.insertFile(t, id, foreign)
		f.exec(t, `UPDATE file_keys SET file_id = $2 WHERE file_id = $1`, file, foreign)
		if _, err := f.FileKey(t.Context(), foreign, id); !errors.Is(err, ErrKeyUnavailable) || !errors.Is(err, seal.ErrKeyDamaged) {
			t.Errorf("a key moved to another file: %v", err)
		}
	})
}

// A public half swapped in the row must not get a file key sealed to it.
func TestSealsToTheHalfThatWasOpened(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id, thief := f.create(t, "a@example.com"), f.create(t, "thief@example.com")
		keys, err := f.PublicKeys(t.Context(), thief)
		if err != nil {
			t.Fatal(err)
		}
		f.exec(t, `UPDATE keys SET public = $2 WHERE owner_id = $1`, id, keys[0].Public)
		file, want := f.addFile(t, id)
		if got, err := f.FileKey(t.Context(), file, id); err != nil || got != want {
			t.Errorf("the key does not open with the account's own half: %v", err)
		}
	})
}

func TestWithoutTheMasterKeyIsUnavailable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		file, want := f.addFile(t, id)
		hash, version, err := f.HashCode(ctx, "K7QM2XW9")
		if err != nil {
			t.Fatal(err)
		}
		for what, ring := range map[string]string{
			"another version":              "2:" + hexTwo,
			"another key, the same number": "1:" + hexTwo,
			"none to be read":              "",
		} {
			f.ring.set(ring)
			f.forget()
			_, fileErr := f.FileKey(ctx, file, id)
			_, sealerErr := f.NewFileKeys(ctx, id)
			_, checkErr := f.CheckCode(ctx, "K7QM2XW9", hash, version)
			_, _, hashErr := f.HashCode(ctx, "K7QM2XW9")
			for call, err := range map[string]error{"FileKey": fileErr, "NewFileKeys": sealerErr, "CheckCode": checkErr, "HashCode": hashErr} {
				if !errors.Is(err, ErrKeyUnavailable) || strings.Contains(err.Error(), hexTwo) || strings.Contains(err.Error(), hexOne) {
					t.Errorf("%s: %s: %v, want ErrKeyUnavailable without a key in it", what, call, err)
				}
			}
		}
		f.ring.set(ringBoth) // the next deploy
		if got, err := f.FileKey(ctx, file, id); err != nil || got != want {
			t.Errorf("with the master key back: %v", err)
		}
		if ok, err := f.CheckCode(ctx, "K7QM2XW9", hash, version); !ok || err != nil {
			t.Errorf("code with the master key back: %v, %v", ok, err)
		}
	})
}

func TestShreddedWithinTheCacheTime(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		file, _ := f.addFile(t, id)
		if _, err := f.FileKey(ctx, file, id); err != nil {
			t.Fatal(err)
		}
		f.exec(t, `UPDATE keys SET private_sealed = NULL, state = 'destroyed' WHERE owner_id = $1`, id)
		if _, err := f.NewFileKeys(ctx, id); !errors.Is(err, ErrShredded) {
			t.Errorf("NewFileKeys: %v, want ErrShredded", err)
		}
		f.clock.advance(cacheTime)
		if _, err := f.FileKey(ctx, file, id); !errors.Is(err, ErrShredded) {
			t.Errorf("FileKey after %s: %v, want ErrShredded", cacheTime, err)
		}
	})
}

// During a rotation a file has a key under two versions, and an account two
// keys, of which one seals.
func TestRotatingAccountKey(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		file, want := f.addFile(t, id)
		next, err := f.newAccountKey(ctx, id, 2)
		if err != nil {
			t.Fatal(err)
		}
		f.exec(t, `UPDATE keys SET state = 'retiring' WHERE owner_id = $1`, id)
		if err := f.tx(t, func(ctx context.Context, tx db.Querier) error { return insertKeyRow(ctx, tx, next) }); err != nil {
			t.Fatal(err)
		}
		keys, err := f.PublicKeys(ctx, id)
		if err != nil || len(keys) != 1 || keys[0].Version != 2 {
			t.Errorf("PublicKeys = %+v, %v; want version 2 alone", keys, err)
		}
		newFile, wantNew := f.addFile(t, id)
		f.forget()
		for file, want := range map[string]seal.Key{file: want, newFile: wantNew} {
			if got, err := f.FileKey(ctx, file, id); err != nil || got != want {
				t.Errorf("FileKey: %v", err)
			}
		}
	})
}

func TestKeyCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	c := newKeyCache()
	id := func(i int) cacheID { return cacheID{"a", fmt.Sprint(i)} }
	for i := range 3 * cacheSize {
		c.put(id(i), seal.Key{byte(i), byte(i >> 8)}, now.Add(time.Duration(i)))
	}
	if len(c.entries) != cacheSize || c.order.Len() != cacheSize {
		t.Errorf("%d entries and %d in order, want %d", len(c.entries), c.order.Len(), cacheSize)
	}
	if _, ok := c.get(id(0), now); ok {
		t.Error("the oldest entry is still there")
	}
	last := 3*cacheSize - 1
	if key, ok := c.get(id(last), now); !ok || key != (seal.Key{byte(last), byte(last >> 8)}) {
		t.Error("the newest entry is not there, or another's")
	}
	if _, ok := c.get(cacheID{"b", fmt.Sprint(last)}, now); ok {
		t.Error("another account gets the entry")
	}
	c.put(id(last), seal.Key{1}, now)
	if key, _ := c.get(id(last), now); key != (seal.Key{1}) || c.order.Len() != cacheSize {
		t.Error("putting an entry again does not replace it")
	}
	c.dropEnded(now.Add(cacheTime + time.Hour))
	if len(c.entries) != 0 || c.order.Len() != 0 {
		t.Errorf("%d entries outlive their time", len(c.entries))
	}
}

func TestCodeHash(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		hash, version, err := f.HashCode(ctx, "K7QM2XW9")
		if err != nil || version != 1 {
			t.Fatalf("HashCode: version %d, %v", version, err)
		}
		for code, want := range map[string]bool{"K7QM2XW9": true, "K7QM2XW8": false, "": false, "K7QM2XW9 ": false} {
			if ok, err := f.CheckCode(ctx, code, hash, version); ok != want || err != nil {
				t.Errorf("CheckCode(%q) = %v, %v; want %v", code, ok, err, want)
			}
		}
		if ok, err := f.CheckCode(ctx, "K7QM2XW9", nil, version); ok || err != nil {
			t.Errorf("CheckCode of no hash = %v, %v", ok, err)
		}
		if _, err := f.CheckCode(ctx, "K7QM2XW9", hash, 2); !errors.Is(err, ErrShredded) {
			t.Errorf("a version that is not there: %v, want ErrShredded", err)
		}
		if bytes.Contains(hash, []byte("K7QM2XW9")) {
			t.Error("the hash shows the code")
		}
	})
}

// Two handles on one database share nothing else, as two processes do.
func TestOneCodeKeyOfManyProcesses(t *testing.T) {
	t.Parallel()
	for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			opts := testenv.Database(t, engine)
			processes := make([]*fixture, 4)
			for i := range processes {
				processes[i] = newFixture(testenv.Open(t, opts))
			}
			keys := make([]seal.CodeKey, 16)
			count(t, atOnce(len(keys), func(i int) (err error) {
				keys[i], _, err = processes[i%len(processes)].CodeKey(t.Context())
				return err
			}), nil)
			for i, key := range keys {
				if key != keys[0] || key == (seal.CodeKey{}) {
					t.Fatalf("call %d got another key", i)
				}
			}
			var rows int
			if err := processes[0].db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM keys`).Scan(&rows); err != nil || rows != 1 {
				t.Errorf("%d key rows (%v), want 1", rows, err)
			}
		})
	}
}

func TestSealedSecret(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		plain := []byte("what the mail says")
		var sealed []byte
		var version uint32
		// The first use of the code key may be inside a transaction that does
		// not stand. Nothing of it may be remembered.
		stop := errors.New("stop")
		for _, outcome := range []error{stop, nil} {
			err := f.tx(t, func(ctx context.Context, tx db.Querier) (err error) {
				if sealed, version, err = f.SealSecret(ctx, tx, "mail/1", plain); err != nil {
					return err
				}
				return outcome
			})
			if !errors.Is(err, outcome) {
				t.Fatal(err)
			}
		}
		if bytes.Contains(sealed, plain[:8]) {
			t.Error("the sealed secret shows what it says")
		}
		if got, err := f.OpenSecret(ctx, "mail/1", sealed, version); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("OpenSecret = %q, %v", got, err)
		}
		if _, err := f.OpenSecret(ctx, "mail/2", sealed, version); !errors.Is(err, seal.ErrKeyDamaged) {
			t.Errorf("under another label: %v", err)
		}
		if _, err := f.OpenSecret(ctx, "mail/1", sealed, 7); !errors.Is(err, ErrShredded) {
			t.Errorf("under a version that is not there: %v", err)
		}
		f.exec(t, `UPDATE keys SET private_sealed = NULL, state = 'destroyed'`)
		if _, err := f.OpenSecret(ctx, "mail/1", sealed, version); !errors.Is(err, ErrShredded) {
			t.Errorf("after the key was destroyed: %v", err)
		}
	})
}
