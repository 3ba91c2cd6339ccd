// The list of everything that was sent, to keep.

/**
 * @typedef {object} Line
 * @property {string} path
 * @property {number} size
 * @property {string | null} modified
 * @property {string | null} crc32
 */

/** @param {AsyncIterable<any>} files as the server describes them @returns {Promise<Line[]>} */
export async function readLines(files) {
  const lines = [];
  for await (const { path, size, modified, crc32 } of files) lines.push({ path, size, modified, crc32 });
  return lines;
}

/** @param {string} text */
function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** As a table (RFC 4180), marked as UTF-8 for the programs that need it. @param {Line[]} lines */
export function csv(lines) {
  const rows = lines.map(({ path, size, modified, crc32 }) => [quoted(path), size, modified ?? "", crc32 ?? ""].join(","));
  return `\ufeff${["path,size,modified,crc32", ...rows].join("\r\n")}\r\n`;
}

/** @param {any} head what the receipt says of the whole @param {Line[]} lines */
export function json(head, lines) {
  return `${JSON.stringify({ ...head, files: lines }, null, 1)}\n`;
}

/** As plain lines, for paper: checksum, size, path. @param {Line[]} lines @param {(bytes: number) => string} size */
export function plain(lines, size) {
  const sizes = lines.map((line) => size(line.size));
  const width = sizes.reduce((most, text) => Math.max(most, text.length), 0);
  return lines.map(({ path, crc32 }, i) => `${(crc32 ?? "").padEnd(8)}  ${sizes[i].padStart(width)}  ${path}`).join("\n");
}

/** Gives a text to the person as a file. @param {string} name @param {string} type @param {string} text */
export function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
