package transfer

// Statements run on PostgreSQL and on SQLite as they stand. A conditional
// UPDATE decides by columns of its own row only. An UPDATE that sets a column
// to itself takes the row's lock, which SQLite needs no word for.

const linkColumns = `
	id, account_id, slug, title, message, password_hash, max_bytes, max_file_bytes, max_transfers,
	retention_days, expires_at, closed_at, transfers_used, bytes_held, received_bytes, created_at`

const (
	insertLink = `
INSERT INTO links (id, account_id, slug, title, message, password_hash, max_bytes, max_file_bytes,
	max_transfers, retention_days, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

	updateLink = `
UPDATE links SET slug = $2, title = $3, message = $4, password_hash = $5, max_bytes = $6,
	max_file_bytes = $7, max_transfers = $8, retention_days = $9, expires_at = $10, closed_at = $11
WHERE id = $1`

	deleteLink   = `UPDATE links SET deleted_at = $3 WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL`
	linkIDBySlug = `SELECT id FROM links WHERE slug = $1`
	countLinks   = `SELECT COUNT(*) FROM links WHERE account_id = $1`
	anyLink      = `SELECT id FROM links WHERE id = $1 AND account_id = $2`
	linkByID     = `SELECT` + linkColumns + ` FROM links WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL`
	anyLinkByID  = `SELECT` + linkColumns + ` FROM links WHERE id = $1`
	linkBySlug   = `SELECT` + linkColumns + ` FROM links WHERE slug = $1 AND deleted_at IS NULL`
	linksPage    = `SELECT` + linkColumns + ` FROM links
WHERE account_id = $1 AND id < $2 AND deleted_at IS NULL ORDER BY id DESC LIMIT $3`

	lockLink  = `UPDATE links SET slug = slug WHERE id = $1`
	takePlace = `UPDATE links SET transfers_used = transfers_used + 1
WHERE id = $1 AND (max_transfers IS NULL OR transfers_used < max_transfers)`
	leavePlace = `UPDATE links SET transfers_used = transfers_used - 1 WHERE id = $1`
	holdOnLink = `UPDATE links SET bytes_held = bytes_held + $2
WHERE id = $1 AND (max_bytes IS NULL OR bytes_held + $2 <= max_bytes)`
	letGoOfLink   = `UPDATE links SET bytes_held = bytes_held - $2 WHERE id = $1`
	receiveOnLink = `UPDATE links SET received_bytes = received_bytes + $2 WHERE id = $1`
)

const transferColumns = `
	id, account_id, link_id, title, sender_email, sender_name, message, language, state, counted,
	reserved, charged, next_position, files_total, files_open, bytes_declared, bytes_received,
	bytes_stored, created_at, completed_at, expires_at, ended_at, purge_at, last_part_at`

const (
	insertTransfer = `
INSERT INTO transfers (id, account_id, link_id, title, sender_email, sender_name, message, language, state,
	upload_token_hash, idempotency_hash, last_part_at, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13)`

	transferByID = `SELECT` + transferColumns + ` FROM transfers
WHERE id = $1 AND account_id = $2 AND state <> 'purged'`
	anyTransferByID       = `SELECT` + transferColumns + ` FROM transfers WHERE id = $1`
	transferByIdempotency = `SELECT` + transferColumns + ` FROM transfers WHERE idempotency_hash = $1`
	transferByToken       = `SELECT t.account_id, t.id FROM transfers t JOIN accounts a ON a.id = t.account_id
WHERE t.upload_token_hash = $1 AND t.state <> 'purged' AND a.state = 'active'`
	transfersPage = `SELECT` + transferColumns + ` FROM transfers
WHERE account_id = $1 AND id < $2 AND state <> 'purged' AND ($4 = '' OR $4 LIKE '%,' || state || ',%')
ORDER BY id DESC LIMIT $3`
	countTransfers = `SELECT state, COUNT(*) FROM transfers WHERE account_id = $1 AND state <> 'purged' GROUP BY state`
	transfersFound = `SELECT` + transferColumns + ` FROM transfers
WHERE account_id = $1 AND id < $2 AND state <> 'purged' AND ($4 = '' OR $4 LIKE '%,' || state || ',%')
	AND (LOWER(title) LIKE $5 ESCAPE '!' OR LOWER(title) LIKE $6 ESCAPE '!'
	OR LOWER(sender_email) LIKE $5 ESCAPE '!'
	OR LOWER(sender_name) LIKE $5 ESCAPE '!' OR LOWER(sender_name) LIKE $6 ESCAPE '!'
	OR EXISTS (SELECT 1 FROM files f WHERE f.transfer_id = transfers.id AND f.state <> 'deleted'
		AND (LOWER(f.path) LIKE $5 ESCAPE '!' OR LOWER(f.path) LIKE $6 ESCAPE '!')))
ORDER BY id DESC LIMIT $3`

	lockTransfer  = `UPDATE transfers SET state = state WHERE id = $1 RETURNING` + transferColumns
	lockReceiving = `UPDATE transfers SET state = state
WHERE id = $1 AND state = 'receiving' AND expires_at > $2 RETURNING` + transferColumns
	lockComplete = `UPDATE transfers SET state = state WHERE id = $1 AND state = 'complete' AND expires_at > $2`
	lockIdle     = `UPDATE transfers SET state = state
WHERE id = $1 AND state = 'receiving' AND reserved = 1 AND last_part_at < $2 RETURNING` + transferColumns

	addFiles = `UPDATE transfers SET counted = 1, reserved = 1, next_position = next_position + $2,
	files_total = files_total + $2, files_open = files_open + $3, bytes_declared = bytes_declared + $4
WHERE id = $1`
	removeFile = `UPDATE transfers SET files_total = files_total - 1, files_open = files_open - $2,
	bytes_declared = bytes_declared - $3, bytes_received = bytes_received - $4, bytes_stored = bytes_stored - $5
WHERE id = $1`
	unreceiveBytes = `UPDATE transfers SET bytes_received = bytes_received - $2 WHERE id = $1`

	// Where a part is accepted: $2 now, $3 its plain bytes, $4 the new expiry.
	touchTransfer = `UPDATE transfers SET last_part_at = $2, bytes_received = bytes_received + $3,
	expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE $4 END
WHERE id = $1 AND state = 'receiving' AND reserved = 1 AND expires_at > $2`
	touchAndStore = `UPDATE transfers SET last_part_at = $2, bytes_received = bytes_received + $3,
	bytes_stored = bytes_stored + $3, files_open = files_open - 1,
	expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE $4 END
WHERE id = $1 AND state = 'receiving' AND reserved = 1 AND expires_at > $2`
	storeOnTransfer = `UPDATE transfers SET files_open = files_open - 1, bytes_stored = bytes_stored + $2
WHERE id = $1 AND state = 'receiving'`

	retakeReservation = `UPDATE transfers SET reserved = 1, last_part_at = $2
WHERE id = $1 AND state = 'receiving' AND reserved = 0 AND expires_at > $2 RETURNING` + transferColumns
	lapseReservation = `UPDATE transfers SET reserved = 0 WHERE id = $1`
	uncharge         = `UPDATE transfers SET charged = 0, reserved = 0,
	counted = CASE WHEN completed_at IS NULL THEN 0 ELSE counted END
WHERE id = $1`

	completeTransfer = `UPDATE transfers SET state = 'complete', completed_at = $2, expires_at = $3
WHERE id = $1 AND state = 'receiving' AND files_open = 0 AND files_total > 0 AND expires_at > $2
RETURNING` + transferColumns

	// Ends that cannot be undone: $2 the state, $3 now.
	endReceiving = `UPDATE transfers SET state = $2, ended_at = $3, purge_at = $3
WHERE id = $1 AND state = 'receiving' RETURNING` + transferColumns
	endExpired = `UPDATE transfers SET state = $2, ended_at = $3, purge_at = $3
WHERE id = $1 AND state IN ('receiving', 'complete') AND expires_at <= $3 RETURNING` + transferColumns
	endEmpty = `UPDATE transfers SET state = $2, ended_at = $3, purge_at = $3
WHERE id = $1 AND state = 'receiving' AND counted = 0 RETURNING` + transferColumns

	deleteTransfer = `UPDATE transfers SET state = 'deleted', prior_state = $2, ended_at = $3, purge_at = $4
WHERE id = $1`
	restoreTransfer = `UPDATE transfers SET state = prior_state, prior_state = NULL, ended_at = NULL, purge_at = NULL,
	charged = 1, counted = CASE WHEN next_position > 0 THEN 1 ELSE 0 END
WHERE id = $1 AND state = 'deleted' AND purge_at > $2 RETURNING` + transferColumns
	extendTransfer = `UPDATE transfers SET expires_at = $2
WHERE id = $1 AND state IN ('receiving', 'complete') AND expires_at > $3 RETURNING` + transferColumns

	// A purge makes a deleted transfer purged; aborted and expired ones stay what
	// they are, so that a guest who comes back learns what became of them.
	beginPurge = `UPDATE transfers SET state = CASE WHEN state = 'deleted' THEN 'purged' ELSE state END
WHERE id = $1 AND purge_at <= $2 AND state IN ('aborted', 'expired', 'deleted', 'purged') RETURNING` + transferColumns
	endPurge = `UPDATE transfers SET purge_at = NULL, sender_email = '', sender_name = '', message = ''
WHERE id = $1 AND state IN ('aborted', 'expired', 'purged') AND purge_at IS NOT NULL`
	putPurgeOff = `UPDATE transfers SET purge_at = $2 + CASE WHEN ($2 - ended_at) / 8 < $3 THEN $3
	WHEN ($2 - ended_at) / 8 > $4 THEN $4 ELSE ($2 - ended_at) / 8 END
WHERE id = $1 AND state IN ('aborted', 'expired', 'purged') AND purge_at IS NOT NULL`
	deleteTransferRow = `DELETE FROM transfers WHERE id = $1`

	expiredDue = `SELECT` + transferColumns + ` FROM transfers
WHERE state IN ('receiving', 'complete') AND (expires_at <= $1
	OR (state = 'receiving' AND counted = 0 AND created_at <= $2)) LIMIT $3`
	idleDue = `SELECT` + transferColumns + ` FROM transfers
WHERE state = 'receiving' AND reserved = 1 AND last_part_at < $1 LIMIT $2`
	bytesToCome = `SELECT CAST(COALESCE(SUM(bytes_declared - bytes_received), 0) AS BIGINT) FROM transfers
WHERE state = 'receiving' AND reserved = 1`
	purgeDue      = `SELECT id FROM transfers WHERE purge_at <= $1 ORDER BY purge_at LIMIT $2`
	purgedLongAgo = `SELECT id FROM transfers
WHERE state IN ('aborted', 'expired', 'purged') AND purge_at IS NULL AND ended_at <= $1 ORDER BY ended_at LIMIT $2`
)

const fileColumns = `
	id, transfer_id, account_id, position, path, path_key, size, modified, type, part_size, part_count,
	parts_stored, state, sealing, upload_gen, blob_key, upload_id, crc32, looks, created_at, stored_at`

const (
	insertFilesHead = `
INSERT INTO files (id, transfer_id, account_id, position, path, path_key, size, modified, type, part_size,
	part_count, state, format, sealing, crc32, crc_source, created_at, stored_at) VALUES `
	insertFileKeysHead = `INSERT INTO file_keys (file_id, key_id, sealed) VALUES `

	fileByID = `SELECT` + fileColumns + ` FROM files
WHERE id = $1 AND account_id = $2 AND state <> 'deleted'`
	anyFileByID     = `SELECT` + fileColumns + ` FROM files WHERE id = $1 AND account_id = $2`
	deletedFile     = `SELECT` + fileColumns + ` FROM files WHERE id = $1 AND state = 'deleted'`
	fileStateByID   = `SELECT state FROM files WHERE id = $1`
	filesOfTransfer = `SELECT` + fileColumns + ` FROM files
WHERE transfer_id = $1 AND state <> 'deleted' AND position > $2 ORDER BY position LIMIT $3`
	fileAtPosition = `SELECT` + fileColumns + ` FROM files
WHERE transfer_id = $1 AND position = $2 AND state <> 'deleted'`
	filesByPathHead = `SELECT` + fileColumns + ` FROM files
WHERE transfer_id = $1 AND state <> 'deleted' AND path_key IN (`
	firstBelow = `SELECT * FROM (SELECT` + fileColumns + ` FROM files
WHERE transfer_id = $1 AND state <> 'deleted' AND path_key >= $%d AND path_key < $%d
ORDER BY path_key LIMIT 1) AS q%d`
	anyBelow = `SELECT %[3]d FROM (SELECT id FROM files
WHERE transfer_id = $1 AND state <> 'deleted' AND path_key >= $%[1]d AND path_key < $%[2]d
ORDER BY path_key LIMIT 1) AS q%[3]d`
	receivingFiles = `SELECT` + fileColumns + ` FROM files
WHERE transfer_id = $1 AND state = 'receiving' ORDER BY position LIMIT $2`
	countReceiving = `SELECT COUNT(*) FROM files WHERE transfer_id = $1 AND state = 'receiving'`
	sealingFiles   = `SELECT id FROM files WHERE transfer_id = $1 AND state = 'sealing' LIMIT $2`
	filesToPurge   = `SELECT` + fileColumns + ` FROM files WHERE transfer_id = $1 AND position > $2 ORDER BY position LIMIT $3`

	// What BeginPart needs, in one statement.
	filePartAndTransfer = `SELECT
	f.id, f.transfer_id, f.account_id, f.position, f.path, f.path_key, f.size, f.modified, f.type,
	f.part_size, f.part_count, f.parts_stored, f.state, f.sealing, f.upload_gen, f.blob_key,
	f.upload_id, f.crc32, f.looks, f.created_at, f.stored_at,
	t.state, t.expires_at, t.created_at, t.link_id, p.size, p.crc32
FROM files f JOIN transfers t ON t.id = f.transfer_id
LEFT JOIN parts p ON p.file_id = f.id AND p.number = $3
WHERE f.id = $1 AND f.account_id = $2 AND f.state <> 'deleted'`

	adoptUpload = `UPDATE files SET blob_key = $3, upload_id = $4
WHERE id = $1 AND upload_gen = $2 AND state = 'receiving' AND upload_id IS NULL`
	countPart = `UPDATE files SET parts_stored = parts_stored + 1,
	state = CASE WHEN parts_stored + 1 = part_count THEN 'sealing' ELSE state END,
	due_at = CASE WHEN parts_stored + 1 = part_count THEN $4 ELSE due_at END
WHERE id = $1 AND state = 'receiving' AND upload_gen = $2 AND upload_id = $3 RETURNING state`
	storeWhole = `UPDATE files SET state = 'stored', parts_stored = 1, blob_key = $3, crc32 = $4,
	crc_source = 'server', stored_at = $5
WHERE id = $1 AND state = 'receiving' AND upload_gen = $2 AND part_count = 1`

	leaseFile = `UPDATE files SET lease_owner = $2, lease_until = $3
WHERE id = $1 AND (state = 'sealing' OR (state = 'receiving' AND lost_since IS NOT NULL))
	AND (lease_until IS NULL OR lease_until <= $4)
RETURNING` + fileColumns
	renewLease = `UPDATE files SET lease_until = $3 WHERE id = $1 AND lease_owner = $2`
	yieldLease = `UPDATE files SET lease_owner = NULL, lease_until = NULL, due_at = $3
WHERE id = $1 AND lease_owner = $2`
	storeFile = `UPDATE files SET state = 'stored', crc32 = $3, crc_source = 'server', stored_at = $4,
	upload_id = NULL, due_at = NULL, lost_since = NULL, looks = 0, lease_owner = NULL, lease_until = NULL
WHERE id = $1 AND state = 'sealing' AND lease_owner = $2`

	suspectLoss = `UPDATE files SET lost_since = COALESCE(lost_since, $3), due_at = $3
WHERE id = $1 AND upload_gen = $2 AND state = 'receiving'`
	countLook = `UPDATE files SET lost_since = COALESCE(lost_since, $3), looks = looks + 1
WHERE id = $1 AND upload_gen = $2 AND lease_owner = $4 AND state IN ('receiving', 'sealing') RETURNING lost_since, looks`
	foundAgain = `UPDATE files SET lost_since = NULL, looks = 0, due_at = NULL, lease_owner = NULL, lease_until = NULL
WHERE id = $1 AND upload_gen = $2 AND state = 'receiving'`
	restartFile = `UPDATE files SET state = 'receiving', upload_gen = upload_gen + 1, parts_stored = 0,
	blob_key = NULL, upload_id = NULL, lost_since = NULL, looks = 0, due_at = NULL,
	lease_owner = NULL, lease_until = NULL
WHERE id = $1 AND upload_gen = $2 AND lease_owner = $3 AND state IN ('receiving', 'sealing')`

	markFileDeleted = `UPDATE files SET state = 'deleted', deleted_at = $2, due_at = $2,
	lease_owner = NULL, lease_until = NULL WHERE id = $1`
	forgetBlob    = `UPDATE files SET blob_key = NULL, upload_id = NULL, due_at = NULL WHERE id = $1`
	deleteFileRow = `DELETE FROM files WHERE id = $1`

	sealingDue = `SELECT id FROM files
WHERE due_at <= $1 AND state IN ('sealing', 'receiving') ORDER BY due_at LIMIT $2`
	deletedDue = `SELECT id FROM files WHERE due_at <= $1 AND state = 'deleted' ORDER BY due_at LIMIT $2`
	// $2 now, $3 the least and $4 the longest pause: an eighth of the time that it waits.
	putFileOff = `UPDATE files SET due_at = $2 + CASE WHEN ($2 - deleted_at) / 8 < $3 THEN $3
	WHEN ($2 - deleted_at) / 8 > $4 THEN $4 ELSE ($2 - deleted_at) / 8 END
WHERE id = $1 AND state = 'deleted' AND due_at IS NOT NULL`
	blobsKnownHead = `SELECT blob_key, upload_id FROM files WHERE blob_key IN (`

	keysToShred = `SELECT k.file_id FROM file_keys k JOIN files f ON f.id = k.file_id
WHERE f.transfer_id = $1 LIMIT $2`
	shredKeysHead  = `DELETE FROM file_keys WHERE file_id IN (`
	deleteFileKeys = `DELETE FROM file_keys WHERE file_id = $1`
)

const (
	insertPart = `INSERT INTO parts (file_id, number, size, crc32, etag, head, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (file_id, number) DO NOTHING`
	partsPage = `SELECT number, size, crc32 FROM parts
WHERE file_id = $1 AND number > $2 ORDER BY number LIMIT $3`
	partsOfFile = `SELECT number, size, crc32, etag FROM parts WHERE file_id = $1 ORDER BY number`
	bytesOfFile = `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM parts WHERE file_id = $1`
	headOfPart  = `SELECT head FROM parts WHERE file_id = $1 AND number = $2`
	adoptETag   = `UPDATE parts SET etag = $3, crc32 = -1 WHERE file_id = $1 AND number = $2`
	verifyPart  = `UPDATE parts SET crc32 = $3, head = $4 WHERE file_id = $1 AND number = $2`
	deleteParts = `DELETE FROM parts WHERE file_id = $1`
	numbersHead = `SELECT file_id, number FROM parts WHERE file_id IN (`
	numbersTail = `) ORDER BY file_id, number`
)

const shareColumns = `
	s.id, s.transfer_id, s.account_id, s.origin, s.token_sealed, s.code_hash, s.code_key, s.recipients,
	s.max_downloads, s.downloads, s.expires_at, s.revoked_at, s.created_at, t.state, t.expires_at
FROM shares s JOIN transfers t ON t.id = s.transfer_id JOIN accounts a ON a.id = s.account_id`

const (
	insertShare = `INSERT INTO shares (id, transfer_id, account_id, origin, token_hash, token_sealed, code_hash,
	code_key, recipients, max_downloads, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	shareByToken = `SELECT` + shareColumns + ` WHERE s.token_hash = $1 AND a.state = 'active'`
	shareByID    = `SELECT` + shareColumns + ` WHERE s.id = $1`
	sharesPage   = `SELECT` + shareColumns + `
WHERE s.transfer_id = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3`
	transferOfShare = `SELECT transfer_id FROM shares WHERE id = $1 AND account_id = $2`
	revokeShare     = `UPDATE shares SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`
	countDownload   = `UPDATE shares SET downloads = downloads + 1
WHERE id = $1 AND revoked_at IS NULL AND (max_downloads IS NULL OR downloads < max_downloads)`
	deleteSharesOf = `DELETE FROM shares WHERE transfer_id = $1`

	insertFetch = `INSERT INTO fetches (id, share_id, hash, ip, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)`
	liveFetch       = `SELECT expires_at FROM fetches WHERE hash = $1 AND share_id = $2 AND expires_at > $3`
	unlockedFrom    = `SELECT COUNT(*) FROM fetches WHERE share_id = $1 AND ip = $2`
	deleteFetches   = `DELETE FROM fetches WHERE id IN (SELECT id FROM fetches WHERE expires_at <= $1 LIMIT $2)`
	deleteFetchesOf = `DELETE FROM fetches WHERE share_id IN (SELECT id FROM shares WHERE transfer_id = $1)`
)

const (
	insertChore = `INSERT INTO chores (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`
	lockChore   = `UPDATE chores SET name = name WHERE name = $1`
	leaseChore  = `UPDATE chores SET lease_owner = $2, lease_until = $3
WHERE name = $1 AND (lease_until <= $4 OR lease_owner = $2)`
	endFileLeases  = `UPDATE files SET lease_owner = NULL, lease_until = NULL WHERE lease_until IS NOT NULL`
	forgetWalk     = `UPDATE chores SET cursor = '' WHERE name = $1`
	endChoreLeases = `UPDATE chores SET lease_owner = NULL, lease_until = 0 WHERE lease_owner IS NOT NULL`
	yieldChore     = `UPDATE chores SET lease_owner = NULL, lease_until = 0, last_run_at = $3
WHERE name = $1 AND lease_owner = $2`
	choreRanSince = `SELECT name FROM chores WHERE name = $1 AND last_run_at > $2`
	keepChore     = `UPDATE chores SET name = name WHERE name = $1 AND lease_owner = $2`
	cursorOfChore = `SELECT cursor FROM chores WHERE name = $1`
	moveChore     = `UPDATE chores SET cursor = $2 WHERE name = $1`
)
