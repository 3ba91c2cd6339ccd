package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// sendsMail tells whether there is a way out for messages. Without one they
// wait in the database.
func (p *parts) sendsMail() bool { return p.cfg.MailDriver() != config.MailNone }

// standInSender is who sends where no sender is set.
const standInSender = "Lenzeye <lenzeye@localhost.localdomain>"

func (p *parts) openMail() (err error) {
	o := mail.Options{
		DB: p.db, Catalog: p.catalog, Seal: p.accounts.SealSecret, Open: p.accounts.OpenSecret,
		From: p.cfg.Mail.Sender, GaveUp: p.mailGivenUp, Log: p.log,
	}
	if o.From == "" {
		o.From = standInSender
	}
	if o.Send, err = p.mailDriver(); err != nil {
		return userError{err}
	}
	if p.mail, err = mail.New(o); err != nil {
		return userError{fmt.Errorf("%s: %w", p.cfg.NameOf("mail.sender"), err)}
	}
	return nil
}

// mailDriver is who carries messages away.
func (p *parts) mailDriver() (func(context.Context, mail.Envelope) error, error) {
	m := &p.cfg.Mail
	switch p.cfg.MailDriver() {
	case config.MailSMTP:
		server := p.cfg.SMTP()
		driver, err := mail.NewSMTP(mail.SMTPOptions{
			Host: server.Host, Port: server.Port, Username: server.Username, Password: server.Password.Reveal(),
			ImplicitTLS: server.ImplicitTLS,
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mailVariable(p.cfg), err)
		}
		return driver.Send, nil
	case config.MailBrevo:
		return mail.NewBrevo(mail.HTTPOptions{Key: m.BrevoAPIKey.Reveal()}).Send, nil
	case config.MailSendGrid:
		return mail.NewSendGrid(mail.HTTPOptions{Key: m.SendGridAPIKey.Reveal()}).Send, nil
	case config.MailFile:
		files, err := mail.OpenFiles(filepath.Join(p.cfg.Data.Dir, "mail"), p.log)
		if err != nil {
			return nil, fmt.Errorf("open mail folder in data.dir: %w", err)
		}
		p.onClose(files.Close)
		return files.Send, nil
	}
	return func(context.Context, mail.Envelope) error { return errors.New("no way out for mail is configured") }, nil
}

func (p *parts) mailGivenUp(ctx context.Context, tx db.Querier, f mail.Failure) error {
	return p.accounts.Record(ctx, tx, account.Event{
		AccountID: f.AccountID, Kind: account.EventMailFailed,
		Detail: map[string]any{"mail_id": f.MailID, "kind": f.Kind, "recipient": f.Recipient, "reason": f.Reason},
	})
}
