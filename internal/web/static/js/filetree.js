// Folders made of paths, and the rows that are open.

/**
 * @typedef {object} Folder
 * @property {string} name
 * @property {number} depth 0 for what is seen first
 * @property {number} count files below, at any depth
 * @property {number} bytes of them
 * @property {boolean} open
 * @property {Map<string, Folder>} folders
 * @property {Leaf[]} files
 * @property {(Folder | Leaf)[] | null} sorted folders first, then files, each by name; null: not since the last file came
 *
 * @typedef {object} Leaf
 * @property {string} name
 * @property {number} depth
 * @property {any} file
 * @property {Leaf} [found] the same as a search shows it, by its whole path
 */

/** @param {string} name @param {number} depth @returns {Folder} */
function folder(name, depth) {
  return { name, depth, count: 0, bytes: 0, open: false, folders: new Map(), files: [], sorted: null };
}

export class FileTree {
  /** @type {Folder} */
  #root = folder("", -1);
  #compare;
  #before;

  /**
   * @param {string} language
   * @param {FileTree} [before] of an earlier list, whose open folders stay open
   */
  constructor(language, before) {
    this.#compare = new Intl.Collator(language, { numeric: true }).compare;
    this.#before = before;
  }

  /** Whether there is anything in it. */
  get filled() {
    return this.#root.count > 0;
  }

  /** All files are in it: the earlier list is not needed any more. */
  settle() {
    this.#before = undefined;
  }

  /** Forgets all. */
  clear() {
    this.#root = folder("", -1);
  }

  /** @param {{path: string, size: number}[]} files more of the list */
  add(files) {
    for (const file of files) {
      const names = file.path.split("/");
      const name = names.pop();
      let at = this.#root;
      let old = this.#before && this.#before.#root;
      count(at, file);
      for (const part of names) {
        let next = at.folders.get(part);
        old = old?.folders.get(part);
        if (!next) {
          at.folders.set(part, next = folder(part, at.depth + 1));
          next.open = old?.open ?? false;
        }
        at = next;
        count(at, file);
      }
      at.files.push({ name, depth: at.depth + 1, file });
    }
  }

  /** Opens a lone folder, so that nobody is asked to press the only thing there is. */
  openFirst() {
    for (let at = this.#root; at.folders.size === 1 && at.files.length === 0;) {
      at = at.folders.values().next().value;
      at.open = true;
    }
  }

  /** What is to be seen: folders first, then files. @returns {(Folder | Leaf)[]} */
  rows() {
    const rows = [];
    const walk = (at) => {
      for (const child of this.#sorted(at)) {
        rows.push(child);
        if ("open" in child && child.open) walk(child);
      }
    };
    walk(this.#root);
    return rows;
  }

  /** @param {Folder} at @returns {(Folder | Leaf)[]} */
  #sorted(at) {
    if (at.sorted === null) {
      const byName = (a, b) => this.#compare(a.name, b.name);
      at.sorted = [...[...at.folders.values()].sort(byName), ...at.files.sort(byName)];
    }
    return at.sorted;
  }

  /** Files whose path has the words, whatever the case. @param {string} query @returns {Leaf[]} */
  find(query) {
    const wanted = query.normalize("NFC").toLocaleLowerCase();
    const found = [];
    const walk = (at) => {
      for (const child of this.#sorted(at)) {
        if ("folders" in child) walk(child);
        else if (child.file.path.normalize("NFC").toLocaleLowerCase().includes(wanted)) {
          child.found ??= { name: child.file.path, depth: 0, file: child.file };
          found.push(child.found);
        }
      }
    };
    walk(this.#root);
    return found;
  }
}

function count(at, file) {
  at.count++;
  at.bytes += file.size;
  at.sorted = null;
}
