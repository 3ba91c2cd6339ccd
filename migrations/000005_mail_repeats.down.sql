ALTER TABLE mails DROP COLUMN send_key;
