-- One text for PostgreSQL and SQLite: TEXT ids (UUIDv7), BIGINT microseconds
-- UTC, BIGINT 0/1, BYTEA, states as TEXT without CHECK (the list of states is
-- in Go). docs/architecture.md explains the subset.

CREATE TABLE accounts (
    id             TEXT PRIMARY KEY,
    email          TEXT NOT NULL,           -- lower case, as it is compared
    name           TEXT NOT NULL,
    role           TEXT NOT NULL,           -- owner
    mode           TEXT NOT NULL,           -- vault | sealed
    state          TEXT NOT NULL,           -- active | disabled | deleted
    quota_bytes    BIGINT,                  -- NULL: none
    used_bytes     BIGINT NOT NULL DEFAULT 0,  -- plain bytes of stored files
    reserved_bytes BIGINT NOT NULL DEFAULT 0,  -- plain bytes promised to declared files
    language       TEXT NOT NULL DEFAULT '',
    created_at     BIGINT NOT NULL,
    deleted_at     BIGINT
);
CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE state <> 'deleted';

-- Account keys (kind account) and the key of low-entropy secrets (kind code).
CREATE TABLE keys (
    id             TEXT PRIMARY KEY,
    kind           TEXT NOT NULL,           -- account | code
    owner_id       TEXT NOT NULL DEFAULT '',
    version        BIGINT NOT NULL,
    suite          BYTEA,
    public         BYTEA,
    private_sealed BYTEA,                   -- NULL: destroyed
    master_version BIGINT NOT NULL,
    state          TEXT NOT NULL,           -- active | retiring | destroyed
    created_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX keys_version ON keys (kind, owner_id, version);
CREATE UNIQUE INDEX keys_active ON keys (kind, owner_id) WHERE state = 'active';

-- API tokens and sessions: 256-bit secrets, looked up by SHA-256.
CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,             -- api | session
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    hash         BYTEA NOT NULL,
    name         TEXT NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE INDEX tokens_account ON tokens (account_id, kind, id);

-- Try limits of every kind: a counted window or a leaky bucket a row.
CREATE TABLE tries (
    scope      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    count      BIGINT NOT NULL,
    at         BIGINT NOT NULL,             -- start of the window, or when the bucket is empty
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (scope, subject)
);
CREATE INDEX tries_expiry ON tries (expires_at);

CREATE TABLE links (
    id              TEXT PRIMARY KEY,
    account_id      TEXT NOT NULL REFERENCES accounts (id),
    slug            TEXT NOT NULL,
    title           TEXT NOT NULL DEFAULT '',
    message         TEXT NOT NULL DEFAULT '',
    password_hash   TEXT,
    max_bytes       BIGINT,
    max_file_bytes  BIGINT,
    max_transfers   BIGINT,
    retention_days  BIGINT,                 -- NULL: retention.complete
    expires_at      BIGINT,
    closed_at       BIGINT,
    deleted_at      BIGINT,
    transfers_used  BIGINT NOT NULL DEFAULT 0, -- transfers with a first file
    bytes_held      BIGINT NOT NULL DEFAULT 0, -- plain bytes counted against max_bytes
    received_bytes  BIGINT NOT NULL DEFAULT 0, -- plain bytes of files that became stored, ever
    created_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX links_slug ON links (slug);
CREATE INDEX links_account ON links (account_id, id);

CREATE TABLE transfers (
    id                TEXT PRIMARY KEY,
    account_id        TEXT NOT NULL REFERENCES accounts (id),
    link_id           TEXT REFERENCES links (id), -- NULL: the studio's own
    title             TEXT NOT NULL DEFAULT '',
    sender_email      TEXT NOT NULL DEFAULT '',
    sender_name       TEXT NOT NULL DEFAULT '',
    message           TEXT NOT NULL DEFAULT '',
    language          TEXT NOT NULL DEFAULT '',
    state             TEXT NOT NULL,        -- receiving | complete | aborted | expired | deleted | purged
    upload_token_hash BYTEA NOT NULL,
    idempotency_hash  BYTEA,                -- over the link's id and the key
    counted           BIGINT NOT NULL DEFAULT 0, -- 1: holds one of the link's max_transfers
    reserved          BIGINT NOT NULL DEFAULT 1, -- 0: its unreceived bytes were given back
    charged           BIGINT NOT NULL DEFAULT 1, -- 0: account and link bear its bytes no longer
    next_position     BIGINT NOT NULL DEFAULT 0, -- position of the next declared file
    files_total       BIGINT NOT NULL DEFAULT 0, -- files that are not deleted
    files_open        BIGINT NOT NULL DEFAULT 0, -- of these, not yet stored
    bytes_declared    BIGINT NOT NULL DEFAULT 0,
    bytes_received    BIGINT NOT NULL DEFAULT 0, -- plain bytes of recorded parts
    bytes_stored      BIGINT NOT NULL DEFAULT 0, -- plain bytes of stored files
    last_part_at      BIGINT NOT NULL,      -- or when it was made
    created_at        BIGINT NOT NULL,
    completed_at      BIGINT,
    expires_at        BIGINT NOT NULL,
    ended_at          BIGINT,               -- aborted, expired, deleted
    prior_state       TEXT,                 -- what a delete can be undone to
    purge_at          BIGINT                -- when the purge may begin
);
CREATE UNIQUE INDEX transfers_upload_token ON transfers (upload_token_hash);
CREATE UNIQUE INDEX transfers_idempotency ON transfers (idempotency_hash) WHERE idempotency_hash IS NOT NULL;
CREATE INDEX transfers_account ON transfers (account_id, id);
CREATE INDEX transfers_link ON transfers (link_id, id);
CREATE INDEX transfers_expiry ON transfers (expires_at) WHERE state IN ('receiving', 'complete');
CREATE INDEX transfers_idle ON transfers (last_part_at) WHERE state = 'receiving';
CREATE INDEX transfers_purge ON transfers (purge_at) WHERE purge_at IS NOT NULL;
CREATE INDEX transfers_ended ON transfers (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE files (
    id           TEXT PRIMARY KEY,
    transfer_id  TEXT NOT NULL REFERENCES transfers (id),
    account_id   TEXT NOT NULL REFERENCES accounts (id),
    position     BIGINT NOT NULL,           -- order of declaration
    path         TEXT NOT NULL,             -- as it was sent
    path_key     BYTEA NOT NULL,            -- NFC, what makes it unique
    size         BIGINT NOT NULL,
    modified     BIGINT,                    -- micros; NULL: not said
    type         TEXT NOT NULL DEFAULT '',
    part_size    BIGINT NOT NULL,
    part_count   BIGINT NOT NULL,
    parts_stored BIGINT NOT NULL DEFAULT 0,
    state        TEXT NOT NULL,             -- receiving | sealing | stored | damaged | deleted
    format       BIGINT NOT NULL,
    sealing      TEXT NOT NULL,             -- server | client
    upload_gen   BIGINT NOT NULL DEFAULT 1, -- rises when an upload vanished and its parts are asked for again
    blob_key     TEXT,
    upload_id    TEXT,                      -- multipart upload; NULL for a plain PUT or when it ended
    crc32        BIGINT,                    -- of the whole file, once stored
    crc_source   TEXT,                      -- server | client
    lease_owner  TEXT,                      -- who completes it now
    lease_until  BIGINT,
    lost_since   BIGINT,                    -- first of the agreeing looks that found the upload gone
    looks        BIGINT NOT NULL DEFAULT 0,
    due_at       BIGINT,                    -- when the sweep takes its next step; NULL: none waits
    created_at   BIGINT NOT NULL,
    stored_at    BIGINT,
    deleted_at   BIGINT
);
CREATE UNIQUE INDEX files_path ON files (transfer_id, path_key) WHERE state <> 'deleted';
CREATE UNIQUE INDEX files_position ON files (transfer_id, position);
CREATE INDEX files_account ON files (account_id, id);
CREATE INDEX files_due ON files (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX files_blob ON files (blob_key) WHERE blob_key IS NOT NULL;

CREATE TABLE file_keys (
    file_id TEXT NOT NULL REFERENCES files (id),
    key_id  TEXT NOT NULL REFERENCES keys (id) ON DELETE RESTRICT,
    sealed  BYTEA NOT NULL,
    PRIMARY KEY (file_id, key_id)
);
CREATE INDEX file_keys_key ON file_keys (key_id);

-- What was acknowledged. A row never changes but for its ETag, when the bucket
-- turned out to hold another attempt of the same length.
CREATE TABLE parts (
    file_id     TEXT NOT NULL REFERENCES files (id),
    number      BIGINT NOT NULL,            -- from 1
    size        BIGINT NOT NULL,            -- plain bytes
    crc32       BIGINT NOT NULL,            -- of the plain bytes
    etag        TEXT NOT NULL,
    head        BYTEA NOT NULL,             -- salt and prefix, 39 bytes
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (file_id, number)
);

CREATE TABLE shares (
    id            TEXT PRIMARY KEY,
    transfer_id   TEXT NOT NULL REFERENCES transfers (id),
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    origin        TEXT NOT NULL,            -- guest | studio
    token_hash    BYTEA NOT NULL,
    token_sealed  BYTEA,                    -- a studio's own, so that its link can be shown again
    code_hash     BYTEA NOT NULL,
    code_key      BIGINT NOT NULL,          -- version of the code key
    recipients    TEXT NOT NULL DEFAULT '[]',
    max_downloads BIGINT,
    downloads     BIGINT NOT NULL DEFAULT 0,
    expires_at    BIGINT,                   -- NULL: when the transfer does
    revoked_at    BIGINT,
    created_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX shares_token ON shares (token_hash);
CREATE INDEX shares_transfer ON shares (transfer_id, id);
CREATE INDEX shares_account ON shares (account_id, id);

-- Fetch tokens: made by a right code, bound to one share.
CREATE TABLE fetches (
    id         TEXT PRIMARY KEY,
    share_id   TEXT NOT NULL REFERENCES shares (id),
    hash       BYTEA NOT NULL,
    ip         TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX fetches_hash ON fetches (hash);
CREATE INDEX fetches_share ON fetches (share_id, ip);
CREATE INDEX fetches_expiry ON fetches (expires_at);

-- Events outlive what they tell of, so they point at nothing.
CREATE TABLE events (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL,
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    actor       TEXT NOT NULL,              -- guest | studio | system
    ip          TEXT NOT NULL DEFAULT '',
    transfer_id TEXT,
    share_id    TEXT,
    file_id     TEXT,
    detail      TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX events_account ON events (account_id, id);

-- Mail is a row first and a message after.
CREATE TABLE mails (
    id          TEXT PRIMARY KEY,           -- also its Message-ID
    account_id  TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject_key TEXT NOT NULL,              -- many events of one subject become one message
    recipient   TEXT NOT NULL,
    language    TEXT NOT NULL DEFAULT '',
    vars_sealed BYTEA,                      -- NULL once sent
    code_key    BIGINT NOT NULL,
    state       TEXT NOT NULL,              -- queued | sending | sent | failed
    attempts    BIGINT NOT NULL DEFAULT 0,
    next_at     BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    error       TEXT NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    sent_at     BIGINT
);
CREATE INDEX mails_due ON mails (next_at) WHERE state IN ('queued', 'sending');
CREATE UNIQUE INDEX mails_subject ON mails (subject_key) WHERE state = 'queued';
CREATE INDEX mails_account ON mails (account_id, id);

-- Leases and cursors of periodic work, which any number of processes may run.
CREATE TABLE chores (
    name        TEXT PRIMARY KEY,
    lease_owner TEXT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    last_run_at BIGINT,
    cursor      TEXT NOT NULL DEFAULT ''
);
