// Is what was sent earlier what is on the disk now? Path, size and date can be
// equal where bytes are not.

/**
 * Compares everything the server has of a file with the file.
 * @param {import("./item.js").Item} item
 * @param {any} standing the file as the server describes it
 * @param {(after: string | null) => Promise<{parts: {number: number, size: number, crc32: string}[], next_cursor: string | null}>} page
 *   gives the recorded parts, a page at a time
 * @param {import("./checksums.js").Checksums} checksums
 * @returns {Promise<boolean>} false at the first difference
 */
export async function sameBytes(item, standing, page, checksums) {
  if (standing.state === "stored" && standing.crc32) {
    return standing.crc32 === await checksums.of(item.file, 0, item.size);
  }
  let cursor = null;
  do {
    const { parts, next_cursor } = await page(cursor);
    for (const { number, size, crc32 } of parts) {
      const from = (number - 1) * standing.part_size;
      if (crc32 !== await checksums.of(item.file, from, from + size)) return false;
    }
    cursor = next_cursor;
  } while (cursor !== null);
  return true;
}
