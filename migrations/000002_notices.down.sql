DROP INDEX shares_untold;
ALTER TABLE shares DROP COLUMN told_at;
ALTER TABLE shares DROP COLUMN told_downloads;
ALTER TABLE transfers DROP COLUMN warned_at;
ALTER TABLE transfers DROP COLUMN stalled_at;
