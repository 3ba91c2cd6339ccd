// The files that were chosen, each under a name of its own.
import { Item } from "./item.js";
import { FreeNames, pathAllowed, pathKey } from "./names.js";

/** Reasons to fail after which other bytes under the same name are the same file, saved or read anew. */
export const LOST = new Set(["unreadable", "changing"]);

export class Chosen {
  /** @type {Item[]} in the order chosen */
  items = [];
  /** @type {{from: string, to: string}[]} what got another name */
  renamed = [];
  /** @type {Map<string, Item>} */
  #byKey = new Map();
  #free = new FreeNames();
  #maxFile;
  #fail;

  /**
   * @param {number | null} maxFile what the link takes as one file, in bytes
   * @param {(item: Item, reason: string, refusal?: any) => void} fail told of files that cannot be sent
   */
  constructor(maxFile, fail) {
    this.#maxFile = maxFile;
    this.#fail = fail;
  }

  /** @param {string} path */
  has(path) {
    return this.#byKey.has(pathKey(path));
  }

  /**
   * Takes a file. A second one of the same name gets a number, also where the first
   * was refused; the same file is taken once, and one that failed is taken anew.
   * @param {import("./walk.js").Found} found
   */
  add({ path, file }) {
    const item = new Item(path, file);
    const standing = this.#byKey.get(item.key);
    if (!standing) return this.#keep(item);
    const same = !file || (standing.size === item.size && standing.file?.lastModified === file.lastModified);
    if (standing.state === "failed" && (same || LOST.has(standing.reason))) this.#takeAnew(standing, file);
    else if (!same) {
      this.rename(item);
      this.#keep(item);
    }
    return undefined;
  }

  /** Gives a file a free name. @param {Item} item */
  rename(item) {
    const free = this.#free.find(item.path, (key) => this.#byKey.has(key));
    this.renamed.push({ from: item.path, to: free });
    if (this.#byKey.get(item.key) === item) this.#byKey.delete(item.key);
    item.rename(free);
    this.#byKey.set(item.key, item);
  }

  #keep(item) {
    this.items.push(item);
    this.#byKey.set(item.key, item);
    this.#examine(item);
  }

  #takeAnew(item, file) {
    if (!file) return;
    item.take(file);
    item.reset();
    this.#examine(item);
  }

  /** What can be known without the server is said before anything is sent. */
  #examine(item) {
    if (!item.file) this.#fail(item, "unreadable");
    else if (!pathAllowed(item.path)) this.#fail(item, "path_invalid");
    else if (this.#maxFile !== null && item.size > this.#maxFile) this.#fail(item, "file_too_large", { max_file_bytes: this.#maxFile });
  }

  /** @param {Set<Item>} gone */
  drop(gone) {
    for (const item of gone) if (this.#byKey.get(item.key) === item) this.#byKey.delete(item.key);
    this.items = this.items.filter((item) => !gone.has(item));
    this.renamed = this.renamed.filter(({ to }) => this.has(to));
  }

  clear() {
    this.items = [];
    this.renamed = [];
    this.#byKey.clear();
    this.#free = new FreeNames();
  }
}
