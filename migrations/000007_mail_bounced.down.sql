DROP INDEX mails_bounced;
