package account

import (
	"context"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// KeyInfo is what may be shown of a key.
type KeyInfo struct {
	ID        string
	Kind      string // account or code
	AccountID string // "" of a code key
	Version   uint32
	Master    uint32 // version of the master key that seals it
	State     string // active, retiring or destroyed
	Files     int64  // file keys sealed to it
	CreatedAt time.Time
}

// Keys gives what may be shown of every key, newest first, and the cursor of the
// next page, "" at the end. Errors: ErrCursor.
func (s *Service) Keys(ctx context.Context, p Page) ([]KeyInfo, string, error) {
	return pageOf(ctx, s.db, p, keysPage, nil, scanKeyInfo, func(k KeyInfo) string { return k.ID })
}

func scanKeyInfo(row scanner) (KeyInfo, error) {
	var k KeyInfo
	var created int64
	err := row.Scan(&k.ID, &k.Kind, &k.AccountID, &k.Version, &k.Master, &k.State, &created, &k.Files)
	k.CreatedAt = db.Time(created)
	return k, err
}

// MasterUse is what lies under one version of the master key.
type MasterUse struct {
	Version uint32
	Held    bool  // this process has it
	Seals   bool  // new keys are sealed under it here
	Keys    int64 // that are sealed under it
	Failed  int64 // of these, such that do not open here
	Reason  error // why the first of them does not
}

// MasterUses opens every key and tells how many lie under each version of the
// master key, with the versions that this process holds and nothing uses. It
// takes about 0.1 ms a key. Errors: ErrKeyUnavailable when there are no master
// keys here.
func (s *Service) MasterUses(ctx context.Context) ([]MasterUse, error) {
	ring, err := s.ring(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	var uses []MasterUse
	at := map[uint32]int{}
	of := func(version uint32) *MasterUse {
		if _, ok := at[version]; !ok {
			at[version] = len(uses)
			uses = append(uses, MasterUse{Version: version, Held: ring.Has(version), Seals: version == ring.Current()})
		}
		return &uses[at[version]]
	}
	for _, version := range ring.Versions() {
		of(version)
	}
	for after := ""; ; {
		keys, err := s.sealedKeys(ctx, allSealedKeys, after, rotateBatch)
		if err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			return uses, nil
		}
		after = keys[len(keys)-1].id
		for _, k := range keys {
			use := of(k.master)
			use.Keys++
			if err := s.tryKey(ctx, k); err != nil {
				if use.Failed == 0 {
					use.Reason = err
				}
				use.Failed++
			}
		}
	}
}

// tryKey opens a key and forgets it.
func (s *Service) tryKey(ctx context.Context, k keyRow) error {
	if k.kind == keyCode {
		_, err := s.openCodeKey(ctx, k)
		return err
	}
	private, err := s.openPrivate(ctx, k)
	clear(private)
	return err
}

const keysPage = `
SELECT k.id, k.kind, k.owner_id, k.version, k.master_version, k.state, k.created_at,
  (SELECT COUNT(*) FROM file_keys f WHERE f.key_id = k.id)
FROM keys k
WHERE k.id < $1
ORDER BY k.id DESC LIMIT $2`

const allSealedKeys = `
SELECT ` + sealedKeyColumns + ` FROM keys
WHERE private_sealed IS NOT NULL AND id > $1
ORDER BY id LIMIT $2`
