package account

import (
	"net/mail"
	"strings"
)

// CheckEmail returns the address as it is kept and compared: trimmed and lower
// case. The rule is that of net/mail for a bare address, and besides: ASCII,
// at most 64 bytes before the @ and 254 in all (RFC 5321, 4.5.3.1), and a
// domain of at least two labels, since mail to a name without a dot leaves no
// machine. It serves accounts and guests. Errors: ErrEmailInvalid.
func CheckEmail(s string) (normal string, err error) {
	normal = strings.ToLower(strings.TrimSpace(s))
	if normal == "" || len(normal) > 254 || strings.ContainsFunc(normal, notPrintableASCII) {
		return "", ErrEmailInvalid
	}
	// A display name, a comment or a quoted local part parses to something else
	// than was written.
	a, err := mail.ParseAddress(normal)
	if err != nil || a.Address != normal {
		return "", ErrEmailInvalid
	}
	local, domain, _ := strings.Cut(normal, "@")
	if len(local) > 64 || !isDomain(domain) {
		return "", ErrEmailInvalid
	}
	return normal, nil
}

func notPrintableASCII(r rune) bool { return r <= ' ' || r > '~' }

// isDomain takes host names of RFC 1123 with at least one dot, in lower case.
func isDomain(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if len(l) < 1 || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(l, notHostByte) {
			return false
		}
	}
	return len(labels) > 1
}

func notHostByte(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}
