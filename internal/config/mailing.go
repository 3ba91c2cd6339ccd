package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// The mail drivers. MailNone is only an answer of MailDriver: messages wait in the database.
const (
	MailAuto     = "auto"
	MailSMTP     = "smtp"
	MailBrevo    = "brevo"
	MailSendGrid = "sendgrid"
	MailFile     = "file"
	MailNone     = "none"
)

// MailDriver returns the driver that follows from the settings, never MailAuto.
func (c *Config) MailDriver() string {
	m := &c.Mail
	switch {
	case m.Driver != MailAuto && m.Driver != "":
		return m.Driver
	case m.SMTPURL.IsSet() || m.BrevoSMTPLogin != "":
		return MailSMTP
	case m.BrevoAPIKey.IsSet():
		return MailBrevo
	case m.SendGridAPIKey.IsSet():
		return MailSendGrid
	case c.IsProduction():
		return MailNone
	}
	return MailFile
}

// SMTPServer is the server that takes messages.
type SMTPServer struct {
	Host        string
	Port        int
	Username    string // empty: no sign-in
	Password    Secret
	ImplicitTLS bool // TLS from the start; otherwise STARTTLS
}

const (
	portSubmission  = 587
	portSubmissions = 465
)

// SMTP returns the server that MailSMTP sends through: that of mail.smtp_url, else Brevo's.
func (c *Config) SMTP() SMTPServer {
	m := &c.Mail
	if !m.SMTPURL.IsSet() {
		return SMTPServer{
			Host: m.BrevoSMTPServer, Port: m.BrevoSMTPPort, Username: m.BrevoSMTPLogin, Password: m.BrevoSMTPPassword,
			ImplicitTLS: m.BrevoSMTPPort == portSubmissions,
		}
	}
	u, err := url.Parse(m.SMTPURL.Reveal())
	if err != nil {
		return SMTPServer{} // cannot be: Load has checked it
	}
	server := SMTPServer{Host: u.Hostname(), Port: portSubmission, Username: u.User.Username(), ImplicitTLS: u.Scheme == "smtps"}
	if server.ImplicitTLS {
		server.Port = portSubmissions
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		server.Port = port
	}
	password, _ := u.User.Password()
	server.Password = NewSecret(password)
	return server
}

// leastSecret is how long a secret must be that people make up themselves.
const leastSecret = 20

func checkLong(value string) error {
	if len(value) < leastSecret {
		return fmt.Errorf("it has less than %d characters", leastSecret)
	}
	return nil
}

func checkSMTPURL(value string) error {
	if err := checkURL("smtp", "smtps")(value); err != nil {
		return err
	}
	u, err := url.Parse(value)
	if err != nil || u.Path != "" && u.Path != "/" {
		return errors.New("it has a path")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("the port is not a number from 1 to 65535")
		}
	}
	return nil
}

// publicKey is one that signs as SendGrid does, in the form in which its settings show it.
func publicKey(p **ecdsa.PublicKey) binding {
	return binding{
		kind: KindText, allowed: "a public key of ECDSA on P-256, in base64",
		set: func(value string) error {
			der, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return errors.New("it is not base64")
			}
			parsed, err := x509.ParsePKIXPublicKey(der)
			if err != nil {
				return errors.New("it is not a public key")
			}
			key, ok := parsed.(*ecdsa.PublicKey)
			if !ok || key.Curve != elliptic.P256() {
				return errors.New("it is a public key of another kind")
			}
			*p = key
			return nil
		},
		show: func() string {
			if *p == nil {
				return ""
			}
			der, err := x509.MarshalPKIXPublicKey(*p)
			if err != nil {
				return "" // cannot be: set has read it
			}
			return base64.StdEncoding.EncodeToString(der)
		},
	}
}
