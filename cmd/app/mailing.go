package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/transfer"
	"github.com/lenzeye/lenzeye/internal/web"
)

// sendsMail tells whether there is a way out for messages. Without one they
// wait in the database.
func (p *parts) sendsMail() bool { return p.cfg.MailDriver() != config.MailNone }

// standInSender is who sends where no sender is set.
const standInSender = "Lenzeye <lenzeye@localhost.localdomain>"

func (p *parts) openMail() (err error) {
	o := mail.Options{
		DB: p.db, Catalog: p.catalog, Seal: p.accounts.SealSecret, Open: p.accounts.OpenSecret,
		From: p.cfg.Mail.Sender, GaveUp: p.mailEvent(account.EventMailFailed), Bounced: p.mailEvent(account.EventMailBounced), Log: p.log,
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

// mailEvent tells an account of a message that did not reach its recipient.
func (p *parts) mailEvent(kind account.EventKind) func(context.Context, db.Querier, mail.Failure) error {
	return func(ctx context.Context, tx db.Querier, f mail.Failure) error {
		return p.accounts.Record(ctx, tx, account.Event{
			AccountID: f.AccountID, Kind: kind,
			Detail: map[string]any{"mail_id": f.MailID, "kind": f.Kind, "recipient": f.Recipient, "reason": f.Reason},
		})
	}
}

// mailEvents lets a mail service tell of messages that did not arrive.
func (p *parts) mailEvents() web.MailEvents {
	return web.MailEvents{Secret: p.cfg.Mail.WebhookSecret.Reveal(), Take: p.takeMailEvents}
}

func (p *parts) takeMailEvents(ctx context.Context, service string, header http.Header, body []byte) error {
	if key := p.cfg.Mail.SendGridWebhookKey; key != nil && service == config.MailSendGrid {
		if err := mail.VerifySendGrid(key, header, body, time.Now()); err != nil {
			p.log.Warn("mail_events_refused", "service", service, "error", err)
			return fmt.Errorf("%w: %w", transfer.ErrUnauthenticated, err)
		}
	}
	bounces, err := mail.ReadBounces(service, body)
	switch {
	case errors.Is(err, mail.ErrNoService):
		return fmt.Errorf("%w: %w", transfer.ErrNotFound, err)
	case err != nil:
		return fmt.Errorf("%w: %w", web.ErrMailEvents, err)
	}
	for _, b := range bounces {
		err := p.mail.Bounced(ctx, b)
		if errors.Is(err, mail.ErrNotOurs) {
			p.metrics.strayMail.WithLabelValues(service).Inc()
			p.log.Warn("mail_event_unknown", "service", service, "event", b.Event, "mail_id", b.MailID)
		} else if err != nil {
			return err
		}
	}
	return nil
}
