package account

import (
	"context"
	"fmt"
)

// HasKeys tells whether anything is sealed under a master key yet.
func (s *Service) HasKeys(ctx context.Context) (bool, error) {
	var n int64
	if err := s.db.QueryRowContext(ctx, countSealedKeys).Scan(&n); err != nil {
		return false, fmt.Errorf("count keys: %w", err)
	}
	return n > 0, nil
}

// VerifyKeys opens one key of each kind under each master key version in use, so
// that a wrong master key shows at start and not at the first guest. Errors:
// ErrKeyUnavailable.
func (s *Service) VerifyKeys(ctx context.Context) error {
	samples, err := s.sampleKeys(ctx)
	if err != nil {
		return fmt.Errorf("verify keys: %w", err)
	}
	for _, k := range samples {
		if k.kind == keyCode {
			_, err = s.openCodeKey(ctx, k)
		} else {
			_, err = s.openPrivate(ctx, k)
		}
		if err != nil {
			return fmt.Errorf("verify keys: %w", err)
		}
	}
	return nil
}

func (s *Service) sampleKeys(ctx context.Context) (samples []keyRow, err error) {
	rows, err := s.db.QueryContext(ctx, sampleKeys)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k keyRow
		if err := rows.Scan(&k.kind, &k.ownerID, &k.id, &k.version, &k.suite, &k.public, &k.sealed, &k.master); err != nil {
			return nil, err
		}
		samples = append(samples, k)
	}
	return samples, rows.Err()
}

const countSealedKeys = `SELECT COUNT(*) FROM keys WHERE private_sealed IS NOT NULL`

const sampleKeys = `
SELECT kind, owner_id, id, version, suite, public, private_sealed, master_version FROM keys
WHERE id IN (SELECT MAX(id) FROM keys WHERE private_sealed IS NOT NULL GROUP BY kind, master_version)`
