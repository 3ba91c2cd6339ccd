-- What studios were told of, so that they are told once.
ALTER TABLE transfers ADD COLUMN stalled_at BIGINT; -- when the studio was told that nothing comes any more
ALTER TABLE transfers ADD COLUMN warned_at BIGINT;  -- when it was told that the transfer expires soon
ALTER TABLE shares ADD COLUMN told_downloads BIGINT NOT NULL DEFAULT 0; -- of downloads, those it was told of
ALTER TABLE shares ADD COLUMN told_at BIGINT;
CREATE INDEX shares_untold ON shares (id) WHERE downloads > told_downloads;
