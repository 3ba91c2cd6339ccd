package account

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

func TestPassword(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	hash, err := s.HashPassword(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.HashPassword(t.Context(), "correct horse")
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are equal (%v): no salt", err)
	}
	if strings.Contains(hash, "horse") || !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("hash %q", hash)
	}
	for password, want := range map[string]bool{
		"correct horse": true, "correct horse ": false, "Correct horse": false, "": false,
		strings.Repeat("x", maxPassword+1): false,
	} {
		if ok, err := s.CheckPassword(t.Context(), hash, password); ok != want || err != nil {
			t.Errorf("CheckPassword(%.20q) = %v, %v; want %v", password, ok, err, want)
		}
	}
	for _, password := range []string{"", strings.Repeat("x", maxPassword+1)} {
		if _, err := s.HashPassword(t.Context(), password); !errors.Is(err, ErrPasswordInvalid) {
			t.Errorf("HashPassword of %d bytes: %v", len(password), err)
		}
	}
}

func TestForeignPasswordHashes(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	good, err := s.HashPassword(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{
		"", "x", phcPrefix, phcPrefix + "$", good[:len(good)-1], good + "A", good[1:],
		strings.Replace(good, "m=7168", "m=4194304", 1), // 4 GiB
		strings.Replace(good, "t=5", "t=1", 1),
		"$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
	} {
		if ok, err := s.CheckPassword(t.Context(), hash, "x"); ok || err == nil {
			t.Errorf("CheckPassword against %q = %v, %v; want an error", hash, ok, err)
		}
	}
}

// Passwords are hashed one at a time; who waits too long is told to come again.
func TestPasswordsWaitTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.passwords <- struct{}{} // somebody computes
		if _, err := s.HashPassword(t.Context(), "x"); !errors.Is(err, ErrBusy) {
			t.Errorf("after the wait: %v, want ErrBusy", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.HashPassword(gone, "x"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrBusy) {
			t.Errorf("caller went away: %v", err)
		}
		done := make(chan error)
		go func() {
			_, err := s.HashPassword(t.Context(), "x")
			done <- err
		}()
		synctest.Wait()
		<-s.passwords // the other one is ready
		if err := <-done; err != nil {
			t.Errorf("its turn: %v", err)
		}
		if len(s.passwords) != 0 {
			t.Error("the turn was not given on")
		}
	})
}
