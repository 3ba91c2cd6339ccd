-- A mail service that drops repeats within a while knows them by this. A try
-- that it answered with no is followed by one under another key, which it
-- cannot take for a repeat of something that it sent.
ALTER TABLE mails ADD COLUMN send_key TEXT; -- UUID; NULL: the id
