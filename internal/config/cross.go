package config

import (
	"fmt"
	"time"
)

// Need is something that a command cannot do without. In production its absence is a Problem; in the local
// environment there is always something to take its place.
type Need string

// The needs.
const (
	NeedMasterKey Need = "master_keys"
	NeedDatabase  Need = "db.url"
	NeedBucket    Need = "s3.bucket"
	NeedPublicURL Need = "http.public_url"
)

// leastGrace is what the sweep must wait in production: longer than any part takes to arrive.
const leastGrace = time.Hour

// crossCheck reports what no key shows alone. A key that has a problem already is not reported again.
func (l *loader) crossCheck() {
	c := l.config
	if c.MasterKeys.IsSet() && c.MasterKey.IsSet() {
		l.conflict("master_key", "it is set, and MASTER_KEYS is too: keep one of them")
	}
	if c.DB.UseInternal && !c.DB.InternalURL.IsSet() {
		l.conflict("db.internal_url", "it is not set, and db.use_internal needs it")
	}
	if c.IsProduction() {
		l.checkNeeds()
		if c.Sweep.Grace < leastGrace {
			l.conflict("sweep.grace", "in production it must be at least "+FormatDuration(leastGrace))
		}
	}
	if c.UsesBucket() {
		l.demand("s3.access_key", c.S3.AccessKey.IsSet(), "s3.bucket")
		l.demand("s3.secret_key", c.S3.SecretKey.IsSet(), "s3.bucket")
	}
	if c.HTTP.MaxRequests > 0 && c.HTTP.MaxRequestsJitter >= c.HTTP.MaxRequests {
		l.conflict("http.max_requests_jitter", "it must be less than http.max_requests")
	}
	l.checkMail()
	l.checkTraces()
}

func (l *loader) checkNeeds() {
	c := l.config
	for _, need := range l.source.Needs {
		switch need {
		case NeedMasterKey:
			if !l.refused["master_key"] && !c.MasterKey.IsSet() {
				l.demand("master_keys", c.MasterKeys.IsSet(), "production")
			}
		case NeedDatabase:
			if !c.DB.UseInternal {
				l.demand("db.url", c.DB.URL.IsSet(), "production")
			}
		case NeedBucket:
			l.demand("s3.bucket", c.UsesBucket(), "production")
		case NeedPublicURL:
			l.demand("http.public_url", c.HTTP.PublicURL != "" || c.Render.ExternalURL != "", "each link and mail of production")
		}
	}
}

func (l *loader) checkMail() {
	c := l.config
	driver := c.MailDriver()
	switch driver {
	case MailSMTP:
		if !c.Mail.SMTPURL.IsSet() {
			l.demand("mail.smtp_url", c.Mail.BrevoSMTPLogin != "", "mail.driver smtp")
			if c.Mail.BrevoSMTPLogin != "" {
				l.demand("mail.brevo_smtp_password", c.Mail.BrevoSMTPPassword.IsSet(), "mail.brevo_smtp_login")
			}
		}
	case MailBrevo:
		l.demand("mail.brevo_api_key", c.Mail.BrevoAPIKey.IsSet(), "mail.driver brevo")
	case MailSendGrid:
		l.demand("mail.sendgrid_api_key", c.Mail.SendGridAPIKey.IsSet(), "mail.driver sendgrid")
	case MailFile, MailNone:
		return
	}
	l.demand("mail.sender", c.Mail.Sender != "", fmt.Sprintf("mail by %s", driver))
}

// demand reports a key that is not set though something needs it.
func (l *loader) demand(name string, isSet bool, needer string) {
	if !isSet {
		l.conflict(name, "it is not set, and "+needer+" needs it")
	}
}

// conflict reports a key by the name that the user gave it by, or would most likely give it by.
func (l *loader) conflict(name, reason string) {
	if l.refused[name] {
		return
	}
	l.refused[name] = true
	for i := range l.keys {
		k := &l.keys[i]
		if k.name != name {
			continue
		}
		p := Problem{Name: k.usual(), Reason: reason, Allowed: k.bind.allowed}
		if given, ok := l.settings[name]; ok {
			p.Name, p.Origin, p.Value = given.name, given.place, given.value
		}
		if k.secret() {
			p.Value = ""
		}
		l.problem(p)
	}
}
