package account

import (
	"container/list"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// FileSealer makes file keys for one account. It is made for one declare and
// not kept, so that a key that retires or is destroyed seals nothing new.
type FileSealer struct {
	keyID  string
	public []byte
	rand   io.Reader
}

// NewFileKeys opens the account's active key once, for any number of files.
// The public half is derived from the private half just opened, not taken from
// the row, which whoever can write the database could swap. Call it before the
// transaction. Errors: ErrShredded when the account has no key any more,
// ErrKeyUnavailable.
func (s *Service) NewFileKeys(ctx context.Context, accountID string) (*FileSealer, error) {
	row, err := readKey(s.db.QueryRowContext(ctx, activeKey, keyAccount, accountID), keyAccount, accountID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("account %s: %w", accountID, ErrShredded)
	}
	if err != nil {
		return nil, err
	}
	private, err := s.openPrivate(ctx, row)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	public, err := seal.PublicOf(private)
	if err != nil {
		return nil, unavailable(row, err)
	}
	return &FileSealer{keyID: row.id, public: public, rand: s.rand}, nil
}

// New makes the key of a file, and that key sealed to the account for
// InsertFileKey. It takes about 0.1 ms and no I/O.
func (f *FileSealer) New(fileID string) (key seal.Key, keyID string, sealed []byte, err error) {
	id, err := db.IDBytes(fileID)
	if err != nil {
		return seal.Key{}, "", nil, fmt.Errorf("make a file key: %w", err)
	}
	key, err = seal.NewKey(f.rand)
	if err != nil {
		return seal.Key{}, "", nil, fmt.Errorf("file %s: %w", fileID, err)
	}
	sealed, err = seal.SealFileKey(f.public, id, key)
	if err != nil {
		return seal.Key{}, "", nil, fmt.Errorf("file %s: %w", fileID, err)
	}
	return key, f.keyID, sealed, nil
}

// InsertFileKey writes a sealed file key beside the file's row.
func (s *Service) InsertFileKey(ctx context.Context, tx db.Querier, fileID, keyID string, sealed []byte) error {
	if _, err := tx.ExecContext(ctx, insertFileKey, fileID, keyID, sealed); err != nil {
		return fmt.Errorf("write the key of file %s: %w", fileID, err)
	}
	return nil
}

// FileKey returns the key of a file of the account, from the cache or the
// database. A key that was destroyed may answer for 60 seconds more. Whether
// the file may be read at all is the caller's to know. Errors: ErrShredded when
// no key of the account opens the file any more, ErrKeyUnavailable.
func (s *Service) FileKey(ctx context.Context, fileID, accountID string) (seal.Key, error) {
	id := cacheID{accountID, fileID}
	if key, ok := s.fileKeys.get(id, s.now()); ok {
		return key, nil
	}
	key, err := s.loadFileKey(ctx, fileID, accountID)
	if err != nil {
		return seal.Key{}, fmt.Errorf("key of file %.40q: %w", fileID, err)
	}
	s.fileKeys.put(id, key, s.now())
	return key, nil
}

func (s *Service) loadFileKey(ctx context.Context, fileID, accountID string) (seal.Key, error) {
	file, err := db.IDBytes(fileID)
	if err != nil {
		return seal.Key{}, ErrShredded // no such file, so no key of it either
	}
	row := keyRow{kind: keyAccount, ownerID: accountID}
	var sealed []byte
	err = s.db.QueryRowContext(ctx, fileKey, fileID, accountID).
		Scan(&sealed, &row.id, &row.version, &row.suite, &row.public, &row.sealed, &row.master)
	if errors.Is(err, sql.ErrNoRows) {
		return seal.Key{}, ErrShredded
	}
	if err != nil {
		return seal.Key{}, err
	}
	private, err := s.openPrivate(ctx, row)
	if err != nil {
		return seal.Key{}, err
	}
	defer clear(private)
	key, err := seal.OpenFileKey(private, file, sealed)
	if err != nil {
		return seal.Key{}, unavailable(row, err)
	}
	return key, nil
}

const (
	cacheSize = 1024
	cacheTime = 60 * time.Second
)

type cacheID struct{ accountID, fileID string }

// cachedKey is an opened file key. Rotation seals the same file key to another
// account key, so the entry holds under every version of that.
type cachedKey struct {
	id    cacheID
	key   seal.Key
	until time.Time
}

// keyCache holds opened file keys. Every entry lives equally long and is not
// renewed by use, so the order of arrival is the order of ending too.
type keyCache struct {
	mu      sync.Mutex
	entries map[cacheID]*list.Element
	order   *list.List // of *cachedKey, oldest in front
}

func newKeyCache() *keyCache {
	return &keyCache{entries: map[cacheID]*list.Element{}, order: list.New()}
}

func (c *keyCache) get(id cacheID, now time.Time) (seal.Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok {
		return seal.Key{}, false
	}
	k := e.Value.(*cachedKey)
	if !now.Before(k.until) {
		c.drop(e)
		return seal.Key{}, false
	}
	return k.key, true
}

func (c *keyCache) put(id cacheID, key seal.Key, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[id]; ok {
		c.drop(e)
	}
	if c.order.Len() >= cacheSize {
		c.drop(c.order.Front())
	}
	c.entries[id] = c.order.PushBack(&cachedKey{id: id, key: key, until: now.Add(cacheTime)})
}

// dropEnded takes keys out of memory whose time is over.
func (c *keyCache) dropEnded(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = c.order.Front() {
		if now.Before(e.Value.(*cachedKey).until) {
			return
		}
		c.drop(e)
	}
}

func (c *keyCache) drop(e *list.Element) {
	k := e.Value.(*cachedKey)
	clear(k.key[:])
	delete(c.entries, k.id)
	c.order.Remove(e)
}
