package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// Small secrets (private halves, code keys, mail variables) are sealed in one
// piece: AES-256-GCM with a random 96-bit nonce in front. Few are sealed under
// any one key, far below the 2^32 at which random nonces become a risk.

func sealSmall(key *Key, plain, associated []byte) ([]byte, error) {
	aead, err := newSmall(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, associated), nil
}

func openSmall(key *Key, sealed, associated []byte) ([]byte, error) {
	aead, err := newSmall(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, associated)
	if err != nil {
		return nil, ErrKeyDamaged // the cause says no more, by design
	}
	return plain, nil
}

func newSmall(key *Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return aead, nil
}
