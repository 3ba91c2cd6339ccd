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
	"slices"
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

// Send hands one message over. The server's refusal of the recipient is
// ErrRefused; one of the sign-in, the sender or the content, which are ours, is
// not, since an operator can mend it while the message waits.
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
		return fmt.Errorf("sender %s: %w", from, unanswered(err))
	}
	if err := s.Rcpt("<" + to + ">"); err != nil {
		return fmt.Errorf("recipient: %w", refusal(err, !aboutSender(err)))
	}
	w, err := s.Data()
	if err != nil {
		return fmt.Errorf("content: %w", refusal(err, false))
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("content: %w", refusal(err, false))
	}
	return nil
}

// refusal marks a permanent answer about the recipient. Its enhanced status code
// says what it is about; where that does not, recipient does.
func refusal(err error, recipient bool) error {
	answer, permanent := permanentAnswer(err)
	if !permanent {
		return unanswered(err)
	}
	switch code := enhanced(answer.Msg); {
	case slices.Contains(recipientCodes(), code):
		recipient = true
	case aboutUs(code):
		recipient = false
	}
	if recipient {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// permanentAnswer is a negative answer that no repeat changes, of those that are
// about mail: 500 to 549 are about commands, the connection and the sign-in (RFC
// 5321, 4.2.1; RFC 4954, 6). But a parameter with an error (501) may be the
// recipient's address, as an enhanced code then says.
func permanentAnswer(err error) (*textproto.Error, bool) {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return nil, false
	}
	ofAddress := answer.Code == 501 && slices.Contains(recipientCodes(), enhanced(answer.Msg))
	return answer, ofAddress || answer.Code >= 550 && answer.Code < 560
}

func unanswered(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection ended without an answer: %w", err)
	}
	return err
}

// enhanced is the enhanced status code (RFC 3463) that a permanent answer begins
// with, without its class, or "".
func enhanced(text string) string {
	code, _, _ := strings.Cut(text, " ")
	class, rest, ok := strings.Cut(code, ".")
	if !ok || class != "5" {
		return ""
	}
	return rest
}

// recipientCodes are about the recipient whenever they come: there is no such
// address or host, it moved, takes no mail, is closed, full, or a list that
// cannot be reached. Others of its subject are not, since Microsoft's 5.2.252
// is about the sender.
func recipientCodes() []string {
	return []string{"1.1", "1.2", "1.3", "1.6", "1.10", "2.1", "2.2", "2.3", "2.4"}
}

// aboutUs tells of an enhanced status code that it is about the sender's address
// (X.1.7, X.1.8), the server (X.3), or what this sender may do: security and
// policy (X.7), an account that was closed, a reputation.
func aboutUs(code string) bool {
	subject, _, _ := strings.Cut(code, ".")
	return subject == "3" || subject == "7" || code == "1.7" || code == "1.8"
}

// aboutSender tells by the words of an answer to the recipient's address that it
// is the sender who may not send. Servers that know no enhanced codes say it so.
func aboutSender(err error) bool {
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc([]string{"sender", "from address", "authenticat", "relay"}, func(word string) bool { return strings.Contains(text, word) })
}

func isASCII(s string) bool {
	for _, r := range s {
		if r >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
