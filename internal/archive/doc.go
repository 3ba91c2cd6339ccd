// Package archive lays out one ZIP of many files, of which every byte follows
// from the manifest: the files' paths, sizes, CRCs and times. So its length
// and its ETag are known before a byte of content is read, and reading can
// begin at any offset without producing what comes before it.
//
// # Layout
//
// The files come in the manifest's order, each as a local header and its
// stored (never deflated) bytes, without a data descriptor; then the central
// directory in the same order; then the end records. The format is that of
// PKWARE's APPNOTE.TXT 6.3.10. N is the length of an entry's name in bytes:
//
//	local header     30 + N + time + zip64
//	  time            9, the extended timestamp 0x5455, from 1970-01-01 to 2038-01-19; else 0
//	  zip64          20 where size ≥ 0xFFFFFFFF (the size twice); else 0
//	content          size
//	central record   46 + N + time + zip64
//	  time            9, or 0 as in the local header
//	  zip64           0, or 4, and 16 where size ≥ 0xFFFFFFFF, and 8 where the local header's offset ≥ 0xFFFFFFFF
//	ZIP64 end        56 + 20 (record and locator) with ≥ 0xFFFF files, or a directory of ≥ 0xFFFFFFFF bytes or at
//	                 such an offset; else 0
//	end record       22
//
// Names are UTF-8 (flag bit 11), made safe for Windows, macOS and Linux and
// unique by names.Unique. Folders are kept by the paths of the files in them;
// there are no entries for folders. The version needed is 10, or 45 for an
// entry with a zip64 field; 20 is for folders and deflate, which never occur.
// Files are regular ones of mode 0644, made by Unix.
//
// DOS times are UTC, rounded down to two seconds; what lies beyond them is
// 1980-01-01 00:00:00 or 2107-12-31 23:59:58. The extended timestamp has UTC to
// the second. It is left out where readers disagree: some take its 32 bits as
// signed and some as unsigned, so only what is the same for both is written.
//
// # Cost
//
// The manifest is read in pages and not kept. A Plan keeps 48 bytes for every
// 64 files, less than one byte a file, and some ten bytes for each segment of
// a name that had to be numbered. A Reader asks for the 64 files around an
// offset again and checks them against a hash. It holds those, some kilobytes
// and with the longest paths not 2 MiB, and one open content. Making a Plan
// takes some 50 bytes for each file and folder while it lasts, up to
// Options.MaxNames of them, because unique names need all that came before.
//
// # Promises
//
//   - The bytes at an offset are the same on every machine and in every
//     process as long as the manifest is the same; ETag says which manifest.
//   - Content is asked for once for each file that a range touches, and with
//     Reader.Limit for exactly the range's bytes of it; no content is asked for
//     where a range lies in headers.
//   - Where content or manifest cannot be read, or the manifest is no longer
//     the one planned, reading fails; no other bytes take its place.
//   - Memory does not grow with the files' sizes, nor with the range read.
//
// What it does not do: it knows no database and no bucket, decides not who may
// read, and does not check that content has the CRC of its entry.
//
// It imports internal/names and the standard library.
package archive
