package mail

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// smtpTo makes a driver for an address of a test's server.
func smtpTo(t *testing.T, server *testenv.SMTP, address string, change func(*SMTPOptions)) *SMTP {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	o := SMTPOptions{
		Host: host, Port: number, Username: testenv.SMTPUsername, Password: testenv.SMTPPassword,
		ImplicitTLS: address == server.TLS, Roots: server.Roots,
	}
	if change != nil {
		change(&o)
	}
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSMTPHandsOverEncrypted(t *testing.T) {
	t.Parallel()
	server := testenv.NewSMTP(t)
	e := envelope("1")
	e.Text = ".a line that begins with a dot\n..\nend\n"
	e.From = "Stüdio <mail@studio.example>"
	want, err := compose(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{server.STARTTLS, server.TLS} {
		if err := smtpTo(t, server, address, nil).Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := smtpTo(t, server, server.STARTTLS, func(o *SMTPOptions) { o.Username = "" }).Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	mails := server.Mails()
	if len(mails) != 3 {
		t.Fatalf("%d messages arrived", len(mails))
	}
	for i, m := range mails {
		user := testenv.SMTPUsername
		if i == 2 {
			user = ""
		}
		if m.User != user || m.From != "mail@studio.example" || m.To != "guest@example.com" || !bytes.Equal(m.Content, want) {
			t.Errorf("message %d: user %q, from %s, to %s:\n%s\nwant\n%s", i, m.User, m.From, m.To, m.Content, want)
		}
	}
}

func TestSMTPNeverGoesUnencrypted(t *testing.T) {
	t.Parallel()
	server := testenv.NewSMTP(t)
	for name, s := range map[string]*SMTP{
		"no STARTTLS":         smtpTo(t, server, server.Plain, nil),
		"unknown certificate": smtpTo(t, server, server.STARTTLS, func(o *SMTPOptions) { o.Roots = nil }),
		"other certificate":   smtpTo(t, server, server.TLS, func(o *SMTPOptions) { o.Roots = nil }),
	} {
		if err := s.Send(t.Context(), envelope("1")); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want an error that may end", name, err)
		}
	}
	if len(server.Mails()) != 0 {
		t.Error("a message went out")
	}
}

// What a server says for good of the recipient ends the tries; what an operator
// or time can mend does not, at whatever step it is said.
func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step    string
		answer  error
		refused bool
	}{
		"no such recipient":       {"rcpt", testenv.Refuse(550, "No such user here"), true},
		"recipient, undefined":    {"rcpt", testenv.Refuse(550, "5.0.0 No such user here"), true},
		"recipient's syntax":      {"rcpt", testenv.Refuse(501, "5.1.3 Bad recipient address syntax"), true},
		"a command's syntax":      {"rcpt", testenv.Refuse(501, "5.5.4 Invalid parameters"), false},
		"syntax of whatever":      {"rcpt", testenv.Refuse(501, "Syntax error"), false},
		"sender's syntax":         {"mail", testenv.Refuse(501, "5.1.7 Bad sender address syntax"), false},
		"recipient busy":          {"rcpt", testenv.Refuse(450, "4.2.1 Try later"), false},
		"recipient's box is full": {"rcpt", testenv.Refuse(552, "5.2.2 Mailbox full"), true},
		"recipient's name":        {"rcpt", testenv.Refuse(550, "5.1.1 The sender should look for another address"), true},
		"recipient, at the end":   {"data", testenv.Refuse(550, "5.1.10 Recipient not found"), true},
		"box, taken and refused":  {"taken", testenv.Refuse(552, "5.2.2 Mailbox full"), true},
		"content not acceptable":  {"data", testenv.Refuse(554, "Message rejected"), false},
		"content later":           {"data", testenv.Refuse(451, "Try later"), false},
		"sender not verified":     {"data", testenv.Refuse(550, "The from address does not match a verified Sender Identity."), false},
		"sender may not be":       {"data", testenv.Refuse(554, "5.2.252 SendAsDenied; not allowed to send as"), false},
		"account was closed":      {"data", testenv.Refuse(554, "5.7.0 Your account is closed"), false},
		"relay has no space":      {"data", testenv.Refuse(552, "5.3.1 No space"), false},
		"reputation of the relay": {"taken", testenv.Refuse(550, "5.7.26 Not trusted"), false},
		"policy of the relay":     {"rcpt", testenv.Refuse(550, "5.7.1 Not allowed"), false},
		"sender's address":        {"rcpt", testenv.Refuse(550, "5.1.8 Unknown domain"), false},
		"sender, in words":        {"rcpt", testenv.Refuse(550, "Unauthenticated senders not allowed"), false},
		"relay, in words":         {"rcpt", testenv.Refuse(550, "Relay access denied"), false},
		"sign-in asked for":       {"rcpt", testenv.Refuse(530, "Sign in first"), false},
		"sender not signed in":    {"mail", testenv.Refuse(550, "Unauthenticated senders not allowed"), false},
		"sender not allowed":      {"mail", testenv.Refuse(553, "5.1.1 Not owned by you"), false},
		"sign-in not allowed":     {"auth", testenv.Refuse(535, "5.7.8 Wrong password"), false},
		"sign-in, account gone":   {"auth", testenv.Refuse(550, "5.2.1 Account disabled"), false},
		"host not allowed":        {"hello", testenv.Refuse(554, "No service for you"), false},
		"hang up at the content":  {"data", testenv.ErrHangUp, false},
		"hang up at the start":    {"mail", testenv.ErrHangUp, false},
		"taken, the answer lost":  {"taken", testenv.ErrHangUp, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.NewSMTP(t)
			server.Answer(func(step, _ string) error {
				if step == c.step {
					return c.answer
				}
				return nil
			})
			s := smtpTo(t, server, server.STARTTLS, nil)
			err := s.Send(t.Context(), envelope("1"))
			if err == nil || errors.Is(err, ErrRefused) != c.refused {
				t.Fatalf("%v, refused for good: %v, want %v", err, errors.Is(err, ErrRefused), c.refused)
			}
			if strings.Contains(err.Error(), testenv.SMTPPassword) {
				t.Errorf("the password is in %v", err)
			}
			if _, words, ok := strings.Cut(c.answer.Error(), ": "); ok && !strings.Contains(err.Error(), words) {
				t.Errorf("%v does not say %q", err, words)
			}
			server.Answer(nil)
			if err := s.Send(t.Context(), envelope("1")); err != nil {
				t.Errorf("the repeat: %v", err)
			}
			if mails := server.Mails(); len(mails) == 2 && !bytes.Equal(mails[0].Content, mails[1].Content) {
				t.Error("the repeat is another message")
			}
		})
	}
}

