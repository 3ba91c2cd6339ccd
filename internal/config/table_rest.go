package config

import "time"

func (c *Config) mailKeys() []key {
	m := &c.Mail
	return []key{
		{
			name: "mail.driver", def: MailAuto, bind: oneOf(&m.Driver, MailAuto, MailSMTP, MailBrevo, MailSendGrid, MailFile),
			doc: "auto takes the first that is configured: smtp, brevo (its HTTP interface), sendgrid; none, in the local environment file (data/mail/*.eml), in production messages wait.",
		},
		{
			name: "mail.sender", aliases: named("SENDER_EMAIL"), bind: text(&m.Sender, "an address, with a name if wanted", checkEmail),
			doc: "Who messages come from. Needed by every driver but file.",
		},
		{
			name: "mail.admin_email", aliases: named("ADMIN_EMAIL"), bind: text(&m.AdminEmail, "an address", checkEmail),
			doc: "The operator: the first account's address, and where damage is reported.",
		},
		{
			name: "mail.smtp_url", aliases: named("SMTP_URL"), bind: secret(&m.SMTPURL, "smtp:// or smtps://, user:password@ if needed, host:port", checkSMTPURL),
			doc: "smtp:// demands STARTTLS, port 587 unless given; smtps:// is TLS from the start, port 465.",
		},
		{
			name: "mail.sendgrid_api_key", bind: secret(&m.SendGridAPIKey, "", nil),
			doc: "The key of SendGrid's HTTP interface, for hosts that block SMTP.",
		},
		{
			name: "mail.webhook_secret", bind: secret(&m.WebhookSecret, "at least 20 characters", checkLong),
			doc: "With it Brevo or SendGrid tell at /api/v1/mail/events/ of messages that did not arrive. Without it nobody may.",
		},
		{
			name: "mail.sendgrid_webhook_key", bind: publicKey(&m.SendGridWebhookKey),
			doc: "The verification key of SendGrid's signed event webhook. With it events of SendGrid need a good signature too.",
		},
	}
}

func (c *Config) brevoKeys() []key {
	m := &c.Mail
	return []key{
		{
			name: "mail.brevo_smtp_server", aliases: named("BREVO_SMTP_SERVER"), def: "smtp-relay.brevo.com",
			bind: text(&m.BrevoSMTPServer, "a host", nil),
			doc:  "The SMTP server that mail.brevo_smtp_login signs in to. mail.smtp_url goes before it.",
		},
		{
			name: "mail.brevo_smtp_port", aliases: named("BREVO_SMTP_PORT"), def: "587", bind: integer(&m.BrevoSMTPPort, 1, 65_535),
			doc: "Its port: 587 or 2525 with STARTTLS, 465 with TLS from the start.",
		},
		{
			name: "mail.brevo_smtp_login", aliases: named("BREVO_SMTP_LOGIN"), bind: text(&m.BrevoSMTPLogin, "", nil),
			doc: "The login at that server.",
		},
		{
			name: "mail.brevo_smtp_password", aliases: named("BREVO_SMTP_PASSWORD"), bind: secret(&m.BrevoSMTPPassword, "", nil),
			doc: "The password of that login.",
		},
		{
			name: "mail.brevo_api_key", bind: secret(&m.BrevoAPIKey, "", nil),
			doc: "The key of Brevo's HTTP interface, for hosts that block SMTP.",
		},
	}
}

