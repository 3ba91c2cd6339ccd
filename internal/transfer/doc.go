// Package transfer is the product: upload links, transfers, their files and
// parts, and the shares by which others fetch them. It owns their rows and is
// the only one that moves their states.
//
// # States
//
//	transfer  receiving → complete → expired, or deleted → purged
//	          receiving → aborted, expired, or deleted   → purged
//	file      receiving → sealing → stored              (one part: receiving → stored)
//	          any → deleted;  stored ⇄ damaged;  sealing → receiving when the bucket lost it
//
// A part is recorded by one short transaction that changes the transfer's row,
// inserts the part and counts it in the file's row; whoever sees the last part
// takes the file to sealing. That transaction alone decides. Completing a
// multipart upload is a lease on the file's row, so that any number of
// processes may try. Everything that waits is a row that Sweep finds: the queue
// only makes it sooner.
//
// A conditional UPDATE decides only by columns of the row that it locks. Locks
// are taken in the order account, link, transfer, then files and parts.
//
// # Promises
//
// The tests name them.
//
//	I1  A part that was acknowledged is never lost or asked for again, as long
//	    as the bucket keeps what it acknowledged. Of two different bodies for
//	    one part, one counts whole with its right CRC, never a mix.
//	I2  A file is stored only when the bucket confirmed the whole object.
//	I3  No plaintext byte leaves unauthenticated.
//	I4  The bucket never holds a plaintext byte, a name or a date.
//	I5  No statement raises used + reserved above the quota.
//	I6  Every blob belongs to a row or is gone after the sweep's grace; every
//	    multipart upload that ended is aborted, again until the bucket says it
//	    is gone.
//	I7  No request of one account or token reads or changes another's; every
//	    query is scoped by what the token gives.
//	I8  Purge: reads stop, then file keys, then blobs, then rows.
//	I9  Memory is bounded by configuration, never by input.
//
// # What it bears
//
// A transfer bears bytes in its account and link: while reserved is 1 all that
// was declared, after an idle day only what was received. Stored files count as
// used, the rest as reserved. charged is 1 as long as it bears anything.
//
// It may import db, blob, jobs, seal, account, mail and names.
package transfer
