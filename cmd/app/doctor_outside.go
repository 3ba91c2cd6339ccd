package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// store checks the bucket with an object of its own, or the folder and its disk.
func (d *doctor) store(ctx context.Context) {
	folder := filepath.Join(d.cfg.Data.Dir, "blobs")
	if !d.cfg.UsesBucket() {
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			if err := canMake(folder); err != nil {
				d.wrong("store", fmt.Sprintf("%s: %s cannot be made: %v", d.cfg.NameOf("data.dir"), folder, err), "look at data.dir and at who may write there")
			} else {
				d.ok("store", folder+" is made by the first app serve")
			}
			return
		}
	}
	if err := d.parts.openBlobs(role{}); err != nil {
		d.wrong("store", err.Error(), "look at data.dir and at who may write there")
		return
	}
	if d.cfg.UsesBucket() {
		d.bucket(ctx)
		return
	}
	if err := d.parts.blobs.Check(ctx); err != nil {
		d.wrong("store", err.Error(), "look at data.dir and at who may write there")
	} else {
		d.ok("store", folder+" takes changes")
		d.disk(ctx)
	}
}

func (d *doctor) bucket(ctx context.Context) {
	err := d.parts.judgeBucket(role{stores: true}, d.parts.askBucket(ctx))
	if _, mistake := errors.AsType[userError](err); mistake {
		d.wrong("bucket", err.Error(), "look at what it names; app s3-check says more")
		return
	}
	if err != nil {
		d.fail("bucket", err.Error(), "wait, and look at the status page of the bucket's provider")
		return
	}
	modified, err := d.tryObject(ctx)
	if err != nil {
		d.fail("bucket", err.Error(), "app s3-check says what the bucket lacks")
		return
	}
	d.ok("bucket", fmt.Sprintf("%s at %s: a small object was put, read and deleted", d.cfg.S3.Bucket, d.cfg.S3Endpoint()))
	d.clock(time.Since(modified))
}

// tryObject puts, reads and deletes a small object, and gives its time by the
// bucket's clock.
func (d *doctor) tryObject(ctx context.Context) (modified time.Time, err error) {
	var owner [16]byte // of no account: what a cut leaves is swept
	content := make([]byte, 1000)
	for _, random := range [][]byte{owner[:], content} {
		if _, err := rand.Read(random); err != nil {
			return modified, err
		}
	}
	key, err := blob.NewKey(owner, nil)
	if err != nil {
		return modified, err
	}
	store := d.parts.blobs
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, store.Delete(cleanup, key))
	}()
	if _, err := store.Put(ctx, key, bytes.NewReader(content), int64(len(content))); err != nil {
		return modified, err
	}
	info, err := store.Head(ctx, key)
	if err != nil {
		return modified, err
	}
	reader, err := store.Range(ctx, key, 0, int64(len(content)))
	if err != nil {
		return modified, err
	}
	got, err := io.ReadAll(reader)
	if err = errors.Join(err, reader.Close()); err != nil {
		return modified, err
	}
	if !bytes.Equal(got, content) {
		return modified, errors.New("the object came back changed")
	}
	return info.Modified, nil
}

// clock compares this machine's clock with the bucket's, which is told in
// seconds. Signatures are refused from 15 minutes on.
func (d *doctor) clock(ahead time.Duration) {
	ahead = ahead.Round(time.Second)
	switch off := ahead.Abs(); {
	case off > 5*time.Minute:
		d.wrong("clock", fmt.Sprintf("it differs from the bucket's by %s", ahead), "let the machine keep its time by NTP")
	case off > 5*time.Second:
		d.warn("clock", fmt.Sprintf("it differs from the bucket's by %s", ahead), "let the machine keep its time by NTP")
	default:
		d.ok("clock", "it agrees with the bucket's")
	}
}

func (d *doctor) disk(ctx context.Context) {
	free, known := d.parts.blobs.FreeBytes(ctx)
	switch {
	case !known:
	case free <= 0:
		d.fail("disk", "no space is left beyond storage.min_free", "make room, or move data.dir to a larger disk")
	case free < 10<<30:
		d.warn("disk", bytesText(free)+" are left for files", "make room in time")
	default:
		d.ok("disk", bytesText(free)+" are left for files")
	}
}

