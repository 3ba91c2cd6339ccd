// Package mail sends what people are told outside the pages. A message is a row
// first, written by the transaction that makes it true, and is sent after.
//
// It hides the queue in the database, how a message is put together from the
// catalogue, and who carries it away.
//
// Promises:
//
//   - A message whose transaction was committed is sent at least once or given
//     up with a callback after about a day of tries, whatever crashes between.
//   - However often it is sent, it has the same content, date and Message-ID, so
//     that mail systems can drop a repeat. For that, a row is not changed any
//     more once its first try began; a later event of its subject is a new row.
//   - Many events of one subject become one message while it is queued.
//   - What a message says is sealed in its row until it was sent, then dropped.
//     A message given up keeps it, so that an operator can try again.
//   - A text from a guest is never a header of its own nor markup.
//
// It may import db, catalog and go-mail. Sealing comes in as functions, because the
// package that holds the keys imports this one.
package mail
