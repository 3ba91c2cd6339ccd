-- A studio signs in: a code is mailed, and the right one makes a session, which
-- is a row of tokens.
CREATE TABLE logins (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL,            -- as it was asked for, known or not
    language   TEXT NOT NULL DEFAULT '', -- of whoever asked
    account_id TEXT REFERENCES accounts (id), -- NULL: nobody's address, or not looked up yet
    code_hash  BYTEA,                    -- NULL: no code was made yet
    code_key   BIGINT NOT NULL DEFAULT 0, -- version of the code key
    tries      BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX logins_expiry ON logins (expires_at);
CREATE INDEX logins_waiting ON logins (created_at) WHERE code_hash IS NULL;

-- Where a session was begun, so that its studio knows it again.
ALTER TABLE tokens ADD COLUMN ip TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
