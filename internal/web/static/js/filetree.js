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
 *
 * @typedef {object} Leaf
 * @property {string} name
 * @property {number} depth
 * @property {any} file
 */

function folder(name, depth) {
  return { name, depth, count: 0, bytes: 0, open: false, folders: new Map(), files: [] };
}

export class FileTree {
  /** @type {Folder} */
  #root = folder("", -1);

  /** @param {{path: string, size: number}[]} files more of the list */
  add(files) {
    for (const file of files) {
      const names = file.path.split("/");
      const name = names.pop();
      let at = this.#root;
      count(at, file);
      for (const part of names) {
        let next = at.folders.get(part);
        if (!next) at.folders.set(part, next = folder(part, at.depth + 1));
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
      for (const child of at.folders.values()) {
        rows.push(child);
        if (child.open) walk(child);
      }
      rows.push(...at.files);
    };
    walk(this.#root);
    return rows;
  }

  /** Files whose path has the words, whatever the case. @param {string} query @returns {Leaf[]} */
  find(query) {
    const wanted = query.normalize("NFC").toLocaleLowerCase();
    const found = [];
    const walk = (at) => {
      for (const child of at.folders.values()) walk(child);
      for (const leaf of at.files) {
        if (leaf.file.path.normalize("NFC").toLocaleLowerCase().includes(wanted)) found.push({ ...leaf, name: leaf.file.path, depth: 0 });
      }
    };
    walk(this.#root);
    return found;
  }
}

function count(at, file) {
  at.count++;
  at.bytes += file.size;
}
