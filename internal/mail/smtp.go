package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// smtpTimeout bounds signing in, and handing over one message.
const smtpTimeout = 25 * time.Second

// SMTPOptions name the server that takes messages.
type SMTPOptions struct {
	Host        string
	Port        int
	Username    string // empty: no sign-in
	Password    string
	ImplicitTLS bool           // TLS from the start; otherwise STARTTLS is demanded
	Roots       *x509.CertPool // nil: the system's
}

// SMTP is the driver that hands messages to a mail server, encrypted always.
type SMTP struct{ opts SMTPOptions }

// NewSMTP returns the driver. The server is asked when there is a message.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	if o.Host == "" || o.Port < 1 || o.Port > 65_535 {
		return nil, fmt.Errorf("mail server %q, port %d: a host and a port are needed", o.Host, o.Port)
	}
	s := &SMTP{opts: o}
	if _, err := s.client((&net.Dialer{}).DialContext); err != nil {
		return nil, err
	}
	return s, nil
}

// Send hands one message over. The server's refusal of the recipient or of the
// content is ErrRefused; one of the sign-in or the sender is not, since an
// operator can mend it while the message waits.
func (s *SMTP) Send(ctx context.Context, e Envelope) error {
	content, err := compose(e)
	if err != nil {
		return err
	}
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	to, err := mail.ParseAddress(e.To)
	if err != nil {
		return fmt.Errorf("recipient: %w: %w", ErrRefused, err)
	}
	session, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", s.opts.Host, err)
	}
	defer session.end()
	session.SkipSMTPUTF8(isASCII(from.Address) && isASCII(to.Address))
	if err := session.hand(from.Address, to.Address, content); err != nil {
		return fmt.Errorf("mail server %s: %w", s.opts.Host, err)
	}
	_ = session.Quit() // the message was taken: what fails now must not repeat it
	return nil
}

// Check connects, encrypts and signs in, and sends nothing.
func (s *SMTP) Check(ctx context.Context) error {
	session, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", s.opts.Host, err)
	}
	defer session.end()
	if err := session.Quit(); err != nil {
		return fmt.Errorf("mail server %s: %w", s.opts.Host, err)
	}
	return nil
}

// session is a signed-in connection.
type session struct {
	*smtp.Client
	conn   net.Conn
	forget func() bool // stops the watch over the context
}

// end closes the connection, after Quit or after an error that says more.
func (s session) end() {
	if s.conn != nil {
		s.forget()
		_ = s.conn.Close()
	}
}

// dial connects, encrypts and signs in. The connection ends with ctx.
func (s *SMTP) dial(ctx context.Context) (session, error) {
	var made session
	client, err := s.client(func(dialing context.Context, network, address string) (c net.Conn, err error) {
		if s.opts.ImplicitTLS {
			c, err = (&tls.Dialer{Config: s.tls()}).DialContext(dialing, network, address)
		} else {
			c, err = (&net.Dialer{}).DialContext(dialing, network, address)
		}
		if err == nil {
			made.conn = c
			made.forget = context.AfterFunc(ctx, func() { _ = c.Close() })
		}
		return c, err
	})
	if err != nil {
		return session{}, err
	}
	made.Client, err = client.DialToSMTPClientWithContext(ctx)
	if err == nil {
		err = made.UpdateDeadline(smtpTimeout)
	}
	if err != nil {
		made.end()
		return session{}, err
	}
	return made, nil
}

func (s *SMTP) tls() *tls.Config {
	return &tls.Config{ServerName: s.opts.Host, MinVersion: tls.VersionTLS12, RootCAs: s.opts.Roots}
}

// client configures one connection.
func (s *SMTP) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	policy := gomail.TLSMandatory
	if s.opts.ImplicitTLS {
		policy = gomail.TLSOpportunistic // it is encrypted by dial, and no STARTTLS follows
	}
	options := []gomail.Option{
		gomail.WithPort(s.opts.Port), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(s.tls()),
		gomail.WithTimeout(smtpTimeout), gomail.WithDialContextFunc(dial),
	}
	if s.opts.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(s.opts.Username), gomail.WithPassword(s.opts.Password))
	}
	client, err := gomail.NewClient(s.opts.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: %w", s.opts.Host, err)
	}
	return client, nil
}

// hand gives the message to the server, which answers at the end of it.
func (s session) hand(from, to string, content []byte) error {
	if err := s.Mail("<" + from + ">"); err != nil {
		return fmt.Errorf("sender %s: %w", from, err)
	}
	if err := s.Rcpt("<" + to + ">"); err != nil {
		return fmt.Errorf("recipient: %w", refusal(err))
	}
	w, err := s.Data()
	if err != nil {
		return fmt.Errorf("content: %w", refusal(err))
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("content: %w", refusal(err))
	}
	return nil
}

// refusal marks a permanent negative answer (RFC 5321, 4.2.1) about the
// recipient or the message. One about us is none, since an operator can mend it.
func refusal(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 && answer.Code < 600 && !aboutUs(answer.Msg) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection ended without an answer: %w", err)
	}
	return err
}

// aboutUs tells by an answer's enhanced status code (RFC 3463) that it is about
// the sender's address (X.1.7, X.1.8), the server (X.3), or what this sender may
// do: security and policy (X.7), an account that was closed, a reputation.
func aboutUs(text string) bool {
	code, _, _ := strings.Cut(text, " ")
	class, rest, _ := strings.Cut(code, ".")
	subject, detail, ok := strings.Cut(rest, ".")
	if !ok || class != "5" {
		return false
	}
	return subject == "3" || subject == "7" || subject == "1" && (detail == "7" || detail == "8")
}

func isASCII(s string) bool {
	for _, r := range s {
		if r >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
