-- What a message is known by to those who drop repeats, from its first try on.
ALTER TABLE mails ADD COLUMN message_id TEXT; -- NULL: it was not tried yet
