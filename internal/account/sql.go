package account

// Every statement of the package but those of the try limits, which stand
// beside their explanation in tries.go. They run unchanged on PostgreSQL and
// SQLite. A conditional UPDATE decides by columns of the row that it locks.

const accountColumns = `id, email, name, role, mode, state, quota_bytes, used_bytes, reserved_bytes, language, created_at`

const insertAccount = `
INSERT INTO accounts (id, email, name, role, mode, state, quota_bytes, language, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

const accountByID = `SELECT ` + accountColumns + ` FROM accounts WHERE id = $1`

const accountByEmail = `
SELECT ` + accountColumns + ` FROM accounts WHERE email = $1 AND state <> 'deleted'`

const accountsPage = `
SELECT ` + accountColumns + ` FROM accounts
WHERE state <> 'deleted' AND id < $1
ORDER BY id DESC LIMIT $2`

const renameAccount = `
UPDATE accounts SET name = $2 WHERE id = $1
RETURNING ` + accountColumns

// lockAccount changes nothing but holds the row until the transaction ends.
const lockAccount = `
UPDATE accounts SET used_bytes = used_bytes WHERE id = $1 RETURNING state`

// reserveBytes compares by subtraction, which cannot overflow: used and
// reserved together never pass $3, the limit where there is no quota. A
// reservation of nothing stands also above a quota that was lowered.
const reserveBytes = `
UPDATE accounts SET reserved_bytes = reserved_bytes + CAST($2 AS BIGINT)
WHERE id = $1 AND state = 'active'
  AND (CAST($2 AS BIGINT) = 0
    OR CAST($2 AS BIGINT) <= COALESCE(quota_bytes, CAST($3 AS BIGINT)) - used_bytes - reserved_bytes)`

const releaseBytes = `
UPDATE accounts SET reserved_bytes = reserved_bytes - CAST($2 AS BIGINT)
WHERE id = $1 AND reserved_bytes >= CAST($2 AS BIGINT)`

const settleBytes = `
UPDATE accounts SET reserved_bytes = reserved_bytes - CAST($2 AS BIGINT), used_bytes = used_bytes + CAST($2 AS BIGINT)
WHERE id = $1 AND reserved_bytes >= CAST($2 AS BIGINT)`

const unuseBytes = `
UPDATE accounts SET used_bytes = used_bytes - CAST($2 AS BIGINT)
WHERE id = $1 AND used_bytes >= CAST($2 AS BIGINT)`

const accountBytes = `SELECT state, quota_bytes, used_bytes, reserved_bytes FROM accounts WHERE id = $1`

const insertToken = `
INSERT INTO tokens (id, kind, account_id, hash, name, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)`

const tokensPage = `
SELECT id, name, created_at, last_used_at, expires_at FROM tokens
WHERE account_id = $3 AND kind = 'api' AND revoked_at IS NULL AND id < $1
ORDER BY id DESC LIMIT $2`

const tokenByHash = `
SELECT t.id, t.kind, t.account_id, t.last_used_at, t.expires_at
FROM tokens t JOIN accounts a ON a.id = t.account_id
WHERE t.hash = $1 AND t.revoked_at IS NULL AND a.state = 'active'`

// touchToken moves the end of a session with its use.
const touchToken = `
UPDATE tokens SET last_used_at = $2,
  expires_at = CASE WHEN kind = 'session' THEN CAST($4 AS BIGINT) ELSE expires_at END
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3) AND (expires_at IS NULL OR expires_at > $2)`

const revokeToken = `
UPDATE tokens SET revoked_at = $3
WHERE id = $1 AND account_id = $2 AND kind = $4 AND revoked_at IS NULL
RETURNING id, name`

const revokeTokensNamed = `
UPDATE tokens SET revoked_at = $3
WHERE account_id = $1 AND name = $2 AND kind = 'api' AND revoked_at IS NULL
RETURNING id, name`

const tokenExists = `SELECT id FROM tokens WHERE id = $1 AND account_id = $2 AND kind = $3`

const insertEvent = `
INSERT INTO events (id, account_id, at, kind, actor, ip, transfer_id, share_id, file_id, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

const eventsPage = `
SELECT id, account_id, at, kind, actor, ip, transfer_id, share_id, file_id, detail FROM events
WHERE account_id = $3 AND id < $1
ORDER BY id DESC LIMIT $2`

const eventsOfTransfer = `
SELECT id, account_id, at, kind, actor, ip, transfer_id, share_id, file_id, detail FROM events
WHERE account_id = $3 AND transfer_id = $4 AND id > $5 AND id < $1
ORDER BY id DESC LIMIT $2`

const insertKey = `
INSERT INTO keys (id, kind, owner_id, version, suite, public, private_sealed, master_version, state, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9)
ON CONFLICT DO NOTHING`

const activeKey = `
SELECT id, version, suite, public, private_sealed, master_version FROM keys
WHERE kind = $1 AND owner_id = $2 AND state = 'active'`

const codeKeyByVersion = `
SELECT id, version, suite, public, private_sealed, master_version FROM keys
WHERE kind = 'code' AND owner_id = '' AND version = $1`

const publicKeys = `
SELECT id, version, suite, public FROM keys
WHERE kind = 'account' AND owner_id = $1 AND state = 'active'
ORDER BY version DESC`

const insertFileKey = `INSERT INTO file_keys (file_id, key_id, sealed) VALUES ($1, $2, $3)`

// fileKey prefers the newest key that can still be opened.
const fileKey = `
SELECT f.sealed, k.id, k.version, k.suite, k.public, k.private_sealed, k.master_version
FROM file_keys f JOIN keys k ON k.id = f.key_id
WHERE f.file_id = $1 AND k.kind = 'account' AND k.owner_id = $2 AND k.private_sealed IS NOT NULL
ORDER BY k.version DESC LIMIT 1`
