package mail

// A row that was tried stays in state sending: without a lease it waits for its
// next try at next_at, which is the end of the lease otherwise. It never goes
// back to queued, where later events would change what may have been sent.

const insertMail = `
INSERT INTO mails (id, account_id, kind, subject_key, recipient, language, vars_sealed, code_key, state, next_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $9)
ON CONFLICT (subject_key) WHERE state = 'queued' DO UPDATE SET
  recipient = excluded.recipient,
  language = excluded.language,
  vars_sealed = excluded.vars_sealed,
  code_key = excluded.code_key
RETURNING id`

// The first try writes the Message-ID down, since its domain is that of the
// sender, which may be another by the next one.
const leaseMail = `
UPDATE mails SET state = 'sending', attempts = attempts + 1, lease_owner = $2, lease_until = $3, next_at = $3,
  message_id = COALESCE(message_id, $5)
WHERE id = $1 AND state IN ('queued', 'sending') AND next_at <= $4
RETURNING account_id, kind, subject_key, recipient, language, vars_sealed, code_key, COALESCE(send_key, id), message_id, attempts, created_at`

const markSent = `
UPDATE mails SET state = 'sent', vars_sealed = NULL, lease_owner = NULL, lease_until = NULL, error = '', sent_at = $2
WHERE id = $1 AND state = 'sending'`

const markWaiting = `
UPDATE mails SET lease_owner = NULL, lease_until = NULL, next_at = $3, error = $4, send_key = COALESCE($5, send_key)
WHERE id = $1 AND state = 'sending' AND lease_owner = $2`

const markFailed = `
UPDATE mails SET state = 'failed', lease_owner = NULL, lease_until = NULL, error = $3, send_key = COALESCE($4, send_key)
WHERE id = $1 AND state = 'sending' AND lease_owner = $2`

const dueMails = `
SELECT id FROM mails WHERE state IN ('queued', 'sending') AND next_at <= $1
ORDER BY next_at LIMIT $2`
