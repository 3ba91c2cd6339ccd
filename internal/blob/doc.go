// Package blob keeps sealed objects: in a bucket of S3, in a directory, or in
// memory for tests. All of them promise what S3 does, and one suite holds them
// to it.
//
// A Store is one concrete type for every kind of place. It hides how a place
// names, pages, locks and fails, and adds what is the same for all of them:
// the key grammar, the check of lengths, the classes of errors, observation.
// It knows nothing of files, accounts or encryption, and imports nothing of
// this project; of third parties, the SDK of S3.
//
// # Keys
//
// A key is `v1/<32 hex>/<32 hex>`, lower case: the account's 16 bytes and 16
// random ones. NewKey makes one for each single Put and each multipart upload.
// No key is ever written twice, nothing is copied, nothing is written over. So
// Head with the exact size proves a Put or a Complete whose reply was lost.
//
// # What an answer promises
//
//   - Nil from Put, PutPart, CreateUpload and Complete: the thing is whole and
//     outlives a crash of the process, and loss of power where disks keep fsync.
//   - An error from them: it is there whole or not at all, and what was there
//     before is as it was. The step may have happened (the reply was lost), so
//     look again before repeating: Head, Parts, Uploads.
//   - Nil from Delete and Abort: it is gone and stays gone.
//   - Of several acknowledged attempts at one part the last counts. A store may
//     keep the earlier ones; Complete takes any attempt that is still held.
//   - Reads after any of these see it.
//
// # Bodies
//
// A body is read once, never after the call has returned, and never held in
// memory. Its own failure is ErrBody with that error in it, and no failure of
// the store; one that is shorter or longer than its size is ErrLength as well.
// A driver that sends it over a connection gets the last bytes only when the
// body has ended there. A body with io.WriterTo may be asked to write itself.
//
// # Errors
//
// Each is one of the classes in errors.go, or the cause of a cancelled context.
// The text has the step and the key; keys say nothing about a person.
//
// # The bucket
//
// Nil from Put, PutPart, CreateUpload and Complete is the store's own word, of
// which a 200 is only a part: a body must have been read to its end, a Complete
// answered to its end, and without an error in it. As durable as the bucket is
// what it confirmed. Of the attempts at a part it keeps one, the last that it
// confirmed; an ETag may be a digest of the bytes, and is compared with nothing.
//
// Bodies go out unhashed, with their exact length, never as aws-chunked, once.
// One that fails resets its connection, so that no server takes what it has for
// the whole. A store that refuses a large body says so before it is read. Calls
// are repeated, with waits that adapt. A repeated CreateUpload may leave an
// upload that nobody knows, which Uploads shows, and a repeated Complete may
// find its own work done: ErrUploadNotFound. Calls, bodies out and ranges in
// have connections of their own, each kind in a bounded number. One on which no
// byte moves for ReadTimeout is given up.
//
// It takes these permissions. On the bucket: s3:ListBucket (without it a
// missing object is ErrDenied) and s3:ListBucketMultipartUploads. On v1/* in it:
// s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload and
// s3:ListMultipartUploadParts. The bucket may hold other things; they are never
// touched. docs/s3.md has the policy, and what is special about Wasabi.
//
// BucketCheck tries all of this on a real bucket, under an account that nobody
// has, `v1/0000000000000000…`, and takes away what it wrote whatever happens. A
// write that was interrupted is waited for, so that nothing comes after. What a
// check that was killed left, the next one removes after an hour.
//
// # The directory
//
//	v1/<account>/<object>                    an object of one Put: a file
//	v1/<account>/<object>/manifest           a multipart object: which attempts, in order
//	v1/<account>/<object>/<n>.<attempt>      its parts
//	uploads/<account>.<object>.<id>/         an unfinished upload, the same inside
//	tmp/                                     what is being written or deleted
//
// Everything is written in tmp, put on disk, renamed to its place, and its
// folder put on disk, in this order, before it is acknowledged. A part's ETag
// is its attempt, so no acknowledged file is ever replaced. Complete writes the
// manifest and then moves the whole folder from uploads to its key; Delete and
// Abort move it to tmp first. Each is one rename, so that no crash and no
// reader meets half of it. What a crash leaves in tmp is removed by OpenDir,
// and about hourly by Uploads: what was to be deleted at once, what was being
// written after a day. All names pass through os.Root. Several processes may
// use one folder.
package blob
