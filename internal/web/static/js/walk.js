// From what was dropped or picked to a list of files with their paths.

/**
 * @typedef {object} Found
 * @property {string} path
 * @property {File} [file] absent when it could not be read
 */

/**
 * Files of an <input>. A folder input gives paths that begin with the folder.
 * @param {Iterable<File>} files
 * @returns {Found[]}
 */
export function fromInput(files) {
  return inOrder(Array.from(files, (file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/**
 * Files of a drop, folders opened all the way down. To be called within the drop
 * event, since the browser forgets the items afterwards.
 * @param {DataTransfer} transfer
 * @returns {Promise<Found[]>}
 */
export async function fromDrop(transfer) {
  const roots = [];
  for (const item of transfer.items ?? []) {
    if (item.kind !== "file") continue;
    roots.push({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() });
  }
  const found = [];
  for (const { entry, file } of roots) {
    if (entry) await walk(entry, "", found);
    else if (file) found.push({ path: file.name, file });
  }
  return inOrder(found);
}

/** As people count: 2 before 10. Browsers give a folder's files in any order. */
function inOrder(found) {
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  return found.sort((a, b) => compare(a.path, b.path));
}

async function walk(entry, folder, found) {
  const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
  try {
    if (entry.isFile) {
      found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
      return;
    }
    for (const child of await children(entry)) await walk(child, path, found);
  } catch {
    // What cannot be opened is named, and the rest goes on.
    found.push({ path });
  }
}

/** A reader gives a folder in bunches, the last of them empty. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const bunch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (bunch.length === 0) return all;
    all.push(...bunch);
  }
}
