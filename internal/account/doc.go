// Package account holds what belongs to a studio as such: the account and its
// quota, its keys, the secrets that prove who calls, the limits on guessing
// them, and the record of what happened.
//
// It hides how secrets are kept (only hashes, or sealed under a key that is not
// in the database), which account key a file key is sealed to, and the
// statements that keep the counters right when many processes change them at
// once.
//
// Promises:
//
//   - No statement raises used + reserved above the quota, nor above 2^53 - 1
//     bytes where there is no quota, and none takes a counter below zero: what
//     would is refused whole as ErrQuotaDrift, which names the counters.
//   - Whether an address belongs to a studio shows in nothing that asking for a
//     code or trying one answers, nor in the steps that it takes.
//   - A try is taken before the secret is compared, by one statement, so any
//     number of guesses at once gets no more than the limit.
//   - A secret is in the database only as a hash; codes and other short ones
//     only as an HMAC under a key that is itself sealed under the master key.
//   - A key row that cannot be opened here, for whatever reason, is
//     ErrKeyUnavailable: an answer to wait for, never proof of damage.
//   - An opened file key is cached for at most 60 seconds, 1,024 of them. It
//     never changes while its file lives. Nothing else is cached.
//
// Lock order of everything that changes counters: account, link, transfer, then
// files and parts. Methods that take a db.Querier run inside the caller's
// transaction. All others use connections of their own and must not be called
// inside one: on SQLite they would wait for the writer that the caller holds.
//
// It may import db, seal and mail.
package account