func TestSMTPWrongPassword(t *testing.T) {
	t.Parallel()
	server := testenv.NewSMTP(t)
	s := smtpTo(t, server, server.TLS, func(o *SMTPOptions) { o.Password = "not the right one" })
	if err := s.Send(t.Context(), envelope("1")); err == nil || errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "not the right one") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestSMTPBadOptionsAndAddresses(t *testing.T) {
	t.Parallel()
	for _, o := range []SMTPOptions{{Port: 25}, {Host: "h"}, {Host: "h", Port: 70_000}} {
		if _, err := NewSMTP(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	server := testenv.NewSMTP(t)
	s := smtpTo(t, server, server.TLS, nil)
	e := envelope("1")
	e.To = "guest@example.com>\r\nRCPT TO:<other@example.com"
	if err := s.Send(t.Context(), e); !errors.Is(err, ErrRefused) {
		t.Errorf("bad recipient: %v", err)
	}
}

// A server that says nothing must not hold a sender longer than its context.
func TestSMTPEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr := l.Addr().(*net.TCPAddr)
	for _, implicit := range []bool{false, true} {
		s, err := NewSMTP(SMTPOptions{Host: "127.0.0.1", Port: addr.Port, ImplicitTLS: implicit})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		err = s.Send(ctx, envelope("1"))
		cancel()
		if took := time.Since(began); err == nil || took > 10*time.Second {
			t.Errorf("TLS from the start %v: %v after %v", implicit, err, took)
		}
	}
}

// A check signs in over TLS and sends nothing; what it cannot do it says.
func TestSMTPCheck(t *testing.T) {
	t.Parallel()
	server := testenv.NewSMTP(t)
	if err := smtpTo(t, server, server.TLS, nil).Check(t.Context()); err != nil {
		t.Error(err)
	}
	wrong := smtpTo(t, server, server.TLS, func(o *SMTPOptions) { o.Password = "wr0ng" })
	if err := wrong.Check(t.Context()); err == nil || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("a wrong password: %v", err)
	}
	if err := smtpTo(t, server, "127.0.0.1:1", nil).Check(t.Context()); err == nil {
		t.Error("nobody listens, and the check is content")
	}
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}
