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
	samples, err := s.sealedKeys(ctx, sampleKeys)
	if err != nil {
		return fmt.Errorf("verify keys: %w", err)
	}
	for _, k := range samples {
		if err := s.tryKey(ctx, k); err != nil {
			return fmt.Errorf("verify keys: %w", err)
		}
	}
	return nil
}

const countSealedKeys = `SELECT COUNT(*) FROM keys WHERE private_sealed IS NOT NULL`

const sampleKeys = `
SELECT ` + sealedKeyColumns + ` FROM keys
WHERE id IN (SELECT MAX(id) FROM keys WHERE private_sealed IS NOT NULL GROUP BY kind, master_version)`
