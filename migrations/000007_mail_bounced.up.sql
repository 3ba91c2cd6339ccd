-- Beside mails_ended, which is about those that were sent or given up.
CREATE INDEX mails_bounced ON mails (created_at) WHERE state = 'bounced';
