// Package seal holds the vault format: how a file's bytes are sealed before
// they reach the bucket, how any byte range of them is opened again, and how
// the keys for both are kept. SPEC.md beside this file is the format; this
// package is its only implementation in Go, and testdata/vectors is the judge
// of both.
//
// A file is cut into parts. Each part is one ciphertext of Tink's streaming
// AEAD AES256-GCM-HKDF with 64 KiB segments, so Tink reads what we write and
// the other way round. An object is the sealed parts one after another.
//
// What it hides: segment arithmetic, headers, nonces, associated data, HPKE
// and the order of keys. Nothing outside this package computes an offset in a
// sealed object or touches a nonce.
//
// What it promises:
//   - a PartReader never gives out the last segment of a body that was short,
//     long, broken or did not match its digest, so a store that demands the
//     whole length keeps what it had;
//   - every PartReader uses a fresh salt, so sending a part twice with
//     different bytes never uses a key stream twice;
//   - an Opener never gives out a byte whose segment was not authenticated;
//   - an Opener holds one segment in memory, a PartReader at most 256 KiB of
//     plain and as much of sealed bytes; neither starts a goroutine or a pipe;
//   - a Key, a MasterKey and a Ring never show their bytes when printed.
//
// What it does not do: it stores nothing, knows no database and no bucket,
// and does not decide who may read.
//
// It imports the standard library only.
package seal
