package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// What an SMTP server of a test lets in.
const (
	SMTPUsername = "studio"
	SMTPPassword = "a password"
)

// ErrHangUp as an answer of SMTP ends the connection without one.
var ErrHangUp = errors.New("hang up")

// SMTP is a mail server that keeps what it is given.
type SMTP struct {
	STARTTLS string         // address where encryption is begun by command
	TLS      string         // address that is encrypted from the start
	Plain    string         // address that knows no encryption
	Roots    *x509.CertPool // what its certificate is signed by
	CertFile string         // the same, as a file for SSL_CERT_FILE

	mu     sync.Mutex
	mails  []Mail
	answer func(step, value string) error
}

// Mail is a message that the server took.
type Mail struct {
	User     string // who was signed in; empty: nobody
	From, To string
	Content  []byte // with the dots and line ends of the transport undone
}

// NewSMTP starts a server on 127.0.0.1 for the length of a test.
func NewSMTP(t testing.TB) *SMTP {
	t.Helper()
	certificate, encoded, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	s := &SMTP{Roots: x509.NewCertPool(), CertFile: filepath.Join(t.TempDir(), "cert.pem")}
	s.Roots.AppendCertsFromPEM(encoded)
	if err := os.WriteFile(s.CertFile, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.STARTTLS = s.serve(t, config, func(l net.Listener) net.Listener { return l })
	s.TLS = s.serve(t, config, func(l net.Listener) net.Listener { return tls.NewListener(l, config) })
	s.Plain = s.serve(t, nil, func(l net.Listener) net.Listener { return l })
	return s
}

func (s *SMTP) serve(t testing.TB, config *tls.Config, wrap func(net.Listener) net.Listener) (address string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session := &smtpSession{server: s, conn: c}
		if err := session.ask("hello", c.Hostname()); err != nil {
			return nil, err
		}
		return session, nil
	}))
	server.Domain, server.TLSConfig, server.ErrorLog = "localhost", config, log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() {
		_ = server.Serve(wrap(l)) // ends with an error when it is closed
		close(done)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = l.Close() // the server does not know it before its goroutine began
		<-done
	})
	return l.Addr().String()
}

// Answer sets what the server says at a step: hello, auth, mail, rcpt, data or taken.
// The last one comes after the message was kept: an error there is a lost
// answer. nil is yes, ErrHangUp no answer at all.
func (s *SMTP) Answer(answer func(step, value string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Refuse is an answer with a code, such as 550, and words, which begin with an
// enhanced code, such as 5.7.1, where the server knows these.
func Refuse(code int, words string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: words}
}

// Mails are the messages that were taken.
func (s *SMTP) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// smtpSession is one connection.
type smtpSession struct {
	server *SMTP
	conn   *smtp.Conn
	mail   Mail
}

func (s *smtpSession) ask(step, value string) error {
	s.server.mu.Lock()
	answer := s.server.answer
	s.server.mu.Unlock()
	if answer == nil {
		return nil
	}
	err := answer(step, value)
	if errors.Is(err, ErrHangUp) {
		_ = s.conn.Conn().Close() // what is written then reaches nobody
	}
	return err
}

// AuthMechanisms is what every mail service knows.
func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth signs in.
func (s *smtpSession) Auth(mechanism string) (sasl.Server, error) {
	check := func(_, user, password string) error {
		if user != SMTPUsername || password != SMTPPassword {
			return smtp.ErrAuthFailed
		}
		s.mail.User = user
		return s.ask("auth", user)
	}
	if mechanism == sasl.Plain {
		return sasl.NewPlainServer(check), nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// Mail takes the sender.
func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.From = from
	return s.ask("mail", from)
}

// Rcpt takes the recipient.
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = to
	return s.ask("rcpt", to)
}

// Data takes the content.
func (s *smtpSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.ask("data", ""); err != nil {
		return err
	}
	s.mail.Content = content
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, s.mail)
	s.server.mu.Unlock()
	return s.ask("taken", "")
}

// Reset forgets a message that was begun.
func (s *smtpSession) Reset() { s.mail = Mail{User: s.mail.User} }

// Logout ends the connection.
func (s *smtpSession) Logout() error { return nil }

// newCertificate makes a certificate for 127.0.0.1 and localhost, signed by itself.
func newCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, encoded, nil
}
