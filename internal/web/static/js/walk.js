// From what was dropped, pasted or picked to a list of files with their paths.
import { Breath, sortInSlices } from "./slices.js";

/**
 * @typedef {object} Found
 * @property {string} path
 * @property {File} [file] absent when it could not be read
 *
 * @typedef {object} Taken
 * @property {Found[]} found
 * @property {any[]} handles FileSystemHandles of what was given, where the browser has them
 */

/**
 * Files of an <input>. A folder input gives paths that begin with the folder.
 * @param {Iterable<File>} files
 * @param {Breath} [breath]
 * @returns {Promise<Found[]>}
 */
export async function fromInput(files, breath = new Breath()) {
  const found = [];
  for (const file of files) {
    found.push({ path: file.webkitRelativePath || file.name, file });
    await breath.take();
  }
  return inOrder(found, breath);
}

/**
 * Files of a drop or of the clipboard, folders opened all the way down. To be
 * called within the event, since the browser forgets the items afterwards.
 * @param {DataTransfer} transfer
 * @param {(count: number) => void} [counting] told how many were found so far
 * @returns {Promise<Taken>}
 */
export async function fromTransfer(transfer, counting = () => {}) {
  const roots = [];
  for (const item of transfer.items ?? []) {
    if (item.kind !== "file") continue;
    // Asked for within the event, awaited after it.
    const handle = item.getAsFileSystemHandle?.().catch(() => null);
    roots.push({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile(), handle });
  }
  const found = [];
  for (const { entry, file } of roots) {
    if (entry) await walk(entry, "", found, counting);
    else if (file) found.push({ path: file.name, file });
  }
  const handles = (await Promise.all(roots.map(({ handle }) => handle))).filter(Boolean);
  return { found: await inOrder(found, new Breath()), handles };
}

/**
 * Files behind FileSystemHandles, folders opened all the way down.
 * @param {Iterable<any>} handles
 * @param {(count: number) => void} [counting]
 * @returns {Promise<Found[]>}
 */
export async function fromHandles(handles, counting = () => {}) {
  const found = [];
  for (const handle of handles) await walkHandle(handle, "", found, counting);
  return inOrder(found, new Breath());
}

/** As people count: 2 before 10. Browsers give a folder's files in any order. */
function inOrder(found, breath) {
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  return sortInSlices(found, (a, b) => compare(a.path, b.path), breath);
}

async function walk(entry, folder, found, counting) {
  const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
  try {
    if (entry.isFile) {
      found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
      return counting(found.length);
    }
    for (const child of await children(entry)) await walk(child, path, found, counting);
  } catch {
    // What cannot be opened is named, and the rest goes on.
    found.push({ path });
  }
  return undefined;
}

/** A reader gives a folder in bunches, the last of them empty. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const bunch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (bunch.length === 0) return all;
    for (const child of bunch) all.push(child);
  }
}

async function walkHandle(handle, folder, found, counting) {
  const path = folder === "" ? handle.name : `${folder}/${handle.name}`;
  try {
    if (handle.kind === "file") {
      found.push({ path, file: await handle.getFile() });
      return counting(found.length);
    }
    for await (const child of handle.values()) await walkHandle(child, path, found, counting);
  } catch {
    found.push({ path });
  }
  return undefined;
}