func (c *Config) retentionKeys() []key {
	r := &c.Retention
	return []key{
		{
			name: "account.quota", unit: "bytes", def: "25GiB", defLocal: "0", bind: size(&c.Account.Quota, 0, 1024*1024*TiB),
			doc: "What a new account may store. 0 is no quota: then the free disk less storage.min_free is the limit.",
		},
		{
			name: "limits.max_files", unit: "files", def: "1000000", bind: integer(&c.Limits.MaxFiles, 1, 10_000_000),
			doc: "Files in one transfer.",
		},
		{
			name: "storage.min_free", unit: "bytes", def: "1GiB", bind: size(&c.Storage.MinFree, 0, 1024*TiB),
			doc: "What stays free on the disk of data.dir; an upload that would take it is refused.",
		},
		{
			name: "retention.unfinished", def: "168h", bind: duration(&r.Unfinished, time.Second, longest),
			doc: "A transfer that is not complete expires so long after its last acknowledged part.",
		},
		{
			name: "retention.complete", def: "720h", bind: duration(&r.Complete, time.Second, longest),
			doc: "A complete transfer expires after so long, where its link does not say otherwise.",
		},
		{
			name: "retention.warn_before", def: "72h", bind: duration(&r.WarnBefore, 0, longest),
			doc: "So long before a complete transfer expires its studio gets mail. 0 sends none.",
		},
		{
			name: "retention.undo", def: "24h", bind: duration(&r.Undo, 0, longest),
			doc: "A deleted transfer can be restored for so long, and is purged then.",
		},
		{
			name: "retention.events", def: "365d", bind: duration(&r.Events, 0, longest),
			doc: "Events are removed after so long. 0 keeps them for ever.",
		},
		{
			name: "retention.mail", def: "30d", bind: duration(&r.Mail, 0, longest),
			doc: "Messages that were sent or given up are removed after so long. 0 keeps them for ever.",
		},
		{
			name: "transfer.max_age", def: "21d", bind: duration(&c.Transfer.MaxAge, time.Second, longest),
			doc: "The greatest age of a transfer that is not complete.",
		},
	}
}

func (c *Config) upkeepKeys() []key {
	return []key{
		{
			name: "sweep.every", def: "1m", bind: duration(&c.Sweep.Every, shortest, day),
			doc: "How often rows that wait are looked for, and memory is given back when nothing is in flight.",
		},
		{
			name: "sweep.grace", def: "24h", bind: duration(&c.Sweep.Grace, 0, longest),
			doc: "Only what the bucket's own clock shows older than this is removed as left over. At least 1h in production.",
		},
		{
			name: "scrub.bytes_per_day", unit: "bytes a day", def: "5GiB", bind: size(&c.Scrub.BytesPerDay, 0, 1024*TiB),
			doc: "Stored bytes that are read back and authenticated each day, spread over the day. 0 is none. Buckets may bill what is read.",
		},
		{
			name: "scrub.again_after", def: "20d", bind: duration(&c.Scrub.AgainAfter, time.Second, longest),
			doc: "A stored file is read back once in so long at most, the longest unchecked first. With 30d what is read in a month is never more than what is stored.",
		},
	}
}

// renderKeys are not settings but facts: they have no flag, no YAML key and no APP_ variable.
func (c *Config) renderKeys() []key {
	r := &c.Render
	fact := func(name, variable string, p *string, doc string) key {
		return key{name: name, readOnly: true, aliases: named(variable), bind: text(p, "", nil), doc: doc}
	}
	return []key{
		{
			name: "render.detected", readOnly: true, aliases: named("RENDER"), def: "false", bind: presence(&r.Detected),
			doc: "Whether RENDER is set: the program runs on Render.",
		},
		fact("render.external_url", "RENDER_EXTERNAL_URL", &r.ExternalURL, "The service's public address, the default of http.public_url."),
		fact("render.git_commit", "RENDER_GIT_COMMIT", &r.GitCommit, "The commit that /version shows."),
		fact("render.git_branch", "RENDER_GIT_BRANCH", &r.GitBranch, "The branch of that commit."),
		fact("render.service_name", "RENDER_SERVICE_NAME", &r.ServiceName, "The service's name."),
		fact("render.service_type", "RENDER_SERVICE_TYPE", &r.ServiceType, "web, worker and so on."),
		fact("render.instance_id", "RENDER_INSTANCE_ID", &r.InstanceID, "The instance's name."),
	}
}