// queue checks Redis, where hints go through one.
func (d *doctor) queue(ctx context.Context) {
	if !d.cfg.UsesRedis() {
		d.ok("queue", "in the process of app serve")
		return
	}
	limited, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	s, err := jobs.AskRedis(limited, d.cfg.Redis.URL.Reveal())
	switch {
	case err != nil:
		d.wrong("queue", wrongQueue(d.cfg, err).Error(), "look at "+d.cfg.NameOf("redis.url")+"; until it answers work is delayed by sweep.every")
	case s.Policy != "noeviction":
		d.wrong("queue", fmt.Sprintf("Redis %s drops hints when it is full: maxmemory-policy is %q", s.Version, s.Policy), "set maxmemory-policy noeviction")
	default:
		d.ok("queue", fmt.Sprintf("Redis %s, answers in %s", s.Version, s.Latency.Round(10*time.Microsecond)))
	}
}

// mail signs in and sends nothing, unless an address was given.
func (d *doctor) mail(ctx context.Context) {
	driver := d.cfg.MailDriver()
	var err error
	m := &d.cfg.Mail
	switch driver {
	case config.MailNone:
		d.warn("mail", "messages wait in the database", "set SMTP_URL, or another way out (docs/operations.md, Mail), and SENDER_EMAIL")
		return
	case config.MailSMTP:
		server := d.cfg.SMTP()
		var s *mail.SMTP
		if s, err = mail.NewSMTP(mail.SMTPOptions{Host: server.Host, Port: server.Port, Username: server.Username,
			Password: server.Password.Reveal(), ImplicitTLS: server.ImplicitTLS}); err == nil {
			err = s.Check(ctx)
		}
	case config.MailBrevo:
		err = mail.NewBrevo(mail.HTTPOptions{Key: m.BrevoAPIKey.Reveal()}).Check(ctx)
	case config.MailSendGrid:
		err = mail.NewSendGrid(mail.HTTPOptions{Key: m.SendGridAPIKey.Reveal()}).Check(ctx)
	}
	if err != nil {
		d.wrong("mail", fmt.Sprintf("%s: %v", mailVariable(d.cfg), err), "look at "+mailVariable(d.cfg)+"; where ports are blocked try 2525 or an HTTP interface")
		return
	}
	d.ok("mail", "by "+driver)
	if d.mailTo != "" {
		d.sendMail(ctx)
	}
}

func mailVariable(cfg *config.Config) string {
	switch cfg.MailDriver() {
	case config.MailBrevo:
		return cfg.NameOf("mail.brevo_api_key")
	case config.MailSendGrid:
		return cfg.NameOf("mail.sendgrid_api_key")
	}
	if cfg.Mail.SMTPURL.IsSet() {
		return cfg.NameOf("mail.smtp_url")
	}
	return cfg.NameOf("mail.brevo_smtp_login")
}

func (d *doctor) sendMail(ctx context.Context) {
	to, err := account.CheckEmail(d.mailTo)
	if err != nil {
		d.wrong("message", fmt.Sprintf("--mail-to %s: %v", d.mailTo, err), "give one address")
		return
	}
	send, err := d.parts.mailDriver()
	if err == nil {
		from := d.cfg.Mail.Sender
		if from == "" {
			from = standInSender
		}
		id := db.NewID()
		err = send(ctx, mail.Envelope{ID: id, Key: id, MessageID: id + "@doctor.lenzeye", From: from, To: to, Subject: "Lenzeye can send mail",
			Text: "This message was sent by app doctor.\n", HTML: "<p>This message was sent by app doctor.</p>\n", Date: time.Now()})
	}
	if err != nil {
		d.fail("message", err.Error(), "look at "+d.cfg.NameOf("mail.sender")+": most services send for known addresses only")
		return
	}
	d.ok("message", "it was handed over for "+to+": look whether it arrives, and in which folder")
}
