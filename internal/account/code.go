package account

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// CodeLength is the number of characters of a code that the server makes: 40
// bits in Crockford's base32. That is short enough to read out, and guessing is
// held off by try limits.
const CodeLength = 8

const (
	codeBytes    = 5
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford: no I, L, O, U
)

// NewCode makes a code of random, crypto/rand.Reader if nil. It fails only when
// random does.
func NewCode(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [codeBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	return CodeOf(b), nil
}

// CodeOf writes 40 bits, high bits first, as a code.
func CodeOf(b [codeBytes]byte) string {
	return base32.NewEncoding(codeAlphabet).WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// FoldCode gives the one form of all the ways to write a code: case, spaces and
// dashes do not matter, O is 0, and I and L are 1. A studio's own code may hold
// other characters; they stay.
func FoldCode(s string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(s) {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
			continue
		case r == 'O':
			r = '0'
		case r == 'I' || r == 'L':
			r = '1'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// NormalizeCode is FoldCode for a code that the server made: ok is false when
// what is left is not 8 characters of the alphabet; U is not one of them.
func NormalizeCode(s string) (code string, ok bool) {
	code = FoldCode(s)
	if len(code) != CodeLength || strings.Trim(code, codeAlphabet) != "" {
		return "", false
	}
	return code, true
}

// FormatCode writes a code as people see it: K7QM-2XW9. What is not 8
// characters long stays as it is.
func FormatCode(code string) string {
	if len(code) != CodeLength {
		return code
	}
	return code[:CodeLength/2] + "-" + code[CodeLength/2:]
}
