-- What upkeep found: damage that studios are told of, and how far the scrub is.
ALTER TABLE transfers ADD COLUMN damage_found BIGINT NOT NULL DEFAULT 0; -- how often a file of it was found damaged
ALTER TABLE transfers ADD COLUMN damage_told BIGINT NOT NULL DEFAULT 0;  -- of these, those its studio was told of
ALTER TABLE transfers ADD COLUMN damage_told_at BIGINT;
CREATE INDEX transfers_damage_untold ON transfers (id) WHERE damage_found > damage_told;

ALTER TABLE files ADD COLUMN scrubbed_at BIGINT;                   -- when all of it last authenticated
ALTER TABLE files ADD COLUMN checked_at BIGINT;                    -- when the scrub was last done with it, whatever it found
ALTER TABLE files ADD COLUMN scrub_part BIGINT NOT NULL DEFAULT 0; -- parts that authenticated in the round under way
CREATE INDEX files_scrub ON files ((COALESCE(checked_at, stored_at)), id) WHERE stored_at IS NOT NULL AND blob_key IS NOT NULL;
CREATE INDEX files_uploads ON files (id) WHERE upload_id IS NOT NULL;

-- Rows that are kept for a while only.
CREATE INDEX events_at ON events (at);
CREATE INDEX mails_ended ON mails (created_at) WHERE state IN ('sent', 'failed');
CREATE INDEX tokens_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;
