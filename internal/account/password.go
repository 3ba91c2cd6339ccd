package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Argon2id (RFC 9106) with the smallest memory of the settings that OWASP's
// password storage cheat sheet holds equal: 7 MiB, five passes, one lane, about
// 20 ms. One hash is computed at a time in a process, so passwords never cost
// more than these 7 MiB, and at most as much again until it is collected.
const (
	argonMemory = 7 * 1024 // KiB
	argonTime   = 5
	argonSalt   = 16
	argonKey    = 32
)

const (
	maxPassword  = 1024 // bytes
	passwordWait = 10 * time.Second
)

const phcPrefix = "$argon2id$v=19$m=7168,t=5,p=1$"

var errPasswordHash = errors.New("the stored password hash is not one of ours")

// HashPassword returns what is kept of a link's password, a PHC string. It
// waits its turn. Errors: ErrPasswordInvalid, ErrBusy.
func (s *Service) HashPassword(ctx context.Context, password string) (string, error) {
	if len(password) < 1 || len(password) > maxPassword {
		return "", ErrPasswordInvalid
	}
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(s.rand, salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	sum, err := s.slowHash(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return phcPrefix + base64.RawStdEncoding.EncodeToString(salt) +
		"$" + base64.RawStdEncoding.EncodeToString(sum), nil
}

// CheckPassword tells whether a password is the one that hash was made of. It
// waits its turn, so a caller takes a try first. Errors: ErrBusy; a hash that
// HashPassword did not make.
func (s *Service) CheckPassword(ctx context.Context, hash, password string) (bool, error) {
	salt, want, err := parsePasswordHash(hash)
	if err != nil {
		return false, err
	}
	if len(password) < 1 || len(password) > maxPassword {
		return false, nil
	}
	got, err := s.slowHash(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// parsePasswordHash takes only the one setting there is, so no row can ask for
// more memory or time. A later setting is a second prefix here.
func parsePasswordHash(hash string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(hash, phcPrefix)
	saltText, sumText, found := strings.Cut(rest, "$")
	if !ok || !found {
		return nil, nil, errPasswordHash
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(saltText)
	sum, sumErr := base64.RawStdEncoding.DecodeString(sumText)
	if saltErr != nil || sumErr != nil || len(salt) != argonSalt || len(sum) != argonKey {
		return nil, nil, errPasswordHash
	}
	return salt, sum, nil
}

func (s *Service) slowHash(ctx context.Context, password string, salt []byte) ([]byte, error) {
	wait, stop := context.WithTimeoutCause(ctx, passwordWait, ErrBusy)
	defer stop()
	select {
	case s.passwords <- struct{}{}:
	case <-wait.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", context.Cause(wait))
	}
	defer func() { <-s.passwords }()
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, 1, argonKey), nil
}
