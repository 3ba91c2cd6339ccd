ALTER TABLE mails DROP COLUMN message_id;
