// Is what the server has what is on the disk? Path, size and date can be equal
// where bytes are not.

/** Pages of recorded parts, asked for one after another. */
async function* recorded(page) {
  let cursor = null;
  do {
    const { parts, next_cursor } = await page(cursor);
    yield* parts;
    cursor = next_cursor;
  } while (cursor !== null);
}

/**
 * Compares everything the server has of an earlier sending with the file, and
 * notes the checksums of its parts.
 * @param {import("./item.js").Item} item
 * @param {any} standing the file as the server describes it
 * @param {(after: string | null) => Promise<{parts: {number: number, size: number, crc32: string}[], next_cursor: string | null}>} page
 *   gives the recorded parts, a page at a time
 * @param {{of: (blob: Blob, from: number, to: number) => Promise<string>}} checksums
 * @returns {Promise<boolean>} false at the first difference
 */
export async function sameBytes(item, standing, page, checksums) {
  if (standing.state === "stored" && standing.crc32) {
    return standing.crc32 === await checksums.of(item.file, 0, item.size);
  }
  for await (const { number, crc32 } of recorded(page)) {
    if (crc32 !== await checksums.of(item.file, ...item.range(number))) return false;
    item.receipts.set(number, crc32);
  }
  return true;
}

/**
 * Reads a file that is all there once more and compares every part: one that was
 * written to while it was sent is a mix of two versions, though each of its parts
 * arrived as it was read.
 * @param {import("./item.js").Item} item
 * @param {(after: string | null) => Promise<any>} page as above, for parts whose receipt was lost
 * @param {{of: (blob: Blob, from: number, to: number) => Promise<string>}} checksums
 * @returns {Promise<boolean>}
 */
export async function stillSame(item, page, checksums) {
  if (item.receipts.size < item.parts.count) {
    for await (const { number, crc32 } of recorded(page)) item.receipts.set(number, crc32);
  }
  for (const [number, crc32] of item.receipts) {
    if (crc32 !== await checksums.of(item.file, ...item.range(number))) return false;
  }
  return true;
}
